//! What may decide a class of calls, in the order of the cascade, with conditions left open.

use std::cmp::Reverse;
use std::sync::Arc;

use super::groups::{Group, Written};
use super::names::Named;
use super::{Both, Direction, Outcome};
use crate::document::{Document, UnlistedTools};
use crate::{Coordinates, Level, Permission, Precedence, Scope, Status, Tool};

/// What holds for a tool where no rule decides, and whether its allowances are clamped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Standing {
    enabled: bool,
    clamps: bool,
    fallback: Permission,
    fallback_level: Level,
}

impl Standing {
    /// Of a listed tool, or of one that is not listed.
    pub(super) fn new(document: &Document, tool: Option<&Tool>) -> Self {
        let category = tool.and_then(|tool| *document.categories.get(tool.category()?)?);
        let default = tool.and_then(Tool::default_permission);
        let is_approved = tool.is_some_and(|tool| tool.status() == Status::Approved);
        let (fallback, fallback_level) = match (default, category) {
            (Some(permission), _) => (permission, Level::ToolDefault),
            (None, Some(permission)) => (permission, Level::CategoryDefault),
            (None, None) if is_approved => (Permission::Allowed, Level::ToolApproved),
            (None, None) => (Permission::RequiresApproval, Level::FailSafe),
        };
        let is_accepted = tool.is_some_and(|tool| tool.status() != Status::Draft);
        Self {
            enabled: tool.is_none_or(Tool::enabled),
            clamps: document.unlisted_tools == UnlistedTools::Clamp && !is_accepted,
            fallback,
            fallback_level,
        }
    }

    fn decides(self, candidates: &mut Vec<Candidate<'_>>) {
        let names_tool = self.fallback_level == Level::ToolDefault;
        candidates.push(self.candidate(self.fallback, self.fallback_level, names_tool, None));
    }

    const fn candidate<'d>(
        self,
        permission: Permission,
        level: Level,
        names_tool: bool,
        written: Option<Written<'d>>,
    ) -> Candidate<'d> {
        let clamped = self.clamps && !names_tool && matches!(permission, Permission::Allowed);
        let permission = if clamped { Permission::RequiresApproval } else { permission };
        Candidate { permission, level, clamped, written }
    }
}

/// Something that may decide.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'d> {
    permission: Permission,
    level: Level,
    clamped: bool,
    /// The rule; `None` for the gate and the fallbacks.
    written: Option<Written<'d>>,
}

/// What may decide, up to the first that does so in any case. The groups match the calls.
pub(super) fn candidates<'d>(
    groups: impl Iterator<Item = (&'d Group<'d>, &'d [Written<'d>])>,
    standing: Standing,
    precedence: Precedence,
) -> Vec<Candidate<'d>> {
    if !standing.enabled {
        return vec![standing.candidate(Permission::Disabled, Level::ToolDisabled, true, None)];
    }
    let order = precedence.order();
    let mut rules: Vec<_> = groups
        .flat_map(|(group, rules)| {
            let place = order.iter().position(|coordinates| *coordinates == group.coordinates);
            let level = (group.scope == Scope::Org, place);
            let closeness = (closeness(group.names.tool), closeness(group.names.resource));
            rules.iter().map(move |written| {
                // Of the tag rules that hold, the strictest decides: the same as the first that holds of these.
                let is_tag = group.coordinates == Coordinates::Tag;
                let strictness = is_tag.then_some(written.rule.permission);
                ((level, Reverse(closeness), Reverse(strictness), written.order), group, *written)
            })
        })
        .collect();
    rules.sort_unstable_by_key(|(order, ..)| *order);
    let mut candidates = Vec::new();
    for (_, group, written) in rules {
        let names_tool = matches!(group.names.tool, Some(Named::Exact(_)));
        let level = Level::Rule(group.scope, group.coordinates);
        candidates.push(standing.candidate(written.rule.permission, level, names_tool, Some(written)));
        if written.rule.when.is_none() {
            return candidates;
        }
    }
    standing.decides(&mut candidates);
    candidates
}

/// An exact name is closer than any pattern, a longer pattern closer than a shorter one.
const fn closeness(named: Option<Named<'_>>) -> usize {
    match named {
        Some(Named::Exact(_)) => usize::MAX,
        Some(Named::Prefix(prefix)) => prefix.len(),
        None => 0,
    }
}

/// How what may decide differs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Change {
    pub(super) direction: Direction,
    pub(super) outcomes: Both<Outcome>,
    pub(super) unless: Vec<Arc<str>>,
}

/// Compares what may decide by the old document and by the new one; `None` if it comes to the same.
pub(super) fn change(candidates: &Both<Vec<Candidate<'_>>>) -> Option<Change> {
    let Both { old, new } = candidates;
    let unless: Vec<_> = old
        .iter()
        .zip(new)
        .take_while(|(old, new)| old.is_same_unknown(new))
        .filter_map(|(_, new)| new.written.map(|written| Arc::clone(&written.rule.id)))
        .collect();
    let (old, new) = (old.get(unless.len())?, new.get(unless.len())?);
    let direction = if old.is_conditional() || new.is_conditional() {
        Direction::MayChange
    } else if new.permission < old.permission {
        Direction::Looser
    } else if new.permission > old.permission {
        Direction::Stricter
    } else {
        return None;
    };
    Some(Change { direction, outcomes: Both { old: old.outcome(), new: new.outcome() }, unless })
}

impl Candidate<'_> {
    fn is_conditional(&self) -> bool {
        self.written.is_some_and(|written| written.rule.when.is_some())
    }

    /// Whether it decides the same calls in the same way, whatever they are. A fault of the condition counts by
    /// what the rule says, before the clamp.
    fn is_same_unknown(&self, other: &Self) -> bool {
        let (Some(own), Some(its)) = (self.written, other.written) else { return false };
        self.is_conditional() && self.permission == other.permission && own.is_like(&its)
    }

    fn outcome(&self) -> Outcome {
        Outcome {
            permission: self.permission,
            level: self.level,
            rule: self.written.map(|written| Arc::clone(&written.rule.id)),
            conditional: self.is_conditional(),
            clamped: self.clamped,
        }
    }
}
