//! What is in force: everything that can change while the proxy runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use policy::{Snapshot, UnixMillis};
use receipt::KeySet;

use crate::caller::Identities;
use crate::tls::{ByListener, ListenerTls};
use crate::upstream::Access;

/// Everything that can change while the proxy runs, as one value: never two swaps that must agree.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    /// No policy, no calls.
    pub(crate) policy: Option<Arc<PolicyInForce>>,
    /// Compared with the policy, and never obeyed.
    pub(crate) candidate: Option<Arc<PolicyInForce>>,
    pub(crate) identities: Arc<Identities>,
    /// No receipt keys, no calls.
    pub(crate) receipt_keys: Option<Arc<KeySet>>,
    pub(crate) tls: ByListener,
    /// What each backend is reached with, in the order of the settings.
    pub(crate) access: Vec<Access>,
}

/// A part of what is in force, to be put in the place of the one that is.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Policy(Arc<PolicyInForce>),
    Candidate(Arc<PolicyInForce>),
    Identities(Arc<Identities>),
    ReceiptKeys(Arc<KeySet>),
    Tls(ByListener),
    /// By the place of the backend in the settings.
    Access(usize, Access),
}

impl InForce {
    /// What a backend is reached with, by its place in the settings.
    pub(crate) fn access(&self, place: usize) -> Access {
        self.access.get(place).cloned().unwrap_or_default()
    }

    /// The same, but for one part.
    pub(crate) fn with(&self, part: &Part) -> Self {
        let mut next = self.clone();
        match part {
            Part::Policy(policy) => next.policy = Some(Arc::clone(policy)),
            Part::Candidate(candidate) => next.candidate = Some(Arc::clone(candidate)),
            Part::Identities(identities) => next.identities = Arc::clone(identities),
            Part::ReceiptKeys(keys) => next.receipt_keys = Some(Arc::clone(keys)),
            Part::Tls(tls) => next.tls = Arc::clone(tls),
            Part::Access(place, access) => {
                if let Some(before) = next.access.get_mut(*place) {
                    *before = access.clone();
                }
            }
        }
        next
    }

    /// Whether nobody who may stay under one of them would have to go under the other.
    pub(super) fn knows_and_decides_like(&self, other: &Self) -> bool {
        let same_policy = self.policy.as_ref().map(Arc::as_ptr) == other.policy.as_ref().map(Arc::as_ptr);
        let same_authorities = self.tls.iter().zip(other.tls.iter()).all(|(one, other)| {
            let of = |tls: &Option<Arc<ListenerTls>>| tls.as_ref()?.authorities.as_ref().map(Arc::as_ptr);
            of(one) == of(other)
        });
        same_policy && same_authorities && Arc::ptr_eq(&self.identities, &other.identities)
    }
}

/// The policy in force, and where it came from.
#[derive(Debug)]
pub(crate) struct PolicyInForce {
    pub(crate) snapshot: Snapshot,
    /// SHA-256 of the document, in lower-case hex.
    pub(crate) sha256: String,
    pub(crate) loaded_at: UnixMillis,
    /// When its source was last seen to have this very policy.
    pub(crate) confirmed_at: AtomicU64,
}

/// A clock that is set back by so much is believed to be right both times.
const CLOCK_STEP_MAX_MS: u64 = 600_000;

/// How long ago a source was last seen to have what is in force, in milliseconds. Nobody knows that of a moment in the
/// future, as the clock is or was wrong: then it is as old as can be, `u64::MAX`.
pub(crate) const fn age_ms(confirmed: UnixMillis, now: UnixMillis) -> u64 {
    if confirmed.0 > now.0.saturating_add(CLOCK_STEP_MAX_MS) {
        u64::MAX
    } else {
        now.0.saturating_sub(confirmed.0)
    }
}

impl PolicyInForce {
    /// How long ago its source was last seen to have this very policy, as [`age_ms`] says.
    pub(crate) fn age_ms(&self, now: UnixMillis) -> u64 {
        age_ms(UnixMillis(self.confirmed_at.load(Ordering::Relaxed)), now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_in_the_future_is_as_old_as_can_be() {
        let step = CLOCK_STEP_MAX_MS;
        for (confirmed, now, expected) in [
            (1000, 1000, 0),
            (1000, 5000, 4000),
            (1000 + step, 1000, 0),
            (1001 + step, 1000, u64::MAX),
            (u64::MAX, 0, u64::MAX),
        ] {
            assert_eq!(age_ms(UnixMillis(confirmed), UnixMillis(now)), expected, "{confirmed} {now}");
        }
    }
}
