//! The rules of both documents, grouped by their coordinates.

use std::collections::HashMap;

use super::names::{Dimension, Named, Names, PerDimension};
use super::{Both, Compared};
use crate::document::{Pattern, Rule, Target};
use crate::{Coordinates, Scope};

/// The rules of both documents that have the same coordinates.
#[derive(Debug)]
pub(super) struct Group<'d> {
    pub(super) scope: Scope,
    pub(super) coordinates: Coordinates,
    pub(super) names: PerDimension<Option<Named<'d>>>,
    pub(super) tag: Option<&'d str>,
    pub(super) rules: Both<Vec<Written<'d>>>,
    /// They differ in more than ids and reasons.
    pub(super) changed: bool,
}

/// A rule, its place among all, and its condition as written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written<'d> {
    pub(super) rule: &'d Rule,
    pub(super) order: usize,
    when: Option<&'d str>,
}

impl Written<'_> {
    /// Whether both say the same of the same calls, as far as the texts of their conditions tell.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let same_condition = match (&self.rule.when, &other.rule.when) {
            (None, None) => true,
            (Some(_), Some(_)) => self.when.is_some() && self.when == other.when,
            _ => false,
        };
        same_condition && self.rule.permission == other.rule.permission
    }
}

/// The groups, in the order in which the documents first name their coordinates.
pub(super) fn groups<'d>(sides: &Both<&'d Compared>) -> Vec<Group<'d>> {
    let mut groups: Vec<Group<'d>> = Vec::new();
    let mut places: HashMap<(Option<&str>, &Target), usize> = HashMap::new();
    let mut add = |side: &'d Compared, is_new: bool| {
        for (order, rule) in side.document.rules.iter().enumerate() {
            let coordinates = (rule.tenant.as_deref(), &rule.target);
            let place = *places.entry(coordinates).or_insert_with(|| {
                groups.push(group(rule));
                groups.len().saturating_sub(1)
            });
            let when = side.conditions.get(rule.id.as_ref()).map(String::as_str);
            if let Some(group) = groups.get_mut(place) {
                let rules = if is_new { &mut group.rules.new } else { &mut group.rules.old };
                rules.push(Written { rule, order, when });
            }
        }
    };
    add(sides.old, false);
    add(sides.new, true);
    for group in &mut groups {
        let Both { old, new } = &group.rules;
        group.changed = old.len() != new.len() || old.iter().zip(new).any(|(old, new)| !old.is_like(new));
    }
    groups
}

fn group(rule: &Rule) -> Group<'_> {
    let (tag, coordinates, mut names) = match &rule.target {
        Target::Tag(tag) => (Some(tag.as_ref()), Coordinates::Tag, PerDimension::default()),
        Target::Call { resource, tool, method } => {
            let coordinates = Coordinates::of(resource.is_some(), tool.is_some(), method.is_some());
            let names = PerDimension {
                tenant: None,
                tool: tool.as_ref().map(named),
                resource: resource.as_ref().map(named),
                method: method.as_deref().map(Named::Exact),
            };
            (None, coordinates, names)
        }
    };
    names.tenant = rule.tenant.as_deref().map(Named::Exact);
    let scope = if rule.tenant.is_some() { Scope::Tenant } else { Scope::Org };
    Group { scope, coordinates, names, tag, rules: Both::default(), changed: false }
}

const fn named(pattern: &Pattern) -> Named<'_> {
    match pattern {
        Pattern::Exact(name) => Named::Exact(name),
        Pattern::Prefix(prefix) => Named::Prefix(prefix),
    }
}

/// The classes of each dimension.
pub(super) fn names<'d>(sides: &Both<&'d Compared>, groups: &[Group<'d>]) -> PerDimension<Names<'d>> {
    let of = |dimension| groups.iter().filter_map(move |group| *group.names.of(dimension));
    let listed = [sides.old, sides.new].into_iter().flat_map(|side| &side.document.tools);
    let listed = listed.map(|tool| Named::Exact(tool.name()));
    PerDimension {
        tenant: Names::new(Dimension::Tenant, of(Dimension::Tenant)),
        tool: Names::new(Dimension::Tool, of(Dimension::Tool).chain(listed)),
        resource: Names::new(Dimension::Resource, of(Dimension::Resource)),
        method: Names::new(Dimension::Method, of(Dimension::Method)),
    }
}
