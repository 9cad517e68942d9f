//! What all threads share: the settings, what is in force, and the counts that limits are about.

mod in_force;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use bytes::Bytes;
use edge::{KeyCounted, KeyedCount};
use policy::UnixMillis;
use tokio::sync::watch;

use crate::approvals::Approvals;
use crate::audit::Total;
use crate::authorization::Announced;
use crate::batch::BatchSessions;
use crate::caller::Issuers;
use crate::candidate::Samples;
use crate::definitions::Definitions;
use crate::discovery::Discovery;
use crate::http_sse::HttpSse;
use crate::listings::Listings;
use crate::metrics::Metrics;
use crate::rates::Rates;
use crate::sync::{BundleStatus, Status};
use crate::upstream::{Endpoints, Sessions};
pub(crate) use in_force::{InForce, Part, PolicyInForce, age_ms};

/// Bytes on their way to a caller that are fewer hold no room.
const HELD_MIN_BYTES: usize = 64 * 1024;

/// Shared by every worker, the admin address and the watchers of files.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: config::Proxy,
    /// Of each client connection.
    pub(crate) client_limits: Arc<edge::Limits>,
    /// Loaded once per call and kept for as long as that call looks at it.
    pub(crate) in_force: ArcSwap<InForce>,
    /// Moves on each time that another policy, other keys, or other authorities of client certificates are in force.
    pub(crate) changes: watch::Sender<u64>,
    /// Whose tokens are taken.
    pub(crate) issuers: Issuers,
    pub(crate) approvals: Approvals,
    /// How it stands with a control plane elsewhere, if there is one.
    pub(crate) sync: Option<Arc<Status>>,
    /// How it stands with the policy bundle, if it comes in one.
    pub(crate) bundle: Option<Arc<BundleStatus>>,
    pub(crate) batch_sessions: BatchSessions,
    pub(crate) listings: Listings,
    pub(crate) http_sse: Arc<HttpSse>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) audit_total: Arc<Total>,
    pub(crate) phase: watch::Sender<Phase>,
    pub(crate) candidate_samples: Samples,
    /// Request bodies.
    pub(crate) buffered_bodies: Arc<Buffered>,
    /// Lists and events of backends that are read whole.
    pub(crate) buffered_responses: Arc<Buffered>,
    /// Calls and open streams under way.
    pub(crate) calls: Arc<Count>,
    /// Calls under way, of each tool of each backend.
    pub(crate) tool_calls: KeyedCount,
    pub(crate) rates: Rates,
    /// Where backends said that their metadata is.
    pub(crate) announced: Announced,
    /// WebSockets that are open, or being opened.
    pub(crate) websockets: Arc<Count>,
    pub(crate) definitions: Definitions,
    pub(crate) discovery: Discovery,
    /// Of each backend, in the order of the settings.
    pub(crate) endpoints: Vec<Arc<Endpoints>>,
    /// The endpoints that sessions live on.
    pub(crate) sessions: Sessions,
}

impl Shared {
    /// Puts a part in force. Files and the control plane both do, at any time: neither undoes what the other did, as the
    /// whole is made anew if it has changed meanwhile. One part always has one source.
    pub(crate) fn put(&self, part: &Part) {
        let mut is_news = false;
        self.in_force.rcu(|before| {
            let next = before.with(part);
            is_news = !next.knows_and_decides_like(before);
            next
        });
        if is_news {
            self.changed();
        }
    }

    /// Open streams look again whether they may stay.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|change| *change = change.wrapping_add(1));
    }

    /// What is missing before calls can be decided.
    pub(crate) fn lacks(&self) -> Vec<&'static str> {
        let policy = self.in_force.load().policy.is_none().then_some("no policy is in force");
        policy.into_iter().chain(self.sync.iter().flat_map(|sync| sync.lacks())).collect()
    }

    /// The source of the policy still has the one in force.
    pub(crate) fn confirm_policy(&self, now: UnixMillis) {
        if let Some(policy) = &self.in_force.load().policy {
            policy.confirmed_at.store(now.0, Ordering::Relaxed);
        }
    }
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

/// Bytes in memory, and their limit; whoever holds some has [`Room`].
#[derive(Debug)]
pub(crate) struct Buffered {
    bytes: AtomicU64,
    max_bytes: u64,
}

/// Room in memory, given back on drop.
#[derive(Debug)]
pub(crate) struct Room {
    of: Arc<Buffered>,
    bytes: u64,
}

impl Buffered {
    pub(crate) const fn new(max_bytes: u64) -> Self {
        Self { bytes: AtomicU64::new(0), max_bytes }
    }

    /// Bytes that are taken now.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Room {
    /// Room for nothing yet.
    pub(crate) const fn new(of: Arc<Buffered>) -> Self {
        Self { of, bytes: 0 }
    }

    /// Takes room for so many bytes more, or takes nothing and says no.
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let before = self.of.bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= self.of.max_bytes;
        if fits {
            self.bytes += bytes;
        } else {
            self.of.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }

    /// Gives back all but the room for so many bytes.
    pub(crate) fn keep(&mut self, bytes: usize) {
        let surplus = self.bytes.saturating_sub(u64::try_from(bytes).unwrap_or(u64::MAX));
        if surplus > 0 {
            self.of.bytes.fetch_sub(surplus, Ordering::Relaxed);
            self.bytes -= surplus;
        }
    }
}

impl Room {
    /// Gives a part of it away.
    fn part(&mut self, bytes: usize) -> Self {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX).min(self.bytes);
        self.bytes -= bytes;
        Self { of: Arc::clone(&self.of), bytes }
    }

    /// Bytes that keep as much of the room until they are gone: whoever reads slowly still holds them. Short ones are no
    /// more than what a connection holds in any case, and go without.
    pub(crate) fn hold(&mut self, bytes: Bytes) -> Bytes {
        if bytes.len() < HELD_MIN_BYTES {
            return bytes;
        }
        let room = self.part(bytes.len());
        Bytes::from_owner(Held { bytes, _room: room })
    }
}

/// Bytes with their room.
struct Held {
    bytes: Bytes,
    _room: Room,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.keep(0);
    }
}

/// A call's places among those under way, given back on drop.
#[derive(Debug)]
pub(crate) struct UnderWay {
    pub(crate) _of_all: Counted,
    pub(crate) _of_caller: Counted,
    /// Once policy has let it through, or holds it.
    pub(crate) of_tool: Option<KeyCounted>,
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
        let buffered = Arc::new(Buffered::new(10));
        let mut room = Room::new(Arc::clone(&buffered));
        assert!(room.take(6));
        assert!(!room.take(5));
        assert!(room.take(4));
        room.keep(20);
        assert_eq!(buffered.bytes(), 10);
        room.keep(4);
        assert_eq!(buffered.bytes(), 4);
        assert!(Room::new(Arc::clone(&buffered)).take(6));
        drop(room);
        assert_eq!(buffered.bytes(), 0);
    }

    #[test]
    fn long_bytes_hold_their_room_until_they_are_gone() {
        let buffered = Arc::new(Buffered::new(1 << 20));
        let mut room = Room::new(Arc::clone(&buffered));
        assert!(room.take(100_000));
        let (short, long) = (room.hold(Bytes::from(vec![0; 10])), room.hold(Bytes::from(vec![1; 90_000])));
        drop(room);
        assert_eq!((short.len(), long.len(), buffered.bytes()), (10, 90_000, 90_000));
        let half = long.slice(..10);
        drop(long);
        assert_eq!(buffered.bytes(), 90_000);
        drop(half);
        assert_eq!(buffered.bytes(), 0);
    }

    #[test]
    fn a_count_never_passes_its_limit() {
        let count = Arc::new(Count::default());
        let first = count.enter(2);
        let second = count.enter(2);
        assert!(first.is_some() && second.is_some());
        assert!(count.enter(2).is_none());
        drop(first);
        assert_eq!(count.now(), 1);
        assert!(count.enter(2).is_some());
    }
}
