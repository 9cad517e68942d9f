//! The HTTP API. JSON in and out; errors are RFC 9457 problem documents with a stable `code`.

#![expect(unused_qualifications, reason = "the macro that describes handlers qualifies names")]

mod activity;
mod approvals;
mod asked;
mod body;
mod catalogue;
mod checks;
mod description;
mod drafts;
mod executions;
mod holders;
mod hosts;
mod jwks;
mod moment;
mod operations;
mod paging;
mod params;
mod pieces;
mod policy;
mod problem;
mod proxies;
mod redeem;
mod representation;
mod revise;
mod serve;
mod session;
mod sync;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Settings;
use crate::approvals::Decider;
use crate::history::History;
use crate::metrics::Metrics;
use crate::nonces::SharedNonces;
use crate::people::People;
use crate::policies::Policies;
use crate::receipts::Receipts;
use crate::recorder::Recorder;
use crate::store::Store;
use crate::sync::SyncServer;
use hosts::Hosts;
use problem::Problem;

pub(crate) use serve::{Patience, serve};

/// Where proxies open their links.
const LINKS: &str = "/v1/sync";

/// What requests need.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    store: Store,
    policies: Policies,
    people: People,
    decider: Decider,
    metrics: Metrics,
    recorder: Recorder,
    nonces: SharedNonces,
    receipts: Option<Receipts>,
    sync: Option<SyncServer>,
    hosts: Arc<Hosts>,
    policy_public_key: Option<Arc<str>>,
    history: History,
}

/// What a listener serves.
pub(crate) struct Served {
    router: Router,
    metrics: Metrics,
}

/// What works for requests, beside the store.
#[derive(Clone, Debug)]
pub(crate) struct Services {
    pub(crate) policies: Policies,
    pub(crate) decider: Decider,
    pub(crate) recorder: Recorder,
    pub(crate) nonces: SharedNonces,
    pub(crate) metrics: Metrics,
    /// Absent: there are no links.
    pub(crate) sync: Option<SyncServer>,
}

impl Api {
    pub(crate) fn new(store: Store, services: Services, settings: &Settings) -> Self {
        let Services { policies, decider, recorder, nonces, metrics, sync } = services;
        let people = People::new(store.clone());
        let hosts = Arc::new(Hosts::new(&settings.hosts));
        let receipts = settings.receipts.clone();
        let history = settings.history;
        let policy_public_key = settings.policy_key.as_ref().map(|key| key.public().to_string().into());
        Self {
            store,
            policies,
            people,
            decider,
            metrics,
            recorder,
            nonces,
            receipts,
            sync,
            hosts,
            policy_public_key,
            history,
        }
    }

    /// All of it.
    pub(crate) fn whole(self) -> Served {
        let metrics = self.metrics.clone();
        Served { router: self.router(), metrics }
    }

    /// Nothing but links.
    pub(crate) fn links(self) -> Served {
        let metrics = self.metrics.clone();
        let router = Router::new()
            .route(LINKS, get(sync::open))
            .fallback(async || Problem::NotFound)
            .layer(from_fn_with_state(self.clone(), hosts::check))
            .with_state(self);
        Served { router, metrics }
    }

    fn router(self) -> Router {
        let (router, document) = OpenApiRouter::with_openapi(description::head())
            .merge(operations::routes())
            .merge(approvals::routes())
            .merge(drafts::routes())
            .merge(checks::routes())
            .routes(routes!(params::validate))
            .merge(activity::routes())
            .merge(policy::routes())
            .merge(pieces::routes())
            .routes(routes!(redeem::redeem))
            .merge(executions::routes())
            .routes(routes!(jwks::jwks))
            .merge(holders::routes())
            .merge(proxies::routes())
            .merge(catalogue::routes())
            .split_for_parts();
        router
            // What follows is no HTTP, and nothing that the description could describe.
            .route(LINKS, get(sync::open))
            .route("/openapi.json", get(description::serve(document)))
            .fallback(async || Problem::NotFound)
            .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
            .layer(from_fn_with_state(self.clone(), hosts::check))
            .with_state(self)
    }
}

#[cfg(test)]
mod tests;
