//! The admin address: is it alive, is it ready, what does it count, what policy has it, why would it decide so.

mod names;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use policy::Definition;
use policy::cascade::{Explanation, verdict};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use self::names::Names;
use crate::clock;
use crate::policy_age;
use crate::state::{Phase, Shared};
use crate::sync::known_age_ms;
use crate::upstream;

/// A query to explain is no larger than this.
const QUERY_MAX_BYTES: usize = 1024 * 1024;

/// Serves the admin address until the proxy stops.
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    let mut phase = shared.phase.subscribe();
    let names = listener.local_addr().map_or(Names::Loopback, Names::of);
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/policy", get(policy))
        .route("/explain", post(explain))
        .route("/tools", get(tools))
        .route("/backends", get(backends))
        .layer(DefaultBodyLimit::max(QUERY_MAX_BYTES))
        .layer(from_fn_with_state(names, names::check))
        .with_state(shared);
    let stopped = async move {
        // The sender lives as long as the proxy.
        let _gone = phase.wait_for(|phase| *phase >= Phase::Stop).await;
    };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
        tracing::error!(%error, "the admin address failed");
    }
}

/// Ready means: a call that comes now can be decided. The reasons why not are listed.
async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let mut reasons = shared.lacks();
    if policy_age::is_too_old_for_all(&shared, clock::now()) {
        reasons.push("the policy in force is too old for any call");
    }
    if *shared.phase.borrow() != Phase::Run {
        reasons.push("stopping");
    }
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let approvals = if shared.metrics.holds.link_up.get() == 1 {
        "reachable"
    } else {
        "none: calls that need one are refused"
    };
    let mut body = json!({
        "ready": reasons.is_empty(),
        "reasons": reasons,
        "approvals": approvals,
        "max_policy_age": policy_age::report(&shared, clock::now()),
    });
    add_source(&mut body, &shared);
    (status, Json(body)).into_response()
}

/// How it stands with the control plane, if there is one elsewhere, or with the policy bundle.
fn add_source(body: &mut Value, shared: &Shared) {
    if let (Some(members), Some(sync)) = (body.as_object_mut(), &shared.sync) {
        members.insert("control_plane".to_owned(), sync.report(clock::now()));
    }
    if let (Some(members), Some(bundle)) = (body.as_object_mut(), &shared.bundle) {
        members.insert("bundle".to_owned(), bundle.report(clock::now()));
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let metrics = &shared.metrics;
    if let Some(policy) = &shared.in_force.load().policy {
        #[expect(
            clippy::cast_precision_loss,
            reason = "an age in milliseconds is far below 2^53, or not known"
        )]
        metrics.files.policy_age_seconds.set(policy.age_ms(clock::now()) as f64 / 1000.0);
    }
    if let Some(sync) = &shared.sync {
        sync.measure(metrics, clock::now());
    }
    if let Some(policy) = &shared.in_force.load().policy {
        let changed = shared.definitions.changed_count(&policy.snapshot);
        metrics.definitions.changed.set(changed.try_into().unwrap_or(i64::MAX));
    }
    shared.issuers.measure(clock::now());
    metrics.buffered_body_bytes.set(shared.buffered_bodies.bytes().try_into().unwrap_or(i64::MAX));
    metrics.buffered_response_bytes.set(shared.buffered_responses.bytes().try_into().unwrap_or(i64::MAX));
    metrics.calls_under_way.set(shared.calls.now().into());
    upstream::measure(&shared.endpoints, metrics);
    match metrics.text() {
        Ok(text) => ([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn policy(State(shared): State<Arc<Shared>>) -> Response {
    let in_force = shared.in_force.load();
    let Some(policy) = &in_force.policy else {
        let mut body = json!({"detail": "no policy is in force"});
        add_source(&mut body, &shared);
        return (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response();
    };
    let file = shared.settings.policy_file.as_ref().map(|file| file.display().to_string());
    let of_bundle = shared.bundle.as_ref().map(|bundle| bundle.policy_source());
    let of_link = || shared.sync.as_ref().map(|sync| sync.policy_source());
    let source = file.or_else(|| of_bundle.or_else(of_link).map(str::to_owned));
    let mut body = json!({
        "org": policy.snapshot.org(),
        "revision": policy.snapshot.revision(),
        "sha256": policy.sha256,
        "rules": policy.snapshot.rules_count(),
        "tools": policy.snapshot.tools_count(),
        "loaded_at_unix_ms": policy.loaded_at.0,
        "age_ms": known_age_ms(policy.age_ms(clock::now())),
        "source": source,
        "max_policy_age": policy_age::report(&shared, clock::now()),
    });
    add_source(&mut body, &shared);
    Json(body).into_response()
}

/// What the policy in force would say of a call, level by level. Nothing is forwarded.
async fn explain(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let bad = |detail: String| (StatusCode::BAD_REQUEST, Json(json!({"detail": detail}))).into_response();
    let query = std::str::from_utf8(&body).map_err(|error| error.to_string());
    let query = match query.and_then(|text| policy::Query::parse(text).map_err(|error| error.to_string())) {
        Ok(query) => query,
        Err(error) => return bad(format!("not a query such as {{\"tool\":\"read_note\"}}: {error}")),
    };
    let in_force = shared.in_force.load();
    let Some(policy) = &in_force.policy else { return bad("no policy is in force".to_owned()) };
    let mut call = query.call();
    if call.definition == Definition::Accepted {
        // A query names no backend: what any of them shows counts.
        call.definition = shared.definitions.of_any(&policy.snapshot, call.tool);
    }
    let mut explanation = Explanation::default();
    let verdict = verdict(&policy.snapshot, &call, clock::now(), &mut explanation);
    Json(json!({"verdict": verdict, "policy": verdict.revision, "explanation": explanation})).into_response()
}

/// What `/tools` is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolsQuery {
    /// Each tool with its definition.
    #[serde(default)]
    definitions: bool,
}

/// Every tool that backends have shown, and where it stands beside the policy in force.
async fn tools(State(shared): State<Arc<Shared>>, Query(query): Query<ToolsQuery>) -> Response {
    let in_force = shared.in_force.load();
    let snapshot = in_force.policy.as_ref().map(|policy| &policy.snapshot);
    let tools = shared.definitions.report(snapshot, query.definitions);
    Json(json!({"tools": tools})).into_response()
}

/// Every backend and its endpoints: how each is, and why.
async fn backends(State(shared): State<Arc<Shared>>) -> Response {
    Json(upstream::report(&shared)).into_response()
}

/// Binds the admin address.
pub(crate) async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}
