//! Links to proxies: a session for each proxy that is connected, whatever carries its messages.
//!
//! A session hands on what its proxy says: tools that were seen to discovery, everything else, in order, to the
//! approvals service, which writes into the session's outbox and never waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use policy_sync::{ControlMessage, HoldId, LinkDown, ProxyMessage};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::discovery::Discovery;
use crate::metrics::Metrics;

/// Messages of all proxies that wait for the service.
const QUEUED_MAX: usize = 256;

/// Messages to one proxy that wait until they are read: more than the holds it may have.
pub(crate) const OUTBOX_MAX: usize = 16 * 1024;

/// One session of one proxy. It is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LinkId(u64);

/// The proxy at the other end of a link, which has shown its token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Peer {
    pub(crate) org: String,
    pub(crate) name: String,
}

/// One run of a proxy, from its start to its end. Its links follow each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Run {
    pub(crate) peer: Peer,
    /// A random number of this run.
    pub(crate) boot: u64,
}

/// What the approvals service hears of a link.
#[derive(Debug)]
pub(crate) enum FromProxy {
    /// It is up. Whatever is for the proxy goes into `outbox`; a link that is dropped for good closes it.
    Joined { run: Run, outbox: mpsc::Sender<ControlMessage> },
    /// The proxy says something about approvals.
    Said(ProxyMessage),
    /// It is down.
    Gone,
}

/// The way to the services, for whoever takes in a connection of a proxy.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    queue: mpsc::Sender<(LinkId, FromProxy)>,
    discovery: Discovery,
    metrics: Metrics,
    places: Arc<Semaphore>,
    last: Arc<AtomicU64>,
}

/// A link that is up. Dropping it says that it is down.
#[derive(Debug)]
pub(crate) struct Session {
    id: LinkId,
    peer: Peer,
    queue: mpsc::Sender<(LinkId, FromProxy)>,
    outbox: mpsc::Receiver<ControlMessage>,
    discovery: Discovery,
    _place: OwnedSemaphorePermit,
}

/// Why there is no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JoinError {
    /// As many proxies are connected as may be.
    #[error("too many proxies are connected")]
    TooMany,
    /// The service has stopped.
    #[error("the control plane is stopping")]
    Stopped,
}

impl Links {
    /// The way to the services, for at most `links_max` proxies at once, and what the approvals service takes.
    pub(crate) fn new(
        discovery: Discovery,
        metrics: Metrics,
        links_max: usize,
    ) -> (Self, mpsc::Receiver<(LinkId, FromProxy)>) {
        let (queue, from_proxies) = mpsc::channel(QUEUED_MAX);
        let places = Arc::new(Semaphore::new(links_max));
        (Self { queue, discovery, metrics, places, last: Arc::default() }, from_proxies)
    }

    /// A session for a proxy that has shown its token. Whatever session this run of it had before ends.
    pub(crate) async fn join(&self, org: &str, proxy: &str, boot: u64) -> Result<Session, JoinError> {
        let peer = Peer { org: org.to_owned(), name: proxy.to_owned() };
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.metrics.link_refused();
            return Err(JoinError::TooMany);
        };
        let id = LinkId(self.last.fetch_add(1, Ordering::Relaxed).saturating_add(1));
        let (sender, outbox) = mpsc::channel(OUTBOX_MAX);
        let run = Run { peer: peer.clone(), boot };
        let joined = FromProxy::Joined { run, outbox: sender };
        self.queue.send((id, joined)).await.map_err(|_| JoinError::Stopped)?;
        let (queue, discovery) = (self.queue.clone(), self.discovery.clone());
        Ok(Session { id, peer, queue, outbox, discovery, _place: place })
    }
}

impl Session {
    /// Hands on what the proxy says, waiting for room.
    ///
    /// # Errors
    /// [`LinkDown`] if the service has stopped.
    pub(crate) async fn say(&self, message: ProxyMessage) -> Result<(), LinkDown> {
        match message {
            ProxyMessage::Discovered(discovered) => {
                self.discovery.take(&self.peer, *discovered);
                Ok(())
            }
            about_approvals => {
                let said = (self.id, FromProxy::Said(about_approvals));
                self.queue.send(said).await.map_err(|_| LinkDown)
            }
        }
    }

    /// The next message for the proxy; `None` once the link is to end.
    pub(crate) async fn receive(&mut self) -> Option<ControlMessage> {
        self.outbox.recv().await
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // If there is no room, the service finds the outbox closed.
        let _full = self.queue.try_send((self.id, FromProxy::Gone));
    }
}

impl Peer {
    /// Whether it may speak for that organisation and that proxy.
    pub(crate) fn is(&self, org: &str, proxy: &str) -> bool {
        self.is_of(org) && self.name == proxy
    }

    /// Whether it belongs to that organisation.
    pub(crate) fn is_of(&self, org: &str) -> bool {
        self.org == org
    }
}

impl Run {
    /// What a hold of this run is called for ever, within its organisation.
    pub(crate) fn name_of(&self, hold: HoldId) -> String {
        format!("{:016x}/{}/{}", self.boot, hold.0, self.peer.name)
    }
}

#[cfg(test)]
impl LinkId {
    /// Another one each time.
    pub(crate) fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(1 << 32);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}
