//! The HTTP API. JSON in and out; errors are RFC 9457 problem documents with a stable `code`.

mod approvals;
mod body;
mod catalogue;
mod description;
mod drafts;
mod executions;
mod holders;
mod hosts;
mod jwks;
mod moment;
mod name;
mod operations;
mod paging;
mod pieces;
mod policy;
mod problem;
mod redeem;
mod representation;
mod revise;
mod serve;
mod session;
mod write;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Settings;
use crate::approvals::Decider;
use crate::metrics::Metrics;
use crate::nonces::SharedNonces;
use crate::people::People;
use crate::policies::Policies;
use crate::receipts::Receipts;
use crate::store::{EntryKind, Store};
use hosts::Hosts;
use problem::Problem;

pub(crate) use serve::serve;

/// What requests need.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    store: Store,
    policies: Policies,
    people: People,
    decider: Decider,
    metrics: Metrics,
    nonces: SharedNonces,
    receipts: Option<Receipts>,
    hosts: Arc<Hosts>,
}

impl Api {
    pub(crate) fn new(
        store: Store,
        policies: Policies,
        decider: Decider,
        metrics: Metrics,
        nonces: SharedNonces,
        settings: &Settings,
    ) -> Self {
        let people = People::new(store.clone());
        let hosts = Arc::new(Hosts::new(&settings.hosts));
        let receipts = settings.receipts.clone();
        Self { store, policies, people, decider, metrics, nonces, receipts, hosts }
    }

    fn router(self) -> Router {
        let (router, document) = OpenApiRouter::with_openapi(description::head())
            .routes(routes!(operations::healthz))
            .routes(routes!(operations::readyz))
            .routes(routes!(operations::metrics))
            .routes(routes!(approvals::list))
            .routes(routes!(approvals::show))
            .routes(routes!(approvals::decide))
            .routes(routes!(drafts::list))
            .routes(routes!(drafts::show, drafts::forget))
            .routes(routes!(drafts::decide::accept))
            .routes(routes!(drafts::decide::reject))
            .routes(routes!(policy::show, policy::replace))
            .routes(routes!(redeem::redeem))
            .routes(routes!(executions::list, executions::log))
            .routes(routes!(jwks::jwks))
            .nest("/v1/keys", holders::keys())
            .nest("/v1/agents", holders::agents())
            .nest("/v1/tenants", catalogue::routes_of(EntryKind::Tenant))
            .nest("/v1/resources", catalogue::routes_of(EntryKind::Resource))
            .nest("/v1/methods", catalogue::routes_of(EntryKind::Method))
            .split_for_parts();
        router
            .route("/openapi.json", get(description::serve(document)))
            .fallback(async || Problem::NotFound)
            .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
            .layer(from_fn_with_state(self.clone(), hosts::check))
            .with_state(self)
    }
}

#[cfg(test)]
mod tests;
