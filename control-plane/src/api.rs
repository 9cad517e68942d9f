//! The HTTP API. JSON in and out; errors are RFC 9457 problem documents with a stable `code`.

mod approvals;
mod body;
mod hosts;
mod operations;
mod problem;
mod representation;
mod serve;
mod session;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::approvals::Decider;
use crate::metrics::Metrics;
use crate::people::People;
use crate::store::Store;
use hosts::Hosts;
use problem::Problem;

pub(crate) use serve::serve;

/// What requests need.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    store: Store,
    people: People,
    decider: Decider,
    metrics: Metrics,
    hosts: Arc<Hosts>,
}

impl Api {
    pub(crate) fn new(store: Store, decider: Decider, metrics: Metrics, hosts: &[String]) -> Self {
        let people = People::new(store.clone());
        Self { store, people, decider, metrics, hosts: Arc::new(Hosts::new(hosts)) }
    }

    fn router(self) -> Router {
        Router::new()
            .route("/healthz", get(operations::healthz))
            .route("/readyz", get(operations::readyz))
            .route("/metrics", get(operations::metrics))
            .route("/openapi.json", get(operations::openapi))
            .route("/v1/approvals", get(approvals::list))
            .route("/v1/approvals/{reference}", get(approvals::show))
            .route("/v1/approvals/{reference}/decide", post(approvals::decide))
            .fallback(async || Problem::NotFound)
            .method_not_allowed_fallback(async || Problem::MethodNotAllowed)
            .layer(from_fn_with_state(self.clone(), hosts::check))
            .with_state(self)
    }
}

#[cfg(test)]
mod tests;
