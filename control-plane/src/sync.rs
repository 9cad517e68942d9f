//! Links to proxies over the network (`/v1/sync`): who may open one, what it carries, and when it ends.
//!
//! Each link is a task that drives `policy_sync::ControlSync`. What it sends is made by the publisher, once for all links
//! of an organisation; what it hears goes to approvals, to discovery and, in groups, to the store.

mod audit;
mod notes;
mod publisher;
mod session;
mod socket;
mod table;
mod tokens;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use policy_sync::PolicyKey;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::clock;
use crate::key::Key;
use crate::link::Links;
use crate::metrics::Metrics;
use crate::receipts::Receipts;
use crate::store::{Store, StoreError, Tier};
use audit::AuditStore;
use notes::Notes;
use publisher::Publisher;
use session::Session;
use socket::Socket;
use table::{Cut, LinkTable};

/// How long a client may take from the answer to its request to its first byte of another protocol.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long links may take to end when the control plane stops.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// The links of this control plane. Every clone is about the same ones.
#[derive(Clone)]
pub(crate) struct SyncServer(Arc<Shared>);

/// What works for links in the background, until it is dropped.
#[derive(Debug)]
pub(crate) struct SyncTasks {
    server: SyncServer,
    _tasks: JoinSet<()>,
}

/// What every link needs.
struct Shared {
    store: Store,
    metrics: Metrics,
    links: Links,
    publisher: Publisher,
    table: Arc<LinkTable>,
    notes: Notes,
    audit: AuditStore,
    places: Arc<Semaphore>,
    links_max: usize,
}

/// A proxy that has shown a good token, and has a place for its link.
#[derive(Debug)]
pub(crate) struct Welcome {
    org: String,
    proxy: String,
    token_sha256: String,
    place: OwnedSemaphorePermit,
}

/// Why a proxy gets no link.
#[derive(Debug)]
pub(crate) enum Unwelcome {
    /// What it shows is no good token.
    Token,
    /// There are as many links as there may be.
    TooMany,
    Store(StoreError),
}

/// Starts what works for links.
pub(crate) fn start(
    (store, metrics): (&Store, &Metrics),
    (links, links_max): (Links, usize),
    key: Arc<PolicyKey>,
    receipts: Option<Receipts>,
) -> SyncTasks {
    let mut tasks = JoinSet::new();
    let publisher = Publisher::start(&mut tasks, (store, metrics), key, receipts);
    let table = Arc::<LinkTable>::default();
    let server = SyncServer(Arc::new(Shared {
        store: store.clone(),
        metrics: metrics.clone(),
        links,
        publisher,
        notes: Notes::start(&mut tasks, store.clone(), Arc::clone(&table)),
        audit: AuditStore::start(&mut tasks, store.clone(), metrics.clone()),
        table: Arc::clone(&table),
        places: Arc::new(Semaphore::new(links_max)),
        links_max,
    }));
    tasks.spawn(tokens::run(store.clone(), table));
    SyncTasks { server, _tasks: tasks }
}

impl SyncServer {
    /// Lets a proxy in by its token.
    pub(crate) async fn welcome(&self, token: Option<&str>) -> Result<Welcome, Unwelcome> {
        let key = token.and_then(Key::parse).filter(|key| key.tier() == Tier::Proxy);
        let token_sha256 = key.ok_or(Unwelcome::Token)?.sha256();
        let holder = self.0.store.proxy_of_token(&token_sha256, clock::now()).await;
        let holder = holder.map_err(Unwelcome::Store)?.ok_or(Unwelcome::Token)?;
        let place = Arc::clone(&self.0.places).try_acquire_owned().map_err(|_| Unwelcome::TooMany)?;
        Ok(Welcome { org: holder.org, proxy: holder.id, token_sha256, place })
    }

    /// Serves a link, from the moment that its connection speaks WebSocket to its end.
    pub(crate) async fn run(self, upgrade: OnUpgrade, welcome: Welcome) {
        let Welcome { org, proxy, token_sha256, place } = welcome;
        match timeout(UPGRADE_TIMEOUT, upgrade).await {
            Ok(Ok(upgraded)) => {
                let (seat, cut) = self.0.table.join(org, proxy, token_sha256);
                let socket = Socket::new(TokioIo::new(upgraded), socket::WRITE_PATIENCE).await;
                Session::new(&self.0, socket, &seat).serve(cut).await;
                drop(seat);
            }
            Ok(Err(error)) => tracing::debug!(%error, org, proxy, "a link did not come about"),
            Err(_) => tracing::debug!(org, proxy, "a link did not come about in time"),
        }
        drop(place);
    }
}

impl SyncTasks {
    /// Where links come in.
    pub(crate) fn server(&self) -> SyncServer {
        self.server.clone()
    }

    /// Tells every link that this control plane stops; none comes in from now on.
    pub(crate) fn stop(&self) {
        self.server.0.table.stop();
    }

    /// Waits until every link has ended, and what was noted of them is written.
    pub(crate) async fn ended(self) {
        let Shared { places, links_max, notes, .. } = &*self.server.0;
        let all = u32::try_from(*links_max).unwrap_or(u32::MAX);
        if timeout(END_TIMEOUT, places.acquire_many(all)).await.is_err() {
            tracing::warn!("some links did not end in time");
        }
        notes.write().await;
    }
}

impl fmt::Debug for SyncServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncServer").field("links", &self.0.table.len()).finish_non_exhaustive()
    }
}

impl Cut {
    /// The close code and what is said with it (RFC 6455, section 7.4), where the state machine does not say it.
    const fn code(self) -> (u16, &'static str) {
        match self {
            Self::Replaced => (4009, "a newer link of the same proxy took its place"),
            Self::Revoked => (4003, "the relay token was revoked"),
            Self::Stopping => (1001, "the control plane is stopping"),
        }
    }
}
