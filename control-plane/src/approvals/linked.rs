//! The links there are: whose each is, and the way back to it.

use std::collections::HashMap;
use std::sync::Arc;

use policy_sync::ControlMessage;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::link::{LinkId, Run};

/// Links that are up, and those that were cut and whose holds are still waited for.
#[derive(Debug, Default)]
pub(super) struct Linked {
    links: HashMap<LinkId, Link>,
    of_run: HashMap<Arc<Run>, LinkId>,
    up: usize,
}

#[derive(Debug)]
struct Link {
    run: Arc<Run>,
    /// Absent once it was cut.
    outbox: Option<mpsc::Sender<ControlMessage>>,
}

/// Why a message could not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsent {
    /// The link is down.
    Down,
    /// Its proxy does not read.
    Full,
}

impl Linked {
    pub(super) fn add(&mut self, id: LinkId, run: Run, outbox: mpsc::Sender<ControlMessage>) {
        let run = Arc::new(run);
        self.of_run.insert(Arc::clone(&run), id);
        self.links.insert(id, Link { run, outbox: Some(outbox) });
        self.up += 1;
    }

    /// The link that a run of a proxy had before.
    pub(super) fn of_run(&self, run: &Run) -> Option<LinkId> {
        self.of_run.get(run).copied()
    }

    /// Whose link it is, while it is up.
    pub(super) fn run(&self, id: LinkId) -> Option<Arc<Run>> {
        self.links.get(&id).filter(|link| link.outbox.is_some()).map(|link| Arc::clone(&link.run))
    }

    /// Sends without waiting.
    pub(super) fn send(&self, id: LinkId, message: ControlMessage) -> Result<(), Unsent> {
        let outbox = self.links.get(&id).and_then(|link| link.outbox.as_ref()).ok_or(Unsent::Down)?;
        outbox.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) => Unsent::Full,
            TrySendError::Closed(_) => Unsent::Down,
        })
    }

    /// Cuts a link. False: it was not up.
    pub(super) fn cut(&mut self, id: LinkId) -> bool {
        let was_up = self.links.get_mut(&id).is_some_and(|link| link.outbox.take().is_some());
        self.up -= usize::from(was_up);
        was_up
    }

    /// Forgets a link that was cut.
    pub(super) fn forget(&mut self, id: LinkId) {
        if let Some(link) = self.links.remove(&id) {
            self.of_run.remove(&link.run);
        }
    }

    /// How many are up.
    pub(super) const fn up(&self) -> usize {
        self.up
    }

    /// Those whose sessions are gone and could not say so.
    pub(super) fn closed(&self) -> Vec<LinkId> {
        let is_closed = |link: &Link| link.outbox.as_ref().is_some_and(mpsc::Sender::is_closed);
        self.links.iter().filter(|(_, link)| is_closed(link)).map(|(id, _)| *id).collect()
    }

    /// Those that were cut.
    pub(super) fn down(&self) -> Vec<LinkId> {
        self.links.iter().filter(|(_, link)| link.outbox.is_none()).map(|(id, _)| *id).collect()
    }
}
