//! Whether the control plane lives, whether it can work, what it counted, and how it is asked.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::{Api, Problem};
use crate::clock;

/// It answers at all.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The store answers, and the approvals service runs.
pub(super) async fn readyz(State(api): State<Api>) -> Result<&'static str, Problem> {
    if !api.decider.is_running() {
        return Err(Problem::Stopping);
    }
    api.store.answers().await?;
    Ok("ready\n")
}

/// Prometheus text.
pub(super) async fn metrics(State(api): State<Api>) -> Result<impl IntoResponse, Problem> {
    let live = api.store.live().await?;
    let text = api.metrics.text(&live, clock::now()).map_err(|error| {
        tracing::error!(%error, "metrics could not be written");
        Problem::StoreFailed
    })?;
    Ok(([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text))
}

/// The description of this API (OpenAPI 3.1).
pub(super) async fn openapi() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], include_str!("../../openapi.json"))
}
