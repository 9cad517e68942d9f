//! The walk: gate, levels, fallbacks, clamp. What it finds and what it tells an observer come of one pass.

mod explanation;
mod observer;
mod seen;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use self::explanation::{Considered, Explanation, Step};
pub use self::observer::{Observer, Outcome, Silent};
pub use self::seen::{Seen, SeenValue, VALUE_BYTES_MAX};
use crate::condition::Inputs;
use crate::document::UnlistedTools;
use crate::replay::Assumptions;
use crate::snapshot::{Ids, Key, Listed, Matches, Reach, Rule};
use crate::{Call, Coordinates, Definition, Level, Permission, Scope, Snapshot, Status, UnixMillis, Verdict};

/// The verdict of a policy on one call.
///
/// Takes the same time whatever the number of rules, and allocates nothing unless a condition is evaluated.
pub fn verdict(
    snapshot: &Snapshot,
    call: &Call<'_>,
    now: UnixMillis,
    observer: &mut impl Observer,
) -> Verdict {
    verdict_assuming(None, snapshot, call, now, observer)
}

/// The same of a call that is not known whole, if conditions are to say what is assumed.
pub(crate) fn verdict_assuming(
    assumptions: Option<&Assumptions>,
    snapshot: &Snapshot,
    call: &Call<'_>,
    now: UnixMillis,
    observer: &mut impl Observer,
) -> Verdict {
    let tool = snapshot.tools.matches(Some(call.tool));
    let listed = tool.exact.and_then(|symbol| snapshot.listed(symbol));
    observer.begins(snapshot.walk.all(call.tenant.is_some()));
    if listed.is_some_and(|listed| !listed.enabled) {
        let found = Found::fallback(Permission::Disabled, Level::ToolDisabled);
        return found.verdict(snapshot, call, Clamp::No, Vec::new(), observer);
    }
    let inputs = Inputs::new(call, now);
    let mut cascade =
        Cascade { snapshot, call, inputs, assumptions, observer, faults: Vec::new(), set_aside: None };
    let found = cascade.rules(tool, listed).unwrap_or_else(|| cascade.fallback(listed));
    let found = match cascade.set_aside {
        Some(fault) if fault.permission > found.permission => {
            cascade.observer.fault_decides();
            fault
        }
        _ => found,
    };
    let faults = cascade.faults;
    found.verdict(snapshot, call, snapshot.clamp(listed, call.definition), faults, observer)
}

/// Which verdicts of `allowed` on a tool become `requires_approval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clamp {
    /// None.
    No,
    /// Those of a rule or default that does not name exactly it: it is a draft, or not listed.
    UnlessNamed,
    /// All: its definition is not the one that was accepted.
    All,
}

impl Clamp {
    /// Whether `allowed` becomes `requires_approval`, said by what names the tool or does not.
    pub(crate) const fn applies(self, names_tool: bool) -> bool {
        match self {
            Self::No => false,
            Self::UnlessNamed => !names_tool,
            Self::All => true,
        }
    }
}

impl Snapshot {
    pub(crate) fn clamp(&self, listed: Option<&Listed>, definition: Definition) -> Clamp {
        let is_accepted = listed.is_some_and(|listed| listed.status != Status::Draft);
        match definition {
            Definition::Changed(_) | Definition::Unknown => Clamp::All,
            Definition::Accepted if is_accepted || self.unlisted_tools == UnlistedTools::Trust => Clamp::No,
            Definition::Accepted => Clamp::UnlessNamed,
        }
    }
}

/// The verdict of a policy on one call, and everything that was looked at on the way.
#[must_use]
pub fn explain(snapshot: &Snapshot, call: &Call<'_>, now: UnixMillis) -> Explanation {
    let mut explanation = Explanation::default();
    verdict(snapshot, call, now, &mut explanation);
    explanation
}

/// What decides, as far as it is known.
#[derive(Clone, Copy)]
struct Found<'s> {
    permission: Permission,
    level: Level,
    rule: Option<&'s Rule>,
    /// It named exactly the call's tool.
    names_tool: bool,
}

impl<'s> Found<'s> {
    const fn rule(level: Level, rule: &'s Rule) -> Self {
        Self { permission: rule.permission, level, rule: Some(rule), names_tool: rule.names_one_tool }
    }

    const fn fallback(permission: Permission, level: Level) -> Self {
        Self { permission, level, rule: None, names_tool: matches!(level, Level::ToolDefault) }
    }

    fn verdict(
        self,
        snapshot: &Snapshot,
        call: &Call<'_>,
        clamp: Clamp,
        faults: Vec<Arc<str>>,
        observer: &mut impl Observer,
    ) -> Verdict {
        let clamped = self.permission == Permission::Allowed && clamp.applies(self.names_tool);
        let verdict = Verdict {
            permission: if clamped { Permission::RequiresApproval } else { self.permission },
            level: self.level,
            rule: self.rule.map(|rule| Arc::clone(&rule.id)),
            clamped,
            definition_changed: call.definition != Definition::Accepted,
            faults,
            revision: snapshot.revision(),
            reason: self.rule.and_then(|rule| rule.reason.clone()),
        };
        observer.ends(&verdict);
        verdict
    }
}

struct Cascade<'s, 'c, 'o, O> {
    snapshot: &'s Snapshot,
    call: &'c Call<'c>,
    inputs: Inputs<'c>,
    assumptions: Option<&'c Assumptions>,
    observer: &'o mut O,
    faults: Vec<Arc<str>>,
    /// The strictest of the rules whose condition could not be evaluated, the first among equals.
    set_aside: Option<Found<'s>>,
}

/// What the call matches in each dimension.
#[derive(Clone, Copy)]
struct Dimensions<'s> {
    tenant: u32,
    resource: Matches<'s>,
    tool: Matches<'s>,
    method: Option<u32>,
}

impl<'s, O: Observer> Cascade<'s, '_, '_, O> {
    /// The first rule that matches.
    fn rules(&mut self, tool: Matches<'s>, listed: Option<&'s Listed>) -> Option<Found<'s>> {
        let snapshot = self.snapshot;
        let tenant = self.call.tenant.and_then(|tenant| snapshot.tenants.exact(tenant)).unwrap_or_default();
        let resource = snapshot.resources.matches(self.call.resource);
        let method = self.call.method.and_then(|method| snapshot.methods.exact(method));
        let reach = Reach {
            tenant: tenant.levels,
            resource: resource.levels(),
            tool: tool.levels(),
            method: method.unwrap_or_default().levels,
            tags: listed.map(|listed| listed.tag_levels).unwrap_or_default(),
        };
        let levels = snapshot.walk.reachable(snapshot.rules.levels, reach);
        let dimensions =
            Dimensions { tenant: tenant.id, resource, tool, method: method.map(|symbol| symbol.id) };
        snapshot.walk.in_order(levels).find_map(|(scope, coordinates)| {
            let level = Level::Rule(scope, coordinates);
            self.observer.level(level);
            if coordinates == Coordinates::Tag {
                self.strictest_of_tags(scope, tenant.id, listed?)
            } else {
                self.first_at(scope, coordinates, dimensions)
            }
        })
    }

    fn first_at(
        &mut self,
        scope: Scope,
        coordinates: Coordinates,
        dimensions: Dimensions<'s>,
    ) -> Option<Found<'s>> {
        let level = Level::Rule(scope, coordinates);
        let tenant = if scope == Scope::Tenant { dimensions.tenant } else { 0 };
        let method = if coordinates.names_method() { dimensions.method? } else { 0 };
        let snapshot = self.snapshot;
        for tool in ids(coordinates.names_tool(), dimensions.tool) {
            for resource in ids(coordinates.names_resource(), dimensions.resource) {
                for rule in snapshot.rules.at(Key::new(tenant, resource, tool, method)) {
                    if self.holds(level, rule) {
                        return Some(Found::rule(level, rule));
                    }
                }
            }
        }
        None
    }

    /// Every tag rule takes part; the strictest wins, the first among equals.
    fn strictest_of_tags(&mut self, scope: Scope, tenant: u32, listed: &Listed) -> Option<Found<'s>> {
        let level = Level::Rule(scope, Coordinates::Tag);
        let tenant = if scope == Scope::Tenant { tenant } else { 0 };
        let mut strictest: Option<Found<'s>> = None;
        for rule in self.snapshot.rules.of_tags(tenant, &listed.tags) {
            let is_stricter = strictest.is_none_or(|found| rule.permission > found.permission);
            if self.holds(level, rule) && is_stricter {
                strictest = Some(Found::rule(level, rule));
            }
        }
        strictest
    }

    fn holds(&mut self, level: Level, rule: &'s Rule) -> bool {
        let Some(condition) = &rule.when else {
            self.observer.rule(&rule.id, rule.permission, Outcome::Always);
            return true;
        };
        let holds = match self.assumptions {
            None => condition.holds(&self.inputs),
            Some(assumptions) => assumptions.holds(condition, || condition.holds(&self.inputs)),
        };
        let outcome = match &holds {
            Ok(true) => Outcome::Holds,
            Ok(false) => Outcome::DoesNotHold,
            Err(fault) => Outcome::Faults(fault),
        };
        self.observer.rule(&rule.id, rule.permission, outcome);
        self.observer.saw(Seen::new(condition, &self.inputs));
        if holds.is_err() {
            self.faults.push(Arc::clone(&rule.id));
            if self.set_aside.is_none_or(|found| rule.permission > found.permission) {
                self.set_aside = Some(Found::rule(level, rule));
            }
        }
        holds.unwrap_or(false)
    }

    /// What holds where no rule matches.
    fn fallback(&mut self, listed: Option<&Listed>) -> Found<'s> {
        let fallbacks = [
            (Level::ToolDefault, listed.and_then(|listed| listed.default)),
            (Level::CategoryDefault, listed.and_then(|listed| listed.category_default)),
            (
                Level::ToolApproved,
                listed.filter(|listed| listed.status == Status::Approved).map(|_| Permission::Allowed),
            ),
        ];
        for (level, permission) in fallbacks {
            self.observer.level(level);
            if let Some(permission) = permission {
                return Found::fallback(permission, level);
            }
        }
        self.observer.level(Level::FailSafe);
        Found::fallback(Permission::RequiresApproval, Level::FailSafe)
    }
}

/// The ids to try in one dimension: zero alone if the coordinates do not name it.
#[inline]
fn ids(named: bool, matches: Matches<'_>) -> Ids<'_> {
    if named { matches.ids() } else { Ids::UNNAMED }
}
