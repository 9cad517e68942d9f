//! What is done to a request once it is decided: it is recorded, signed and sent, once.

use std::time::Instant;

use config::{Backend, BackendKind, Durability, Http};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, StatusCode};
use policy::{Call, Permit, Snapshot};

use crate::audit::{Outcome, Record};
use crate::authorization::challenge;
use crate::body::Whole;
use crate::cors::remove_theirs;
use crate::exchange::Exchange;
use crate::http_sse::Session;
use crate::refusal::Refusal;
use crate::stamp::stamp;
use crate::state::{InForce, PolicyInForce, Shared};
use crate::upstream::{Answer, Destination, Outbound, Passage, SendError, Wanted, may_be_shared, send};

/// Tool, resource, method and tenant of a call together are no longer than this.
const COORDINATES_MAX_BYTES: usize = 3072;

/// A request as it came in, and where it is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inbound<'a> {
    pub(crate) head: &'a Parts,
    /// The path less the backend's own on the listener.
    pub(crate) rest: &'a str,
    pub(crate) body: &'a Whole,
    pub(crate) backend: &'a Backend,
    /// The backend's place in the settings.
    pub(crate) place: usize,
    /// Whether it came over TLS.
    pub(crate) is_secure: bool,
    /// The session of the old HTTP+SSE transport that it belongs to.
    pub(crate) session: Option<&'a Session>,
}

/// Nothing goes out unrecorded or unsigned: writes the intent of a call, and signs its receipt.
pub(crate) async fn recorded(
    exchange: &Exchange,
    (in_force, policy): (&InForce, &PolicyInForce),
    (call, permit): (&Call<'_>, &Permit),
    (record, nonce): (&mut Record, [u8; 16]),
    body: &[u8],
) -> Result<HeaderValue, Refusal> {
    let shared = &exchange.worker.shared;
    let recording = Instant::now();
    let durability = durability(shared, &policy.snapshot, call, permit);
    record.intent(&exchange.intent(call, permit), durability).await.map_err(|_| Refusal::AuditFailed)?;
    if permit.observed() {
        shared.metrics.observed.with_label_values(&[permit.verdict().permission.as_str()]).inc();
    }
    shared.metrics.phases.record.observe(recording.elapsed().as_secs_f64());
    stamp(shared, in_force, policy.snapshot.org(), (call, permit), body, nonce)
}

/// Sends to the backend, once, and turns its failures into refusals.
pub(crate) async fn forward(
    exchange: &Exchange,
    passage: Passage,
    outbound: Outbound,
    inbound: &Inbound<'_>,
    record: Option<&mut Record>,
) -> Result<Answer, Refusal> {
    let worker = &exchange.worker;
    let metrics = &worker.shared.metrics;
    let backend = inbound.backend;
    let sending = Instant::now();
    let access = worker.shared.in_force.load().access(inbound.place);
    let http = if outbound.websocket { Http::One } else { backend.hop.http };
    let request = outbound
        .request(inbound.head, &backend.url, backend.authorization, access.credential.as_ref())
        .map_err(|_| Refusal::ReceiptFailed)?;
    let wanted = Wanted { tls: access.tls, http, may_be_shared: may_be_shared(request.headers()) };
    let pool = &worker.backends.get(inbound.place).ok_or(Refusal::NoBackend)?.pool;
    let mut record = record;
    if let Some(record) = &mut record {
        // From here on, who stops listening does not know.
        record.outcome(Outcome::Unknown, None);
    }
    let shared = &worker.shared;
    let timeout = backend.response_timeout(&shared.settings.limits);
    let affinity = shared.sessions.affinity(exchange, inbound, &pool.endpoints);
    let destination = Destination { url: &backend.url, wanted, affinity };
    let sent = send(passage, pool, &destination, request, timeout).await;
    metrics.phases.backend.observe(sending.elapsed().as_secs_f64());
    let mut answer = sent.map_err(|error| {
        metrics.backends.errors.with_label_values(&[backend.name.as_str(), error.name()]).inc();
        tracing::warn!(%error, backend = backend.name, call = exchange.id.text, "the backend did not answer");
        let name = backend.name.clone();
        let (outcome, refusal) = match error {
            SendError::Overloaded => {
                metrics.limits_reached.with_label_values(&["max_calls_per_backend"]).inc();
                (Outcome::Error, Refusal::BackendOverloaded { backend: name })
            }
            SendError::Unreachable(_) => (Outcome::Error, Refusal::BackendUnreachable { backend: name }),
            SendError::Untrusted { .. } => (Outcome::Error, Refusal::BackendUntrusted { backend: name }),
            SendError::Broken(_) | SendError::Upgraded => {
                (Outcome::Unknown, Refusal::BackendBroken { backend: name })
            }
            SendError::Timeout => (Outcome::Unknown, Refusal::BackendTimeout { backend: name }),
        };
        if let Some(record) = &mut record {
            record.outcome(outcome, None);
        }
        refusal
    })?;
    shared.sessions.note(exchange, inbound, &pool.endpoints, (&destination.affinity, &answer));
    challenge(shared, inbound, &mut answer.response);
    if exchange.listening.cors.is_some() {
        remove_theirs(answer.response.headers_mut());
    }
    let status = answer.response.status();
    let leads_away = status.is_redirection() && status != StatusCode::NOT_MODIFIED;
    if leads_away && matches!(backend.kind, BackendKind::Mcp { .. }) {
        // A client would follow it around the proxy, or to another backend under its key for this one.
        if let Some(record) = record {
            record.outcome(Outcome::Failed, Some(status.as_u16()));
        }
        return Err(Refusal::BackendRedirects { backend: backend.name.clone() });
    }
    Ok(answer)
}

/// What a receipt and a record can carry, in bytes of JSON.
pub(crate) fn check_length(call: &Call<'_>) -> Result<(), Refusal> {
    let in_json = |byte: u8| if byte < 0x20 || matches!(byte, b'"' | b'\\') { 6 } else { 1 };
    let parts = [Some(call.tool), call.resource, call.method, call.tenant];
    let length: usize = parts.into_iter().flatten().flat_map(str::bytes).map(in_json).sum();
    let max_bytes = COORDINATES_MAX_BYTES;
    if length > max_bytes { Err(Refusal::CoordinatesTooLong { max_bytes }) } else { Ok(()) }
}

/// The backend's own path, and the query as it came.
pub(crate) fn target(inbound: &Inbound<'_>) -> Result<PathAndQuery, Refusal> {
    if let Some(session) = inbound.session {
        return Ok(session.target.clone());
    }
    let mut target = inbound.backend.url.path.clone();
    if let BackendKind::Rest { .. } = inbound.backend.kind {
        target.push_str(inbound.rest);
    }
    if target.is_empty() {
        target.push('/');
    }
    if let Some(query) = inbound.head.uri.query() {
        target.push('?');
        target.push_str(query);
    }
    PathAndQuery::try_from(target).map_err(|_| Refusal::NoBackend)
}

/// Calls that a person approved, or that destroy, wait for the disk unless the settings say otherwise.
fn durability(shared: &Shared, snapshot: &Snapshot, call: &Call<'_>, permit: &Permit) -> Durability {
    let destructive =
        || snapshot.tool(call.tool).is_some_and(|tool| tool.annotations().destructive == Some(true));
    shared.settings.audit.durability.unwrap_or_else(|| {
        if permit.approval().is_some() || destructive() { Durability::Strict } else { Durability::Batched }
    })
}
