//! The control plane: it keeps approvals and the people who decide them, and serves the API.
//!
//! It knows proxies only by the messages of `policy_sync`.

mod actor;
mod api;
mod approvals;
mod clock;
mod discovery;
#[cfg(test)]
mod fixture;
mod history;
mod key;
mod link;
mod metrics;
mod names;
mod nonces;
mod open_files;
mod orgs;
mod people;
mod policies;
mod receipts;
mod recorder;
mod store;
mod sweep;
mod sync;
mod tls;

use std::future::Future;
use std::sync::Arc;

use policy_sync::{PolicyKey, PolicyPublicKey};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use approvals::ApprovalRules;
pub use history::History;
pub use names::NameError;
pub use nonces::{RedisPlace, RedisUrlError};
pub use orgs::{FIRST_KEY_ID, ManagementKey, Org, Orgs, OrgsError, RelayKey, Taken};
pub use people::{NewPerson, People, PeopleError, Person, SESSION_SECONDS_MAX, Session};
pub use receipts::{ReceiptKeysError, Receipts};
pub use store::{BackupError, StoreError, StoreUrl, StoreUrlError, backup};
pub use tls::ServerTls;

use api::{Api, Patience, Services};
use approvals::Approvals;
use link::Links;
use metrics::Metrics;
use nonces::SharedNonces;
use policies::Policies;
use store::Store;
use sync::SyncTasks;

/// Settings of a control plane.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where everything is kept.
    pub store: StoreUrl,
    /// How approvals are given out.
    pub approvals: ApprovalRules,
    /// Further names that its API answers to, beside loopback names and the address that a client connected to.
    pub hosts: Vec<String>,
    /// What signs and verifies receipts. Without it no permission is checked, and no receipt made or used up.
    pub receipts: Option<Receipts>,
    /// Where nonces are shared with other control planes, if they are.
    pub redis: Option<RedisPlace>,
    /// How much of the past is kept.
    pub history: History,
    /// TLS on the API. Without it, it speaks plain HTTP.
    pub tls: Option<ServerTls>,
    /// What signs the documents that proxies are sent. Without it no proxy can be linked.
    pub policy_key: Option<Arc<PolicyKey>>,
}

/// A control plane with its store open.
#[derive(Debug)]
pub struct ControlPlane {
    store: Store,
    metrics: Metrics,
    nonces: SharedNonces,
    settings: Settings,
    patience: Patience,
}

/// One that works, before it serves.
struct Started {
    store: Store,
    api: Api,
    patience: Patience,
    tls: Option<ServerTls>,
    sync: Option<SyncTasks>,
    deciding: JoinHandle<()>,
    recording: JoinHandle<()>,
    sweeping: JoinHandle<()>,
    storing: JoinHandle<()>,
}

/// Why a control plane could not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The metrics clash.
    #[error("the metrics could not be set up: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// The task that owns the approvals ended by a fault of this program, so nothing could be decided any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the approvals service failed")]
pub struct ApprovalsFailed;

impl ControlPlane {
    /// Opens the store, and brings it up to date.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(settings: Settings) -> Result<Self, OpenError> {
        let metrics = Metrics::new()?;
        if let Some(receipts) = &settings.receipts {
            metrics.add(receipts.loads().clone())?;
        }
        if let Some(tls) = &settings.tls {
            tls.register(&metrics)?;
        }
        let nonces = SharedNonces::new(settings.redis.clone());
        let store = Store::open(&settings.store).await?;
        // It starts without its Redis too; then it is not ready, which the log says.
        let _not_ready = nonces.answer().await;
        Ok(Self { store, metrics, nonces, settings, patience: Patience::default() })
    }

    /// Takes the key that signs the documents that proxies are sent. Where it lies beside the store, it may be made only
    /// once that is open.
    pub fn sign_with(&mut self, key: Arc<PolicyKey>) {
        self.settings.policy_key = Some(key);
    }

    /// The people who may decide.
    #[must_use]
    pub fn people(&self) -> People {
        People::new(self.store.clone())
    }

    /// The organisations, and the management keys that the host gives them.
    #[must_use]
    pub fn orgs(&self) -> Orgs {
        Orgs::new(self.store.clone())
    }

    /// What proxies know the policy key by, if there is one.
    #[must_use]
    pub fn policy_public_key(&self) -> Option<PolicyPublicKey> {
        self.settings.policy_key.as_ref().map(|key| key.public())
    }

    /// Serves the API on `listener` until `shutdown` is done, and on `link_listener` nothing but links, without TLS: for the
    /// proxy in the same process. Then no new connection is taken, requests under way finish, and links end last.
    ///
    /// # Errors
    /// [`ApprovalsFailed`], as soon as it happens.
    pub async fn serve(
        self,
        listener: TcpListener,
        link_listener: Option<TcpListener>,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ApprovalsFailed> {
        let (links, started) = self.start();
        drop(links);
        started.serve(listener, link_listener, shutdown).await
    }

    /// Starts all that works for the API and for links.
    fn start(self) -> (Links, Started) {
        let service = Approvals::new(self.store.clone(), self.settings.approvals, self.metrics.clone());
        let activity_days = self.settings.history.activity_days;
        let sweeping = tokio::spawn(sweep::run(self.store.clone(), self.metrics.clone(), activity_days));
        let (discovery, storing) = discovery::start(self.store.clone(), self.metrics.clone());
        let links_max = open_files::links(self.settings.approvals.links_max);
        let (links, from_proxies) = Links::new(discovery, self.metrics.clone(), links_max);
        let (decider, deciding) = approvals::start(service, from_proxies);
        let policies = Policies::new(self.store.clone(), self.metrics.clone());
        let (recorder, recording) = recorder::start(self.store.clone(), self.metrics.clone());
        let sync = self.settings.policy_key.clone().map(|key| {
            let receipts = self.settings.receipts.clone();
            sync::start((&self.store, &self.metrics), (links.clone(), links_max), key, receipts)
        });
        let services = Services {
            policies,
            decider,
            recorder,
            nonces: self.nonces,
            metrics: self.metrics,
            sync: sync.as_ref().map(SyncTasks::server),
        };
        let api = Api::new(self.store.clone(), services, &self.settings);
        let (store, patience, tls) = (self.store, self.patience, self.settings.tls);
        (links, Started { store, api, patience, tls, sync, deciding, recording, sweeping, storing })
    }
}

impl Started {
    async fn serve(
        self,
        listener: TcpListener,
        link_listener: Option<TcpListener>,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ApprovalsFailed> {
        let Self { store, api, patience, tls, sync, mut deciding, recording, sweeping, storing } = self;
        let (stop_links, links_stopped) = oneshot::channel::<()>();
        let linking = link_listener.map(|listener| {
            let stopped = async {
                // Nothing is ever sent.
                let _dropped = links_stopped.await;
            };
            tokio::spawn(api::serve(listener, api.clone().links(), (patience, None), stopped))
        });
        let mut ended = None;
        let stop = async {
            tokio::select! {
                () = shutdown => {}
                result = &mut deciding => ended = Some(result),
            }
            if let Some(sync) = &sync {
                sync.stop();
            }
        };
        api::serve(listener, api.whole(), (patience, tls), stop).await;
        drop(stop_links);
        if let Some(linking) = linking {
            let _ended = linking.await;
        }
        if let Some(sync) = sync {
            sync.ended().await;
        }
        let ended = match ended {
            Some(result) => result,
            None => deciding.await,
        };
        // What waits is written first. A recorder that failed has said so to everybody who waited.
        let _ended = recording.await;
        sweeping.abort();
        // It ends with the links, once it has stored what came over them.
        let stored = storing.await;
        store.close().await;
        ended.and(stored).map_err(|_| ApprovalsFailed)
    }
}
