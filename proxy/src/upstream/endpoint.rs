//! One endpoint of a backend: an address, and how it is. Shared by every worker.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use policy::UnixMillis;

use super::ejection::Failures;
use crate::clock;

/// One endpoint.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    pub(crate) weight: u8,
    /// Which of the backend's names stands for it.
    pub(super) name: usize,
    pub(super) failures: Failures,
    pub(super) checks: Checks,
    is_gone: AtomicBool,
    calls: AtomicU32,
    idle: AtomicU32,
    /// When it last answered a call, by [`clock::uptime_ms`].
    answered_ms: AtomicU64,
    left_out: Mutex<Option<LeftOut>>,
}

/// What active checks say.
#[derive(Debug, Default)]
pub(super) struct Checks {
    is_down: AtomicBool,
    /// Checks in a row that say the contrary.
    contrary: AtomicU32,
}

/// Since when, and why, an endpoint is left out, or last was.
#[derive(Clone, Debug)]
pub(super) struct LeftOut {
    pub(super) since: UnixMillis,
    pub(super) why: String,
}

/// A call that is under way to an endpoint, until it is dropped.
#[derive(Debug)]
pub(super) struct Underway(Arc<Endpoint>);

impl Endpoint {
    pub(super) fn new(address: SocketAddr, weight: u8, name: usize) -> Arc<Self> {
        Arc::new(Self {
            address,
            weight,
            name,
            failures: Failures::default(),
            checks: Checks::default(),
            is_gone: AtomicBool::new(false),
            calls: AtomicU32::new(0),
            idle: AtomicU32::new(0),
            answered_ms: AtomicU64::new(0),
            left_out: Mutex::default(),
        })
    }

    /// Whether nothing speaks against a call to it.
    pub(super) fn is_usable(&self) -> bool {
        !self.checks.is_down() && self.failures.out_for_ms(clock::uptime_ms).is_none()
    }

    /// Whether its backend's names stand for it no more.
    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }

    pub(super) fn leave(&self) {
        self.is_gone.store(true, Ordering::Relaxed);
    }

    pub(super) fn enter(self: &Arc<Self>) -> Underway {
        self.calls.fetch_add(1, Ordering::Relaxed);
        Underway(Arc::clone(self))
    }

    /// Calls under way to it.
    pub(super) fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Idle connections to it, of all workers.
    pub(super) fn idle(&self) -> u32 {
        self.idle.load(Ordering::Relaxed)
    }

    pub(super) fn keeps_one_more(&self) {
        self.idle.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn keeps_fewer(&self, count: usize) {
        self.idle.fetch_sub(u32::try_from(count).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    pub(super) fn has_answered(&self) {
        // 0 is never.
        self.answered_ms.store(clock::uptime_ms().max(1), Ordering::Relaxed);
    }

    /// Whether it has answered anybody within this time.
    pub(super) fn has_answered_within(&self, time: Duration) -> bool {
        let answered_ms = self.answered_ms.load(Ordering::Relaxed);
        let since_ms = clock::uptime_ms().saturating_sub(answered_ms);
        answered_ms > 0 && u128::from(since_ms) < time.as_millis()
    }

    /// Whether it has fewer calls under way than another, each for its weight.
    pub(super) fn has_fewer_calls_than(&self, other: &Self) -> bool {
        u64::from(self.calls()) * u64::from(other.weight) < u64::from(other.calls()) * u64::from(self.weight)
    }

    /// From now on it is left out, for this.
    pub(super) fn is_left_out(&self, why: String) {
        let left_out = LeftOut { since: clock::now(), why };
        *self.left_out.lock().unwrap_or_else(PoisonError::into_inner) = Some(left_out);
    }

    pub(super) fn last_left_out(&self) -> Option<LeftOut> {
        self.left_out.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Underway {
    pub(super) const fn endpoint(&self) -> &Arc<Endpoint> {
        &self.0
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Checks {
    pub(super) fn is_down(&self) -> bool {
        self.is_down.load(Ordering::Relaxed)
    }

    /// What one more check says; true if the endpoint is another from now on.
    pub(super) fn note(&self, is_good: bool, health: &config::Health) -> bool {
        let is_down = self.is_down();
        if is_good != is_down {
            self.contrary.store(0, Ordering::Relaxed);
            return false;
        }
        let needed = if is_down { health.healthy_after } else { health.unhealthy_after };
        let contrary = self.contrary.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if contrary < needed {
            return false;
        }
        self.contrary.store(0, Ordering::Relaxed);
        self.is_down.store(!is_down, Ordering::Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn checks_in_a_row_decide() {
        let second = Duration::from_secs(1);
        let health = config::Health {
            path: None,
            interval: second,
            timeout: second,
            healthy_after: 2,
            unhealthy_after: 3,
        };
        let checks = Checks::default();
        let steps = [
            // check, is it down then
            (false, false),
            (false, false),
            (true, false),
            (false, false),
            (false, false),
            (false, true),
            (true, true),
            (false, true),
            (true, true),
            (true, false),
        ];
        for (number, (is_good, is_down)) in steps.into_iter().enumerate() {
            let before = checks.is_down();
            assert_eq!(checks.note(is_good, &health), before != is_down, "step {number}");
            assert_eq!(checks.is_down(), is_down, "step {number}");
        }
    }
}
