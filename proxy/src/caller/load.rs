//! What one caller has under way, and how much it may.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use policy::UnixMillis;

use crate::rates::Meter;
use crate::refusal::Refusal;
use crate::state::{Count, Counted};

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
    fn one_refusal_a_second_leaves_a_record() {
        let load = Load::default();
        for (now_ms, expected) in [(1000, true), (1001, false), (1999, false), (2000, true), (2000, false)] {
            assert_eq!(load.may_record(UnixMillis(now_ms)), expected, "{now_ms}");
        }
    }
}
