//! Looks for calls whose verdict differs: one dimension after the other, only where a difference can be.
//!
//! In each dimension, values that match the same rules of those that are left go on together.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use super::groups::{Group, groups, names};
use super::names::{Dimension, Named, Names, PerDimension};
use super::walk::{Change, Standing, candidates, change};
use super::{Both, Compared};
use crate::document::Document;
use crate::{Precedence, Tool};

/// Everything that was found.
#[derive(Debug)]
pub(super) struct Found<'d> {
    pub(super) names: PerDimension<Names<'d>>,
    /// No call is in two of them.
    pub(super) cells: Vec<Cell>,
    pub(super) complete: bool,
}

/// Calls whose verdict changes alike, by the places of their classes.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) classes: PerDimension<Vec<usize>>,
    pub(super) change: Change,
}

/// Rules that match so far: their group, and in which documents they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Match {
    group: u32,
    sides: Both<bool>,
}

/// A class of tools, as either document lists it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct ToolClass<'d> {
    standing: Both<Standing>,
    tags: Both<&'d [Arc<str>]>,
}

/// Values that match the same rules.
type Alike = (Vec<usize>, Vec<Match>, Option<Both<Standing>>);

pub(super) fn search<'d>(sides: &Both<&'d Compared>, steps_max: usize) -> Found<'d> {
    let groups = groups(sides);
    let names = names(sides, &groups);
    let precedence = sides.map(|side| side.document.precedence);
    let tools = tools(&sides.map(|side| &side.document), &names.tool);
    let changed = |tool: &ToolClass<'_>| tool.standing.differ() || tool.tags.differ();
    let changed_tools =
        tools.iter().enumerate().filter(|(_, tool)| changed(tool)).map(|(place, _)| place).collect();
    let mut carriers: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, tool) in tools.iter().enumerate() {
        for tag in tool.tags.old.iter().chain(tool.tags.new) {
            carriers.entry(tag).or_default().push(place);
        }
    }
    let mut search = Search {
        groups: &groups,
        names: &names,
        tools,
        changed_tools,
        carriers,
        precedence,
        steps_left: Some(steps_max),
        cells: Vec::new(),
    };
    search.tenants();
    let complete = search.steps_left.is_some();
    let cells = search.cells;
    Found { names, cells, complete }
}

/// The tools of each class; of those that are not listed, none.
fn tools<'d>(documents: &Both<&'d Document>, names: &Names<'d>) -> Vec<ToolClass<'d>> {
    let listed: Both<HashMap<&str, &Tool>> =
        documents.map(|document| document.tools.iter().map(|tool| (tool.name(), tool)).collect());
    let class = |place| {
        let name = names.exact(place);
        let tool = listed.map(|listed| listed.get(name?).copied());
        ToolClass {
            standing: documents.zip(tool).map(|(document, tool)| Standing::new(document, *tool)),
            tags: tool.map(|tool| tool.map(Tool::tags).unwrap_or_default()),
        }
    };
    names.all().map(class).collect()
}

struct Search<'s, 'd> {
    groups: &'s [Group<'d>],
    names: &'s PerDimension<Names<'d>>,
    tools: Vec<ToolClass<'d>>,
    changed_tools: Vec<usize>,
    /// The tools with a tag, in either document.
    carriers: HashMap<&'d str, Vec<usize>>,
    precedence: Both<Precedence>,
    /// `None` once there were none left.
    steps_left: Option<usize>,
    cells: Vec<Cell>,
}

impl<'s, 'd> Search<'s, 'd> {
    fn tenants(&mut self) {
        let mut everyones = Vec::new();
        let mut own: HashMap<usize, Vec<Match>> = HashMap::new();
        for (group, number) in self.groups.iter().zip(0u32..) {
            let matching = Match { group: number, sides: Both { old: true, new: true } };
            match group.names.tenant {
                Some(tenant) => {
                    own.entry(self.names.tenant.matched(tenant).start).or_default().push(matching);
                }
                None => everyones.push(matching),
            }
        }
        let all = self.precedence.differ() || !self.changed_tools.is_empty() || self.any_changed(&everyones);
        for tenant in self.names.tenant.all() {
            let mut matches = own.remove(&tenant).unwrap_or_default();
            if (all || self.any_changed(&matches))
                && self.spend(matches.len().saturating_add(everyones.len()))
            {
                matches.extend(&everyones);
                let classes = PerDimension { tenant: vec![tenant], ..PerDimension::default() };
                self.descend(Dimension::Tool, &matches, &classes, None);
            }
        }
    }

    /// Goes on with the next dimension, for the classes of calls chosen so far and the rules that match them.
    fn descend(
        &mut self,
        dimension: Dimension,
        matches: &[Match],
        classes: &PerDimension<Vec<usize>>,
        standing: Option<Both<Standing>>,
    ) {
        let differs_anyway = self.precedence.differ() || standing.is_some_and(|standing| standing.differ());
        for (alike, matches, its_standing) in self.split(dimension, matches, differs_anyway) {
            let standing = standing.or(its_standing);
            let can_differ = self.precedence.differ()
                || standing.is_some_and(|standing| standing.differ())
                || self.any_changed(&matches);
            if !can_differ || self.steps_left.is_none() {
                continue;
            }
            let mut classes = classes.clone();
            *classes.of_mut(dimension) = alike;
            match (dimension.next(), standing) {
                (Some(next), _) => self.descend(next, &matches, &classes, standing),
                (None, Some(standing)) => self.compare(&matches, classes, standing),
                (None, None) => {}
            }
        }
    }

    fn compare(&mut self, matches: &[Match], classes: PerDimension<Vec<usize>>, standing: Both<Standing>) {
        let of = |side: fn(&Both<bool>) -> bool| {
            matches
                .iter()
                .filter(move |matching| side(&matching.sides))
                .filter_map(|matching| self.group(*matching))
        };
        let decide = Both {
            old: candidates(
                of(|sides| sides.old).map(|group| (group, group.rules.old.as_slice())),
                standing.old,
                self.precedence.old,
            ),
            new: candidates(
                of(|sides| sides.new).map(|group| (group, group.rules.new.as_slice())),
                standing.new,
                self.precedence.new,
            ),
        };
        if let Some(change) = change(&decide) {
            let PerDimension { tenant, tool, resource, method } = &classes;
            let size = [tenant, tool, resource, method].iter().map(|places| places.len()).sum();
            if self.spend(size) {
                self.cells.push(Cell { classes, change });
            }
        }
    }

    /// Splits one dimension into values that match the same of these rules. Values for which nothing can
    /// differ are left out.
    fn split(&mut self, dimension: Dimension, matches: &[Match], all: bool) -> Vec<Alike> {
        let sorted = self.sorted(dimension, matches);
        let mut alike: Vec<Alike> = Vec::new();
        let mut places: HashMap<(Vec<Match>, Option<Both<Standing>>), usize> = HashMap::new();
        for class in self.touched(dimension, matches, all) {
            let mut matched = sorted.always.clone();
            matched.extend(sorted.exact.get(&class).into_iter().flatten());
            matched.extend(
                sorted
                    .prefixes
                    .iter()
                    .filter(|(range, _)| range.contains(&class))
                    .map(|(_, matching)| matching),
            );
            let tool = self.tools.get(class).filter(|_| dimension == Dimension::Tool);
            matched.extend(tool.into_iter().flat_map(|tool| sorted.tagged(tool)));
            let standing = tool.map(|tool| tool.standing);
            if !self.spend(matched.len().saturating_add(sorted.prefixes.len()).saturating_add(1)) {
                return Vec::new();
            }
            let place = *places.entry((matched, standing)).or_insert_with_key(|(matched, standing)| {
                alike.push((Vec::new(), matched.clone(), *standing));
                alike.len().saturating_sub(1)
            });
            alike.get_mut(place).into_iter().for_each(|(classes, ..)| classes.push(class));
        }
        alike
    }

    /// The classes for which something can differ; all of them where a change names no value.
    fn touched(&self, dimension: Dimension, matches: &[Match], all: bool) -> Vec<usize> {
        let names = self.names.of(dimension);
        let changed = || matches.iter().filter(|matching| self.is_changed(**matching));
        let is_of_tag = |group: &Group<'_>| dimension == Dimension::Tool && group.tag.is_some();
        let groups = || changed().filter_map(|matching| self.group(*matching));
        if all || groups().any(|group| group.names.of(dimension).is_none() && !is_of_tag(group)) {
            return names.all().collect();
        }
        let named =
            groups().filter_map(|group| *group.names.of(dimension)).flat_map(|name| names.matched(name));
        let mut touched: BTreeSet<usize> = named.collect();
        if dimension == Dimension::Tool {
            let tags = groups().filter_map(|group| self.carriers.get(group.tag?)).flatten();
            touched.extend(tags.chain(&self.changed_tools));
        }
        touched.into_iter().collect()
    }

    /// The rules by what they name in a dimension.
    fn sorted(&self, dimension: Dimension, matches: &[Match]) -> Sorted<'d> {
        let mut sorted = Sorted::default();
        for matching in matches {
            let Some(group) = self.group(*matching) else { continue };
            let names = self.names.of(dimension);
            match (group.names.of(dimension), group.tag) {
                (Some(name @ Named::Exact(_)), _) => {
                    sorted.exact.entry(names.matched(*name).start).or_default().push(*matching);
                }
                (Some(name @ Named::Prefix(_)), _) => sorted.prefixes.push((names.matched(*name), *matching)),
                (None, Some(tag)) if dimension == Dimension::Tool => {
                    sorted.tags.entry(tag).or_default().push(*matching);
                }
                (None, _) => sorted.always.push(*matching),
            }
        }
        sorted
    }

    fn group(&self, matching: Match) -> Option<&'s Group<'d>> {
        self.groups.get(usize::try_from(matching.group).ok()?)
    }

    fn is_changed(&self, matching: Match) -> bool {
        matching.sides.differ() || self.group(matching).is_some_and(|group| group.changed)
    }

    fn any_changed(&self, matches: &[Match]) -> bool {
        matches.iter().any(|matching| self.is_changed(*matching))
    }

    /// Whether there were as many steps left.
    fn spend(&mut self, steps: usize) -> bool {
        self.steps_left = self.steps_left.and_then(|left| left.checked_sub(steps));
        self.steps_left.is_some()
    }
}

/// Rules by what they name in one dimension.
#[derive(Default)]
struct Sorted<'d> {
    always: Vec<Match>,
    exact: HashMap<usize, Vec<Match>>,
    prefixes: Vec<(Range<usize>, Match)>,
    tags: HashMap<&'d str, Vec<Match>>,
}

impl Sorted<'_> {
    /// The tag rules for a tool, in the documents in which it has the tag.
    fn tagged(&self, tool: &ToolClass<'_>) -> Vec<Match> {
        let Both { old, new } = tool.tags;
        let added = new.iter().filter(|tag| !old.contains(tag));
        let tags = old.iter().chain(added).filter_map(|tag| Some((tag, self.tags.get(tag.as_ref())?)));
        let mut matches: Vec<Match> = tags
            .flat_map(|(tag, matches)| {
                let sides = Both { old: old.contains(tag), new: new.contains(tag) };
                matches.iter().map(move |matching| Match { sides, ..*matching })
            })
            .collect();
        matches.sort_unstable_by_key(|matching| matching.group);
        matches
    }
}
