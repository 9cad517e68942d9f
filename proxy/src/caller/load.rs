//! What one caller has under way, and how much it may.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use policy::UnixMillis;

use crate::refusal::Refusal;
use crate::state::{Count, Counted};

/// Least number of callers that are remembered before anybody is forgotten.
const SWEEP_MIN: usize = 1024;

/// What callers have under way who are in no file, by their ids: all credentials of one caller share one count.
#[derive(Debug, Default)]
pub(crate) struct Loads(Mutex<ById>);

#[derive(Debug, Default)]
struct ById {
    loads: HashMap<String, Arc<Load>>,
    /// Callers are forgotten when there are so many.
    sweep_at: usize,
}

impl Loads {
    /// What a caller has under way. Callers of whom nobody holds anything any more are forgotten now and then, so there
    /// are never many more of them than credentials that are remembered and calls under way.
    pub(crate) fn of(&self, id: &str) -> Arc<Load> {
        let mut by_id = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(load) = by_id.loads.get(id) {
            return Arc::clone(load);
        }
        if by_id.loads.len() >= by_id.sweep_at.max(SWEEP_MIN) {
            by_id.loads.retain(|_, load| Arc::strong_count(load) > 1 || !load.is_idle());
            by_id.sweep_at = by_id.loads.len() * 2;
        }
        let load = Arc::<Load>::default();
        by_id.loads.insert(id.to_owned(), Arc::clone(&load));
        load
    }
}

/// What one caller has under way; kept when keys are read again.
#[derive(Debug, Default)]
pub(crate) struct Load {
    calls: Arc<Count>,
    holds: Arc<Count>,
    approvals: Mutex<ApprovalWindow>,
}

#[derive(Debug, Default)]
struct ApprovalWindow {
    minute: u64,
    asked: u32,
}

impl Load {
    /// Whether nothing is under way.
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.calls) == 1 && Arc::strong_count(&self.holds) == 1
    }

    pub(crate) fn enter_call(&self, max: u32) -> Result<Counted, Refusal> {
        self.calls.enter(max).ok_or(Refusal::TooManyCalls)
    }

    pub(crate) fn enter_hold(&self, max: u32) -> Result<Counted, Refusal> {
        self.holds.enter(max).ok_or(Refusal::TooManyHolds)
    }

    /// Counts one more approval asked for in this minute, unless that would be more than `max_per_minute`.
    pub(crate) fn ask_approval(&self, now: UnixMillis, max_per_minute: u32) -> Result<(), Refusal> {
        let minute = now.seconds() / 60;
        let mut window = self.approvals.lock().unwrap_or_else(PoisonError::into_inner);
        if window.minute != minute {
            *window = ApprovalWindow { minute, asked: 0 };
        }
        if window.asked >= max_per_minute {
            return Err(Refusal::TooManyApprovals);
        }
        window.asked += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_remembered_as_long_as_something_of_it_is_under_way() {
        let loads = Loads::default();
        let call = loads.of("busy").enter_call(1).unwrap();
        let held = loads.of("held");
        for number in 0..3 * SWEEP_MIN {
            loads.of(&number.to_string());
        }
        assert!(loads.0.lock().unwrap().loads.len() <= SWEEP_MIN + 2);
        assert!(loads.of("busy").enter_call(1).is_err());
        assert!(Arc::ptr_eq(&loads.of("held"), &held));
        drop(call);
        assert!(loads.of("busy").enter_call(1).is_ok());
    }

    #[test]
    fn approvals_are_limited_per_minute() {
        let load = Load::default();
        assert!(load.ask_approval(UnixMillis(0), 1).is_ok());
        assert!(load.ask_approval(UnixMillis(59_999), 1).is_err());
        assert!(load.ask_approval(UnixMillis(60_000), 1).is_ok());
    }
}
