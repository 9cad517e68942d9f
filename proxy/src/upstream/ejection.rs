//! Passive checks: an endpoint whose calls fail several times in a row is left out for a while, and comes back by itself.
//! Times are arguments: milliseconds of [`crate::clock::uptime_ms`].

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use config::Ejection;

/// An endpoint that fails again and again is left out for `seconds` times two to the power of this, at most.
const DOUBLINGS_MAX: u32 = 5;

/// How an endpoint failed a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It broke off before it answered.
    Broken,
    /// It broke off in the middle of its answer.
    Cut,
    /// It fell silent in the middle of its answer.
    Stalled,
    /// It did not answer in time.
    Timeout,
    /// No connection could be opened.
    Unreachable,
}

impl Failure {
    /// The stable name: a metric label, and what people read.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Cut => "cut",
            Self::Stalled => "stalled",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
        }
    }
}

/// The failures of one endpoint in a row, and until when it is left out for them.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    in_a_row: AtomicU32,
    ejections_in_a_row: AtomicU32,
    out_until_ms: AtomicU64,
}

impl Failures {
    /// How long it is still left out; `None` if it is not. The clock is looked at only if it ever was.
    pub(crate) fn out_for_ms(&self, now_ms: impl FnOnce() -> u64) -> Option<u64> {
        let until_ms = self.out_until_ms.load(Ordering::Relaxed);
        if until_ms == 0 {
            return None;
        }
        until_ms.checked_sub(now_ms()).filter(|left_ms| *left_ms > 0)
    }

    pub(crate) fn in_a_row(&self) -> u32 {
        self.in_a_row.load(Ordering::Relaxed)
    }

    /// A call came back whole. One that was under way when the endpoint was left out does not bring it back early.
    pub(crate) fn succeeded(&self) {
        if self.in_a_row() != 0 {
            self.in_a_row.store(0, Ordering::Relaxed);
            self.ejections_in_a_row.store(0, Ordering::Relaxed);
        }
    }

    /// A call failed; true if that makes one too many. Back from being left out, one more is.
    pub(crate) fn failed(&self, settings: Ejection, now_ms: u64) -> bool {
        let in_a_row = self.in_a_row.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        in_a_row >= settings.failures && self.out_for_ms(|| now_ms).is_none()
    }

    /// Leaves it out from now on; says for how long.
    pub(crate) fn eject(&self, settings: Ejection, now_ms: u64) -> u64 {
        let before = self.ejections_in_a_row.fetch_add(1, Ordering::Relaxed);
        let out_ms = (u64::from(settings.seconds) * 1000) << before.min(DOUBLINGS_MAX);
        self.out_until_ms.store(now_ms.saturating_add(out_ms), Ordering::Relaxed);
        out_ms
    }
}

/// Whether one more of `count` endpoints may be left out when `out` are: never all of them.
pub(crate) fn may_eject(settings: Ejection, count: usize, out: usize) -> bool {
    if settings.max_percent == 0 {
        return false;
    }
    let share = (count * usize::from(settings.max_percent) / 100).max(1);
    out < share.min(count.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Ejection = Ejection { failures: 3, seconds: 10, max_percent: 50 };

    #[test]
    fn it_is_left_out_for_longer_each_time_and_comes_back() {
        let failures = Failures::default();
        assert!(!failures.failed(SETTINGS, 0) && !failures.failed(SETTINGS, 0));
        let mut now_ms = 1;
        for expected_s in [10, 20, 40, 80, 160, 320, 320] {
            assert!(failures.failed(SETTINGS, now_ms), "back again, one more failure is enough");
            assert_eq!(failures.eject(SETTINGS, now_ms), expected_s * 1000);
            assert!(!failures.failed(SETTINGS, now_ms), "a call that was still under way");
            assert_eq!(failures.out_for_ms(|| now_ms), Some(expected_s * 1000));
            now_ms += expected_s * 1000;
            assert_eq!(failures.out_for_ms(|| now_ms), None);
        }
        failures.succeeded();
        assert!(!failures.failed(SETTINGS, now_ms), "all is forgotten");
        failures.failed(SETTINGS, now_ms);
        failures.failed(SETTINGS, now_ms);
        assert_eq!(failures.eject(SETTINGS, now_ms), 10_000);
    }

    #[test]
    fn never_are_all_of_them_left_out() {
        let table = [
            // percent, endpoints, out already, may
            (50, 1, 0, false),
            (100, 1, 0, false),
            (50, 2, 0, true),
            (50, 2, 1, false),
            (1, 2, 0, true),
            (100, 2, 1, false),
            (100, 5, 3, true),
            (100, 5, 4, false),
            (50, 5, 1, true),
            (50, 5, 2, false),
            (0, 5, 0, false),
            (50, 0, 0, false),
        ];
        for (max_percent, count, out, expected) in table {
            let settings = Ejection { max_percent, ..SETTINGS };
            assert_eq!(may_eject(settings, count, out), expected, "{max_percent}% of {count}, {out} out");
        }
    }
}
