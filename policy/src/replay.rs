//! What two policies say of a call that was recorded without some of its parts, such as its arguments.
//!
//! A condition that reads such a part may have said anything; the same text says the same in both policies. Every way
//! is tried in which those conditions can have turned out. Only what comes out in all of them is said of the call, so
//! nothing is guessed.

mod assumptions;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

pub(crate) use self::assumptions::Assumptions;
use crate::cascade::{Silent, verdict_assuming};
use crate::{Call, Definition, Level, Permission, Snapshot, UnixMillis, Verdict};

/// Ways in which the conditions that a call meets can turn out that are tried: enough for five such conditions.
pub const WAYS_MAX: usize = 256;

/// A call as it was recorded.
#[derive(Clone, Copy, Debug)]
pub struct RecordedCall<'a> {
    /// What is known of it. Its arguments, reasoning and definition are not looked at.
    pub call: Call<'a>,
    /// When it was decided; conditions that ask for the time see this.
    pub at: UnixMillis,
    /// What is known of its caller.
    pub caller: RecordedCaller,
    /// What its backend showed of the tool.
    pub definition: RecordedDefinition,
}

/// How much of a caller was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordedCaller {
    /// Its id alone.
    Id,
    /// All of it.
    Whole,
}

/// What was recorded of the definition that a backend showed of a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordedDefinition {
    /// The one that the policy in force pins.
    Accepted,
    /// Another.
    Changed,
    /// No backend was asked, so whatever a policy pins counts as shown.
    NotAsked,
}

/// What becomes of a recorded call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// Both policies give it the same permission.
    Same,
    /// They give it these.
    Changed {
        /// The old one's.
        old: Decided,
        /// The new one's.
        new: Decided,
    },
    /// It depends on what was not recorded.
    Undecided {
        /// Some of `args`, `caller`, `definition` and `reasoning`.
        depends_on: Vec<&'static str>,
    },
}

/// A permission, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Decided {
    /// What policy says.
    pub permission: Permission,
    /// Where that comes from; absent if it is one of several places, and which depends on what was not recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// The rule that says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Arc<str>>,
    /// The draft clamp turned `allowed` into `requires_approval`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub clamped: bool,
}

/// Decides a recorded call by both policies. Where the old one gives verdicts that `is_as_recorded` recognises, it gave one
/// of them.
pub fn replay(
    old: &Snapshot,
    new: &Snapshot,
    recorded: &RecordedCall<'_>,
    is_as_recorded: impl Fn(&Verdict) -> bool,
) -> Replayed {
    let (old_definition, new_definitions) = recorded.definitions(old, new);
    let assumptions = Assumptions::new(recorded.caller);
    let verdict = |snapshot, definition| {
        let call = Call { definition, ..recorded.call };
        verdict_assuming(Some(&assumptions), snapshot, &call, recorded.at, &mut Silent)
    };
    let (mut as_recorded, mut all) = (None, None);
    let mut ways_count = 0;
    for definition in &new_definitions {
        loop {
            ways_count += 1;
            if ways_count > WAYS_MAX {
                return undecided(&assumptions, &new_definitions);
            }
            let before = verdict(old, old_definition);
            let way = Way::new(&before, &verdict(new, *definition));
            if is_as_recorded(&before) {
                add(&mut as_recorded, way.clone());
            }
            add(&mut all, way);
            if !assumptions.go_on() {
                break;
            }
        }
    }
    match as_recorded.or(all) {
        Some(Way::Same) => Replayed::Same,
        Some(Way::Changed { old, new }) => Replayed::Changed { old, new },
        Some(Way::Several) | None => undecided(&assumptions, &new_definitions),
    }
}

fn undecided(assumptions: &Assumptions, new_definitions: &[Definition]) -> Replayed {
    let mut depends_on: BTreeSet<_> = assumptions.depends_on();
    if new_definitions.len() > 1 {
        depends_on.insert("definition");
    }
    Replayed::Undecided { depends_on: depends_on.into_iter().collect() }
}

/// What becomes of the call in one of the ways, or in several alike.
#[derive(Clone)]
enum Way {
    Same,
    Changed { old: Decided, new: Decided },
    Several,
}

impl Way {
    fn new(old: &Verdict, new: &Verdict) -> Self {
        if old.permission == new.permission {
            Self::Same
        } else {
            Self::Changed { old: Decided::of(old), new: Decided::of(new) }
        }
    }

    /// What can be said of both.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Same, Self::Same) => Self::Same,
            (Self::Changed { old, new }, Self::Changed { old: other_old, new: other_new }) => {
                match (old.and(&other_old), new.and(&other_new)) {
                    (Some(old), Some(new)) => Self::Changed { old, new },
                    _ => Self::Several,
                }
            }
            _ => Self::Several,
        }
    }
}

fn add(ways: &mut Option<Way>, way: Way) {
    *ways = Some(match ways.take() {
        None => way,
        Some(others) => others.and(way),
    });
}

impl Decided {
    fn of(verdict: &Verdict) -> Self {
        Self {
            permission: verdict.permission,
            level: Some(verdict.level),
            rule: verdict.rule.clone(),
            clamped: verdict.clamped,
        }
    }

    fn and(self, other: &Self) -> Option<Self> {
        let is_known = self == *other;
        let permission = Some(self.permission).filter(|permission| *permission == other.permission)?;
        Some(if is_known { self } else { Self { permission, level: None, rule: None, clamped: false } })
    }
}

impl RecordedCall<'_> {
    /// What its backend would have shown under the old policy, and can have shown under the new one.
    fn definitions(&self, old: &Snapshot, new: &Snapshot) -> (Definition, Vec<Definition>) {
        let recorded = match self.definition {
            RecordedDefinition::Accepted | RecordedDefinition::NotAsked => Definition::Accepted,
            // Which one it is makes no difference to a verdict.
            RecordedDefinition::Changed => Definition::Unknown,
        };
        let [old, new] = [old, new].map(|snapshot| snapshot.pin(self.call.tool));
        let before = old.map_or(Definition::Accepted, |_| recorded);
        let after = match new {
            None => vec![Definition::Accepted],
            Some(_) if self.definition == RecordedDefinition::NotAsked => vec![Definition::Accepted],
            Some(_) if new == old => vec![recorded],
            Some(_) => vec![Definition::Accepted, Definition::Unknown],
        };
        (before, after)
    }
}
