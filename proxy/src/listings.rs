//! Lists of tools that backends still owe somebody.
//!
//! A server that finds its streams by request ids alone answers a list where a call of the same id waits. While a backend
//! owes a list, every answer of it that is one JSON message is therefore read before it goes on; else it is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock;
use crate::state::Shared;

/// What each backend owes, in the order of the settings.
#[derive(Debug)]
pub(crate) struct Listings(Box<[Listing]>);

#[derive(Debug, Default)]
struct Listing {
    under_way: AtomicU32,
    /// A list that nobody waits for any more may still come until then.
    late_until_unix_ms: AtomicU64,
}

/// A list that a backend was asked for. When it is dropped, the list has come, or may still come late.
#[derive(Debug)]
pub(crate) struct Owed {
    shared: Arc<Shared>,
    place: usize,
    has_come: AtomicBool,
}

impl Listings {
    pub(crate) fn new(backends: usize) -> Self {
        Self((0..backends).map(|_| Listing::default()).collect())
    }

    /// Whether a list may come where it is not expected.
    pub(crate) fn may_come(&self, place: usize) -> bool {
        self.0.get(place).is_some_and(|listing| {
            listing.under_way.load(Ordering::Relaxed) > 0
                || listing.late_until_unix_ms.load(Ordering::Relaxed) > clock::now().0
        })
    }
}

impl Owed {
    /// Before the backend is asked.
    pub(crate) fn new(shared: &Arc<Shared>, place: usize) -> Self {
        if let Some(listing) = shared.listings.0.get(place) {
            listing.under_way.fetch_add(1, Ordering::Relaxed);
        }
        Self { shared: Arc::clone(shared), place, has_come: AtomicBool::new(false) }
    }

    /// The list came where it was expected.
    pub(crate) fn settle(&self) {
        self.has_come.store(true, Ordering::Relaxed);
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        let Some(listing) = self.shared.listings.0.get(self.place) else { return };
        if !self.has_come.load(Ordering::Relaxed) {
            let settings = &self.shared.settings;
            let backend = settings.backends.get(self.place);
            let late = backend.map_or_else(Duration::default, |one| one.response_timeout(&settings.limits));
            let late_ms = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
            listing.late_until_unix_ms.fetch_max(clock::now().0.saturating_add(late_ms), Ordering::Relaxed);
        }
        listing.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}
