//! What one caller has under way, and how much it may.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use policy::UnixMillis;

use crate::clock;
use crate::rates::Meter;
use crate::refusal::Refusal;
use crate::state::{Count, Counted};

/// From so many callers on, those whose loads do not matter any more are forgotten.
const FORGET_FROM: usize = 1024;

/// What one caller has under way; kept when keys are read again.
#[derive(Debug, Default)]
pub(crate) struct Load {
    calls: Arc<Count>,
    holds: Arc<Count>,
    approvals: Mutex<ApprovalWindow>,
    /// How often it makes requests.
    pub(crate) requests: Meter,
    /// The second of its last refusal for a rate or a limit that left a record.
    recorded_seconds: AtomicU64,
}

#[derive(Debug, Default)]
struct ApprovalWindow {
    minute: u64,
    asked: u32,
}

/// The loads of callers that no file lists, by their id.
#[derive(Debug, Default)]
pub(crate) struct Loads(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    by_id: HashMap<String, Arc<Load>>,
    /// How many were left when those that no longer matter were last forgotten.
    left: usize,
}

impl Loads {
    /// The load of one caller. It is remembered for as long as anything that it counts matters, so there are about as
    /// many as there are callers.
    pub(crate) fn of(&self, id: &str) -> Arc<Load> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(load) = known.by_id.get(id) {
            return Arc::clone(load);
        }
        if known.by_id.len() >= known.left.saturating_mul(2).max(FORGET_FROM) {
            let now = clock::now();
            known.by_id.retain(|_, load| Arc::strong_count(load) > 1 || load.matters(now));
            known.left = known.by_id.len();
        }
        let load = Arc::default();
        known.by_id.insert(id.to_owned(), Arc::clone(&load));
        load
    }
}

impl Load {
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

    /// Whether anything that it counts would be another number if it began anew.
    fn matters(&self, now: UnixMillis) -> bool {
        let window = self.approvals.lock().unwrap_or_else(PoisonError::into_inner);
        let has_asked = window.asked > 0 && window.minute == now.seconds() / 60;
        let is_busy = Arc::strong_count(&self.calls) > 1 || Arc::strong_count(&self.holds) > 1;
        has_asked || is_busy || !self.requests.is_full(clock::uptime())
    }

    /// Whether a refusal for a rate or a limit leaves a record: of one caller at most one a second does. Else a caller could
    /// fill the disk with what it may not do.
    pub(crate) fn may_record(&self, now: UnixMillis) -> bool {
        self.recorded_seconds.swap(now.seconds(), Ordering::Relaxed) != now.seconds()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn approvals_are_limited_per_minute() {
        let load = Load::default();
        assert!(load.ask_approval(UnixMillis(0), 1).is_ok());
        assert!(load.ask_approval(UnixMillis(59_999), 1).is_err());
        assert!(load.ask_approval(UnixMillis(60_000), 1).is_ok());
    }

    #[test]
    fn loads_are_one_for_each_caller_and_forgotten_when_they_do_not_matter() {
        let loads = Loads::default();
        let kept = loads.of("kept");
        let asked = Arc::as_ptr(&loads.of("asked"));
        let call = loads.of("busy").enter_call(1).unwrap();
        loads.of("asked").ask_approval(clock::now(), 1).unwrap();
        for number in 0..3 * FORGET_FROM {
            loads.of(&number.to_string());
        }
        assert!(Arc::ptr_eq(&kept, &loads.of("kept")));
        assert_eq!(asked, Arc::as_ptr(&loads.of("asked")));
        assert!(loads.of("busy").enter_call(1).is_err());
        drop(call);
        assert!(loads.of("busy").enter_call(1).is_ok());
        assert!(loads.0.lock().unwrap().by_id.len() <= FORGET_FROM + 3);
    }

    #[test]
    fn one_refusal_a_second_leaves_a_record() {
        let load = Load::default();
        for (now_ms, expected) in [(1000, true), (1001, false), (1999, false), (2000, true), (2000, false)] {
            assert_eq!(load.may_record(UnixMillis(now_ms)), expected, "{now_ms}");
        }
    }
}
