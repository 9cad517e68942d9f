//! What is known of a document in force that did not come from a file.

use policy::UnixMillis;
use policy_sync::Document;
use serde_json::{Value, json};

use super::disk::Kept;
use crate::clock;
use crate::state::age_ms;

/// A document in force.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) revision: u64,
    /// Where it was last known to be.
    pub(super) source: &'static str,
    pub(super) confirmed_at: UnixMillis,
    /// Whether it is on the disk.
    pub(super) is_kept: bool,
}

impl Held {
    /// One that was on the disk at the start.
    pub(super) const fn last_known_good(kept: &Kept) -> Self {
        let (revision, confirmed_at) = (kept.document.header().revision, kept.confirmed_at);
        Self { revision, source: "last known good", confirmed_at, is_kept: true }
    }

    /// One that has just come.
    pub(super) fn new(document: &Document, source: &'static str) -> Self {
        Self { revision: document.header().revision, source, confirmed_at: clock::now(), is_kept: false }
    }

    /// How long ago its source was last seen to have it; `None` where nobody knows.
    pub(super) fn age_ms(&self, at: UnixMillis) -> Option<u64> {
        known_age_ms(age_ms(self.confirmed_at, at))
    }
}

/// All of it as JSON, and why the newest was not taken.
pub(super) fn report(held: Option<&Held>, refused: Option<&String>, at: UnixMillis) -> Value {
    json!({
        "source": held.map(|held| held.source),
        "revision": held.map(|held| held.revision),
        "age_ms": held.and_then(|held| held.age_ms(at)),
        "kept": held.map(|held| held.is_kept),
        "refused": refused,
    })
}

/// `None` where nobody knows.
pub(crate) fn known_age_ms(age_ms: u64) -> Option<u64> {
    (age_ms != u64::MAX).then_some(age_ms)
}
