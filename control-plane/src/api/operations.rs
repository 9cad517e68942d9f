//! Whether the control plane lives, whether it can work, and what it counted.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Api, Problem};
use crate::clock;

/// What probes and scrapers ask.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// Says that the control plane answers at all.
#[utoipa::path(get, path = "/healthz", tag = "operations", responses((status = 200, description = "It does.", body = String, content_type = "text/plain")))]
async fn healthz() -> &'static str {
    "ok\n"
}

/// Says whether the store reads and writes, nonces can be burned, and the approvals service runs.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses((status = 200, description = "They do.", body = String, content_type = "text/plain")))]
async fn readyz(State(api): State<Api>) -> Result<&'static str, Problem> {
    if !api.decider.is_running() || !api.recorder.is_running() {
        return Err(Problem::Stopping);
    }
    api.store.answers(clock::now()).await?;
    api.nonces.answer().await?;
    Ok("ready\n")
}

/// What was counted, as Prometheus text.
#[utoipa::path(get, path = "/metrics", tag = "operations", responses((status = 200, description = "The metrics.", body = String, content_type = "text/plain")))]
async fn metrics(State(api): State<Api>) -> Result<impl IntoResponse, Problem> {
    let live = api.store.live().await?;
    api.metrics.set_queued(api.recorder.queued());
    api.metrics.set_holders(&api.store.good_holders(clock::now()).await?);
    let text = api.metrics.text(&live, clock::now()).map_err(|error| {
        tracing::error!(%error, "metrics could not be written");
        Problem::StoreFailed
    })?;
    Ok(([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text))
}
