//! The rules, grouped by their coordinates.

use std::sync::Arc;

use hashbrown::HashMap;

use super::levels::Levels;
use crate::Permission;
use crate::condition::Condition;
use crate::document::TAGS_MAX;

/// A rule, once its coordinates have matched.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: Arc<str>,
    pub(crate) reason: Option<Arc<str>>,
    pub(crate) when: Option<Arc<Condition>>,
    pub(crate) permission: Permission,
    /// It names one tool, and not by a pattern.
    pub(crate) names_one_tool: bool,
}

/// The coordinates of a rule by the ids of their symbols; zero is a dimension that it does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(u128);

impl Key {
    pub(crate) fn new(tenant: u32, resource: u32, tool: u32, method: u32) -> Self {
        Self([tenant, resource, tool, method].iter().fold(0, |key, &id| key << 32 | u128::from(id)))
    }
}

/// The tag of a rule, and its tenant or zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TagKey {
    pub(super) tenant: u32,
    pub(super) tag: u32,
}

/// All rules of a snapshot.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Rules of equal coordinates stand together, in document order.
    rules: Box<[Rule]>,
    spans: HashMap<Key, Span>,
    /// In document order.
    tag_rules: Box<[Rule]>,
    /// The indices in `tag_rules` of the rules that can take part.
    by_tag: HashMap<TagKey, Box<[u32]>>,
    /// The levels that hold any rule.
    pub(crate) levels: Levels,
}

/// Where the rules of one key are.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
}

impl Rules {
    pub(crate) fn count(&self) -> usize {
        self.rules.len().saturating_add(self.tag_rules.len())
    }

    /// The rules of exactly these coordinates, in document order.
    pub(crate) fn at(&self, key: Key) -> &[Rule] {
        let range = |span: &Span| Some(usize::try_from(span.start).ok()?..usize::try_from(span.end).ok()?);
        self.spans.get(&key).and_then(range).and_then(|range| self.rules.get(range)).unwrap_or_default()
    }

    /// The rules of one tenant, or of none, that name any of these tags, in document order. Of those without
    /// a condition only the one is among them that decides if no other does.
    pub(crate) fn of_tags(&self, tenant: u32, tags: &[u32]) -> impl Iterator<Item = &Rule> {
        let mut lists: [&[u32]; TAGS_MAX] = [&[]; TAGS_MAX];
        for (list, &tag) in lists.iter_mut().zip(tags) {
            *list = self.by_tag.get(&TagKey { tenant, tag }).map(AsRef::as_ref).unwrap_or_default();
        }
        std::iter::from_fn(move || {
            let earliest =
                lists.iter_mut().filter(|list| !list.is_empty()).min_by_key(|list| list.first().copied())?;
            let (&index, rest) = earliest.split_first()?;
            *earliest = rest;
            self.tag_rules.get(usize::try_from(index).ok()?)
        })
    }
}

/// Collects rules, in document order.
#[derive(Debug, Default)]
pub(super) struct RulesBuilder {
    rules: Vec<(Key, Rule)>,
    tag_rules: Vec<(TagKey, Rule)>,
    levels: Levels,
}

impl RulesBuilder {
    pub(super) fn add(&mut self, level: Levels, key: Key, rule: Rule) {
        self.levels = self.levels.or(level);
        self.rules.push((key, rule));
    }

    pub(super) fn add_tag_rule(&mut self, level: Levels, key: TagKey, rule: Rule) {
        self.levels = self.levels.or(level);
        self.tag_rules.push((key, rule));
    }

    pub(super) fn build(mut self) -> Rules {
        // Stable, so that equal keys stay in document order.
        self.rules.sort_by_key(|(key, _)| *key);
        let mut spans: HashMap<Key, Span> = HashMap::new();
        for ((key, _), index) in self.rules.iter().zip(0u32..) {
            let next = index.saturating_add(1);
            spans.entry(*key).or_insert(Span { start: index, end: next }).end = next;
        }
        spans.shrink_to_fit();
        Rules {
            by_tag: by_tag(&self.tag_rules),
            rules: self.rules.into_iter().map(|(_, rule)| rule).collect(),
            tag_rules: self.tag_rules.into_iter().map(|(_, rule)| rule).collect(),
            spans,
            levels: self.levels,
        }
    }
}

fn by_tag(tag_rules: &[(TagKey, Rule)]) -> HashMap<TagKey, Box<[u32]>> {
    // The first of the strictest rules of each key that have no condition.
    let mut always: HashMap<TagKey, (u32, Permission)> = HashMap::new();
    for ((key, rule), index) in tag_rules.iter().zip(0u32..) {
        if rule.when.is_none() {
            let best = always.entry(*key).or_insert((index, rule.permission));
            if rule.permission > best.1 {
                *best = (index, rule.permission);
            }
        }
    }
    let mut lists: HashMap<TagKey, Vec<u32>> = HashMap::new();
    for ((key, rule), index) in tag_rules.iter().zip(0u32..) {
        if rule.when.is_some() || always.get(key).is_some_and(|best| best.0 == index) {
            lists.entry(*key).or_default().push(index);
        }
    }
    lists.into_iter().map(|(key, list)| (key, list.into())).collect()
}
