//! The control plane: it keeps approvals and the people who decide them, and serves the API.
//!
//! It knows proxies only by the messages of `policy_sync`.

mod actor;
mod api;
mod approvals;
mod clock;
#[cfg(test)]
mod fixture;
mod key;
mod metrics;
mod names;
mod orgs;
mod people;
mod policies;
mod store;

use std::future::Future;

use policy_sync::ControlEnd;
use tokio::net::TcpListener;

pub use approvals::ApprovalRules;
pub use names::NameError;
pub use orgs::{FIRST_KEY_ID, ManagementKey, Org, Orgs, OrgsError};
pub use people::{NewPerson, People, PeopleError, Person, SESSION_SECONDS_MAX, Session};
pub use store::{BackupError, StoreError, StoreUrl, StoreUrlError, backup};

use api::Api;
use approvals::Approvals;
use metrics::Metrics;
use policies::Policies;
use store::Store;

/// Settings of a control plane.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where everything is kept.
    pub store: StoreUrl,
    /// How approvals are given out.
    pub approvals: ApprovalRules,
    /// Further names that its API answers to, beside loopback names and the address that a client connected to.
    pub hosts: Vec<String>,
}

/// A control plane with its store open.
#[derive(Debug)]
pub struct ControlPlane {
    store: Store,
    metrics: Metrics,
    settings: Settings,
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
        Ok(Self { store: Store::open(&settings.store).await?, metrics: Metrics::new()?, settings })
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

    /// Serves the API on `listener`, and the proxy at the other end of `link` if there is one, until `shutdown` is done. Then no new
    /// connection is taken, requests under way finish, and the link ends last.
    ///
    /// # Errors
    /// [`ApprovalsFailed`], as soon as it happens.
    pub async fn serve(
        self,
        listener: TcpListener,
        link: Option<ControlEnd>,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ApprovalsFailed> {
        let service = Approvals::new(self.store.clone(), self.settings.approvals, self.metrics.clone());
        let (decider, mut task) = approvals::start(service, link);
        let policies = Policies::new(self.store.clone(), self.metrics.clone());
        let api = Api::new(self.store.clone(), policies, decider, self.metrics, &self.settings.hosts);
        let mut ended = None;
        let stop = async {
            tokio::select! {
                () = shutdown => {}
                result = &mut task => ended = Some(result),
            }
        };
        api::serve(listener, api, stop).await;
        let ended = match ended {
            Some(result) => result,
            None => task.await,
        };
        self.store.close().await;
        ended.map_err(|_| ApprovalsFailed)
    }
}
