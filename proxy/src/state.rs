//! What all threads share: the settings, what is in force, and the counts that limits are about.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use policy::{Snapshot, UnixMillis};
use receipt::KeySet;
use tokio::sync::watch;

use crate::approvals::Approvals;
use crate::audit::Total;
use crate::authorization::Announced;
use crate::batch::BatchSessions;
use crate::caller::Identities;
use crate::candidate::Samples;
use crate::definitions::Definitions;
use crate::http_sse::HttpSse;
use crate::listings::Listings;
use crate::metrics::Metrics;
use crate::upstream::{Endpoints, Sessions};

/// Shared by every worker, the admin address and the watchers of files.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: config::Proxy,
    /// Loaded once per call and kept for as long as that call looks at it.
    pub(crate) in_force: ArcSwap<InForce>,
    /// Moves on each time that another policy, or other keys, are in force.
    pub(crate) changes: watch::Sender<u64>,
    pub(crate) approvals: Approvals,
    pub(crate) batch_sessions: BatchSessions,
    pub(crate) listings: Listings,
    pub(crate) http_sse: Arc<HttpSse>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) audit_total: Arc<Total>,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) candidate_samples: Samples,
    pub(crate) buffered: Buffered,
    /// Where backends said that their metadata is.
    pub(crate) announced: Announced,
    /// WebSockets that are open, or being opened.
    pub(crate) websockets: Arc<Count>,
    pub(crate) definitions: Definitions,
    /// Of each backend, in the order of the settings.
    pub(crate) endpoints: Vec<Arc<Endpoints>>,
    /// The endpoints that sessions live on.
    pub(crate) sessions: Sessions,
}

/// Everything that can change while the proxy runs, as one value: never two swaps that must agree.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    /// No policy, no calls.
    pub(crate) policy: Option<Arc<PolicyInForce>>,
    /// Compared with the policy, and never obeyed.
    pub(crate) candidate: Option<Arc<PolicyInForce>>,
    pub(crate) identities: Arc<Identities>,
    pub(crate) receipt_keys: Arc<KeySet>,
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

/// The proxy's way from start to end; it only moves forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Serving.
    Run,
    /// Serving, and saying "not ready" so that no new callers are sent here.
    Announce,
    /// No new calls; those under way finish, held ones are told to repeat.
    Drain,
    /// Everything that is left is cut.
    Stop,
}

/// Bytes of request bodies in memory, and their limit.
#[derive(Debug)]
pub(crate) struct Buffered {
    bytes: AtomicU64,
    max_bytes: u64,
}

impl Buffered {
    pub(crate) const fn new(max_bytes: u64) -> Self {
        Self { bytes: AtomicU64::new(0), max_bytes }
    }

    /// Takes room for `bytes`, or takes nothing and says no.
    pub(crate) fn take(&self, bytes: u64) -> bool {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= self.max_bytes;
        if !fits {
            self.give_back(bytes);
        }
        fits
    }

    pub(crate) fn give_back(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// A count with a limit; whoever is counted in holds a [`Counted`].
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU32);

/// One unit of a [`Count`], given back on drop.
#[derive(Debug)]
pub(crate) struct Counted(Arc<Count>);

impl Count {
    /// How many are counted in.
    pub(crate) fn now(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts one more, unless that would be more than `max`.
    pub(crate) fn enter(self: &Arc<Self>, max: u32) -> Option<Counted> {
        let entered = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| (count < max).then_some(count + 1));
        entered.is_ok().then(|| Counted(Arc::clone(self)))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_and_given_back() {
        let buffered = Buffered::new(10);
        assert!(buffered.take(6));
        assert!(!buffered.take(5));
        assert!(buffered.take(4));
        buffered.give_back(6);
        assert_eq!(buffered.bytes(), 4);
    }

    #[test]
    fn a_count_never_passes_its_limit() {
        let count = Arc::new(Count::default());
        let first = count.enter(2);
        let second = count.enter(2);
        assert!(first.is_some() && second.is_some());
        assert!(count.enter(2).is_none());
        drop(first);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(count.enter(2).is_some());
    }
}
