//! A candidate policy beside the one in force: asked about the same calls, so that a change can be seen before it is made.
//! What it says is counted and logged in samples, and never affects a call.

use std::sync::atomic::{AtomicU64, Ordering};

use policy::cascade::{Silent, explain, verdict};
use policy::{Call, Permission, UnixMillis, Verdict};

use crate::state::{InForce, Shared};

/// At most one difference is logged in this time.
const SAMPLE_INTERVAL_MS: u64 = 1000;

/// When a difference was last logged.
#[derive(Debug, Default)]
pub(crate) struct Samples(AtomicU64);

/// Asks the candidate, if there is one, and notes where it would have decided otherwise.
pub(crate) fn compare(shared: &Shared, in_force: &InForce, call: &Call<'_>, live: &Verdict, now: UnixMillis) {
    let Some(candidate) = &in_force.candidate else { return };
    let beside = shared.definitions.beside(&candidate.snapshot, call);
    let other = verdict(&candidate.snapshot, &beside, now, &mut Silent);
    if other.permission == live.permission {
        return;
    }
    let change = match other.permission {
        Permission::Allowed => "would_allow",
        Permission::RequiresApproval => "would_hold",
        Permission::Disabled => "would_deny",
    };
    shared.metrics.candidate.with_label_values(&[change]).inc();
    if let Some(policy) = &in_force.policy
        && shared.candidate_samples.is_due(now)
    {
        tracing::info!(
            change,
            backend = call.backend,
            tool = call.tool,
            tenant = call.tenant,
            resource = call.resource,
            method = call.method,
            caller = call.caller.id,
            policy = %explain(&policy.snapshot, call, now),
            candidate = %explain(&candidate.snapshot, &beside, now),
            "the candidate policy would decide otherwise"
        );
    }
}

impl Samples {
    fn is_due(&self, now: UnixMillis) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        let due = now.0.saturating_sub(last) >= SAMPLE_INTERVAL_MS;
        due && self.0.compare_exchange(last, now.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sample_a_second() {
        let samples = Samples::default();
        let due = [1000, 1001, 1999, 2000, 2500, 3000].map(|now| samples.is_due(UnixMillis(now)));
        assert_eq!(due, [true, false, false, true, false, true]);
    }
}
