//! Turns to have a policy in memory and work on it: few in all, and of each organisation one that works or waits for it,
//! so that nobody stands behind all that one organisation wants. What a check needs has turns of its own, and is never
//! behind changes.

use std::sync::Arc;
use std::time::Instant;

use moka::sync::Cache;
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::metrics::Metrics;
use crate::store::StoreError;

/// Policies that are compiled or compared at once for changes.
const CHANGES_MAX: usize = 2;

/// Policies that are compiled at once because a check needs them.
const CHECKS_MAX: usize = 2;

/// Organisations of whose requests one waits for another.
const LOCKS_MAX: u64 = 4096;

/// A lock for each organisation that was busy lately. That one is forgotten costs time and nothing else.
pub(super) type Locks = Cache<String, Arc<Mutex<()>>>;

/// All turns.
#[derive(Clone)]
pub(super) struct Turns {
    changes: Lane,
    checks: Lane,
    metrics: Metrics,
}

/// A turn, which ends on drop.
#[derive(Debug)]
pub(super) struct Turn {
    _first: First,
    _permit: OwnedSemaphorePermit,
}

/// Who comes next among those of one organisation, until it is dropped.
#[derive(Debug)]
pub(crate) struct First {
    _guard: OwnedMutexGuard<()>,
}

#[derive(Clone)]
struct Lane {
    of_org: Locks,
    permits: Arc<Semaphore>,
}

impl Turns {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { changes: Lane::new(CHANGES_MAX), checks: Lane::new(CHECKS_MAX), metrics }
    }

    /// A turn for what somebody wants to change, or to know of a change.
    pub(super) async fn for_change(&self, org: &str) -> Result<Turn, StoreError> {
        let since = Instant::now();
        let first = First::of(&self.changes.of_org, org).await;
        self.begin(&self.changes, first, since).await
    }

    /// Waits to come next with a check of an organisation. What was waited for may be there then.
    pub(super) async fn next_check(&self, org: &str) -> First {
        First::of(&self.checks.of_org, org).await
    }

    /// A turn for what a check needs.
    pub(super) async fn for_check(&self, first: First) -> Result<Turn, StoreError> {
        self.begin(&self.checks, first, Instant::now()).await
    }

    async fn begin(&self, lane: &Lane, first: First, since: Instant) -> Result<Turn, StoreError> {
        let permit = Arc::clone(&lane.permits).acquire_owned().await;
        self.metrics.policy_waited(since.elapsed());
        let permit = permit.map_err(|_| StoreError::Stopped)?;
        Ok(Turn { _first: first, _permit: permit })
    }
}

impl First {
    /// Waits until it is the turn of who asks, among those of its organisation.
    pub(super) async fn of(locks: &Locks, org: &str) -> Self {
        Self { _guard: locks.get_with_by_ref(org, Arc::default).lock_owned().await }
    }
}

impl Lane {
    fn new(max: usize) -> Self {
        Self { of_org: locks(), permits: Arc::new(Semaphore::new(max)) }
    }
}

pub(super) fn locks() -> Locks {
    Cache::new(LOCKS_MAX)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        }
    }

    #[test]
    fn nobody_stands_behind_all_that_one_organisation_wants() {
        let turns = Turns::new(Metrics::new().unwrap());
        let first = now(turns.for_change("a")).unwrap().unwrap();
        let mut second = Box::pin(turns.for_change("a"));
        assert!(now(second.as_mut()).is_none(), "one at a time of each");
        let other = now(turns.for_change("b")).unwrap().unwrap();
        let mut third = Box::pin(turns.for_change("c"));
        assert!(now(third.as_mut()).is_none(), "two in all");
        drop(first);
        assert!(now(second.as_mut()).is_none(), "who waits longest for all comes first");
        let third = now(third).unwrap().unwrap();
        for org in ["a", "b"] {
            let first = now(turns.next_check(org)).unwrap();
            let turn = now(turns.for_check(first)).unwrap().unwrap();
            assert!(now(turns.next_check(org)).is_none(), "a check waits for one of its own organisation");
            drop(turn);
        }
        drop((other, third));
        let _second = now(second).unwrap().unwrap();
    }
}
