//! Who is told what the walk finds, as it finds it.

use super::seen::Seen;
use crate::condition::Fault;
use crate::{Level, Permission, Verdict};

/// Is told of every step of one walk.
pub trait Observer {
    /// The walk begins; these levels hold rules for such a call, in the order in which it looks at them.
    fn begins(&mut self, levels: &[Level]);
    /// A level is looked at. Levels of rules that are left out hold no rule that the call could match.
    fn level(&mut self, level: Level);
    /// A rule at that level matches the call, and this is what its condition says.
    fn rule(&mut self, id: &str, permission: Permission, outcome: Outcome<'_>);
    /// The condition of the rule told of last has been evaluated, and could see this. Costs nothing unless it is asked.
    fn saw(&mut self, seen: Seen<'_, '_>) {
        let _ = seen;
    }
    /// A rule that was set aside decides, because it is stricter than what was found.
    fn fault_decides(&mut self);
    /// The walk has ended.
    fn ends(&mut self, verdict: &Verdict);
}

/// What the condition of a rule says.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'f> {
    /// It has none.
    Always,
    /// It holds.
    Holds,
    /// It does not.
    DoesNotHold,
    /// It could not be evaluated.
    Faults(&'f Fault),
}

/// Listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn begins(&mut self, _: &[Level]) {}

    fn level(&mut self, _: Level) {}

    fn rule(&mut self, _: &str, _: Permission, _: Outcome<'_>) {}

    fn fault_decides(&mut self) {}

    fn ends(&mut self, _: &Verdict) {}
}
