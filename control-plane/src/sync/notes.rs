//! What is noted of links for people to see: written once a second, all of it in one transaction, however many proxies
//! answer at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::table::{LinkTable, Seat};
use crate::clock;
use crate::store::{LinkEvent, LinkNote, Store};

/// How often it is written.
const EVERY: Duration = Duration::from_secs(1);

/// How often it is written which links there are.
const SEEN_EVERY: Duration = Duration::from_secs(15);

/// What waits to be written. Every clone is about the same notes.
#[derive(Clone, Debug)]
pub(super) struct Notes {
    store: Store,
    waiting: Arc<Mutex<Waiting>>,
}

/// By the numbers of links; the last of each kind of event.
type Waiting = BTreeMap<u64, [Option<LinkNote>; 5]>;

impl Notes {
    pub(super) fn start(tasks: &mut JoinSet<()>, store: Store, table: Arc<LinkTable>) -> Self {
        let notes = Self { store, waiting: Arc::default() };
        tasks.spawn(notes.clone().run(table));
        notes
    }

    /// Notes what happened to a link.
    pub(super) fn note(&self, seat: &Seat, event: LinkEvent) {
        let kind = kind(&event);
        let note = LinkNote { link: Arc::clone(&seat.link), at: clock::now(), event };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = waiting.entry(seat.number).or_default().get_mut(kind) {
            *place = Some(note);
        }
    }

    /// Writes what waits. After a failure it waits on.
    pub(super) async fn write(&self) {
        let taken = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let notes: Vec<LinkNote> = taken.values().flatten().flatten().cloned().collect();
        if notes.is_empty() {
            return;
        }
        let Err(error) = self.store.note_links(&notes).await else { return };
        tracing::error!(%error, notes = notes.len(), "what happened to links can't be written down; tried again");
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for (number, older) in taken {
            for (newest, older) in waiting.entry(number).or_default().iter_mut().zip(older) {
                *newest = newest.take().or(older);
            }
        }
    }

    async fn run(self, table: Arc<LinkTable>) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen_at = Instant::now();
        loop {
            ticks.tick().await;
            self.write().await;
            if seen_at.elapsed() >= SEEN_EVERY {
                seen_at = Instant::now();
                let seen = self.store.proxies_seen_now(table.instance(), &table.links(), clock::now()).await;
                if let Err(error) = seen {
                    tracing::error!(%error, "it can't be written down which links there are");
                }
            }
        }
    }
}

/// In the order in which they are written of one link.
const fn kind(event: &LinkEvent) -> usize {
    match event {
        LinkEvent::Linked { .. } => 0,
        LinkEvent::Policy { .. } => 1,
        LinkEvent::Keys { .. } => 2,
        LinkEvent::Refused { .. } => 3,
        LinkEvent::Gone => 4,
    }
}
