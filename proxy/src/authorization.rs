//! OAuth of a backend, passed through (`authorization: pass`). The backend is the OAuth resource server; the proxy only
//! sees to it that its callers, who know the resource under the proxy's address, find its metadata there.
//!
//! Nothing is kept but where the backend said that its metadata is. Authorization servers are none of the proxy's
//! business: callers go to them directly.

mod rewrite;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use config::{Authorization, Backend, BackendKind};
use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, COOKIE, ETAG, HOST, HeaderMap, HeaderValue, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Response, StatusCode, Version};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use crate::body::Body;
use crate::exchange::Exchange;
use crate::forward::{Inbound, forward};
use crate::protected::PROTECTED_RESOURCE;
use crate::recognise::Transparent;
use crate::refusal::Refusal;
use crate::relay::{Way, is_plain, relay};
use crate::state::{Room, Shared};
use crate::upstream::{Answer, Outbound, Passage, remove_hop_by_hop};
use rewrite::Address;

/// Documents that OAuth clients ask a resource's origin for: its metadata, and the metadata of an authorization server
/// (RFC 8414, OpenID Connect Discovery) that is one with it, as in MCP 2025-03-26.
const DOCUMENTS: [&str; 3] =
    [PROTECTED_RESOURCE, "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];
/// A document is no larger than this.
const DOCUMENT_MAX_BYTES: usize = 64 * 1024;
/// An announced place is no longer than this.
const ANNOUNCED_MAX_BYTES: usize = 2048;

/// Where each backend last said that its metadata is: paths on its own origin, in the order of the settings.
#[derive(Debug)]
pub(crate) struct Announced(Vec<ArcSwapOption<PathAndQuery>>);

impl Announced {
    pub(crate) fn new(backends: usize) -> Self {
        Self((0..backends).map(|_| ArcSwapOption::empty()).collect())
    }

    fn note(&self, place: usize, path: PathAndQuery) {
        let Some(announced) = self.0.get(place) else { return };
        if announced.load().as_deref() != Some(&path) {
            announced.store(Some(Arc::new(path)));
        }
    }

    fn of(&self, place: usize) -> Option<Arc<PathAndQuery>> {
        self.0.get(place)?.load_full()
    }
}

/// Paths of documents on a listener with these routes, and the backend of each. The origin's own documents are those of
/// the backend at `/`, or, if there is none, of the only one that passes authorization on.
pub(crate) fn documents(backends: &[Backend], routes: &[(String, usize)]) -> Vec<(String, usize)> {
    let passes = |place: usize| {
        backends.get(place).is_some_and(|backend| backend.authorization == Authorization::Pass)
    };
    let mut places: Vec<(&str, usize)> = routes
        .iter()
        .filter(|(_, place)| passes(*place))
        .map(|(path, place)| (path.trim_end_matches('/'), *place))
        .collect();
    if let [(_, only)] = places[..]
        && !routes.iter().any(|(path, _)| path == "/")
    {
        places.push(("", only));
    }
    let of_place =
        |(path, place): (&str, usize)| DOCUMENTS.map(|document| (format!("{document}{path}"), place));
    places.into_iter().flat_map(of_place).collect()
}

/// Whether a request to a backend, `rest` of its path left, is for a document about authorization.
pub(crate) fn is_document(backend: &Backend, head: &Parts, rest: &str) -> bool {
    backend.authorization == Authorization::Pass && rest.is_empty() && asked(head).is_some()
}

/// The document that is asked for, and what follows it in the path.
fn asked(head: &Parts) -> Option<(&'static str, &str)> {
    let path = head.uri.path();
    DOCUMENTS.into_iter().find_map(|document| Some((document, path.strip_prefix(document)?)))
}

/// Fetches a document from the backend, now: what it says may change from one request to the next. The `resource` in it
/// becomes the address that this caller knows it by, if it is the backend's; any other one the caller must see.
pub(crate) async fn document(
    exchange: &mut Exchange,
    proof: Transparent,
    inbound: &Inbound<'_>,
) -> Result<Response<Body>, Refusal> {
    let shared = Arc::clone(&exchange.worker.shared);
    // Metadata is public: where the backend says that it is, nobody's token goes.
    let mut head = inbound.head.clone();
    head.headers.remove(AUTHORIZATION);
    head.headers.remove(COOKIE);
    let inbound = &Inbound { head: &head, ..*inbound };
    let outbound = Outbound {
        target: target(&shared, inbound)?,
        body: Bytes::new(),
        receipts: Vec::new(),
        plain_response: true,
        websocket: false,
    };
    let answer = forward(exchange, Passage::Transparent(proof), outbound, inbound, None).await?;
    let is_resource = asked(inbound.head).is_some_and(|(document, _)| document == PROTECTED_RESOURCE);
    if answer.response.status() != StatusCode::OK || !is_resource {
        let record = exchange.record.take().ok_or(Refusal::AuditFailed)?;
        return Ok(relay(answer, record, Way::default()));
    }
    let mut room = Room::new(Arc::clone(&shared.buffered_responses));
    if !room.take(DOCUMENT_MAX_BYTES) {
        shared.metrics.limits_reached.with_label_values(&["max_buffered_response_bytes"]).inc();
        return Err(Refusal::DocumentUnreadable { why: "no-room" });
    }
    let deadline = std::time::Duration::from_secs(shared.settings.limits.response_timeout_seconds.into());
    let reading = tokio::time::timeout(deadline, rewritten(answer, inbound));
    reading.await.map_err(|_| Refusal::DocumentUnreadable { why: "too-slow" })?
}

/// The place of a document at the backend: where it said it is, or where RFC 9728 puts it.
fn target(shared: &Shared, inbound: &Inbound<'_>) -> Result<PathAndQuery, Refusal> {
    let (document, path) = asked(inbound.head).ok_or(Refusal::NoBackend)?;
    let backend = inbound.backend;
    let is_of_origin = path.is_empty() && backend.path != "/";
    if document == PROTECTED_RESOURCE
        && !is_of_origin
        && let Some(announced) = shared.announced.of(inbound.place)
    {
        return Ok(PathAndQuery::clone(&announced));
    }
    let path = if is_of_origin { "" } else { &backend.url.path };
    PathAndQuery::try_from(format!("{document}{path}")).map_err(|_| Refusal::NoBackend)
}

async fn rewritten(answer: Answer, inbound: &Inbound<'_>) -> Result<Response<Body>, Refusal> {
    let unreadable = |why| Refusal::DocumentUnreadable { why };
    let (mut head, incoming) = answer.response.into_parts();
    if !is_plain(&head.headers) {
        return Err(unreadable("not-plain"));
    }
    let read = Limited::new(incoming, DOCUMENT_MAX_BYTES).collect().await;
    let read = read.map_err(|_| unreadable("broken-off-or-too-large"))?.to_bytes();
    answer.lease.give_back();
    let (theirs, ours) = addresses(inbound);
    let changed = rewrite::resource(&read, &theirs, &ours).map_err(|why| unreadable(why.name()))?;
    remove_hop_by_hop(&mut head.headers);
    head.version = Version::HTTP_11;
    head.headers.remove(CONTENT_LENGTH);
    if changed.is_some() {
        head.headers.remove(ETAG);
    }
    Ok(Response::from_parts(head, Body::Full(changed.map_or(read, Bytes::from))))
}

/// A challenge in a backend's response is for this proxy and goes no further, unless the backend has its authorization
/// passed: then it is for the caller, and the metadata it names is found at this proxy.
pub(crate) fn challenge(shared: &Shared, inbound: &Inbound<'_>, response: &mut Response<Incoming>) {
    if !response.headers().contains_key(WWW_AUTHENTICATE) {
        return;
    }
    if inbound.backend.authorization == Authorization::Strip {
        response.headers_mut().remove(WWW_AUTHENTICATE);
        return;
    }
    if !matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return;
    }
    let (theirs, ours) = addresses(inbound);
    let place = format!("{}{PROTECTED_RESOURCE}{}", ours.origin, ours.path);
    let headers = response.headers_mut();
    let values: Vec<HeaderValue> = headers.get_all(WWW_AUTHENTICATE).iter().cloned().collect();
    headers.remove(WWW_AUTHENTICATE);
    for value in values {
        let changed = value.to_str().ok().and_then(|value| rewrite::challenge(value, &theirs, &place));
        let changed = changed.filter(|challenge| may_be_announced(inbound.backend, &challenge.announced));
        let value = match changed {
            Some(changed) => {
                shared.announced.note(inbound.place, changed.announced);
                HeaderValue::try_from(changed.value).unwrap_or(value)
            }
            None => value,
        };
        headers.append(WWW_AUTHENTICATE, value);
    }
}

/// Whether a place may be fetched because the backend named it. A path of a REST backend is a call, unless it is well known.
fn may_be_announced(backend: &Backend, place: &PathAndQuery) -> bool {
    let path = place.path();
    let is_plain =
        !path.contains(['%', '\\', ';']) && !path.split('/').any(|segment| matches!(segment, "." | ".."));
    let is_document = matches!(backend.kind, BackendKind::Mcp { .. }) || path.starts_with("/.well-known/");
    place.as_str().len() <= ANNOUNCED_MAX_BYTES && place.query().is_none() && is_plain && is_document
}

/// The backend's own address, and the one that this caller knows it by.
fn addresses(inbound: &Inbound<'_>) -> (Address, Address) {
    let backend = inbound.backend;
    let theirs = Address { origin: backend.url.origin(), path: backend.url.path.clone() };
    let path = backend.path.trim_end_matches('/').to_owned();
    (theirs, Address { origin: own_origin(&inbound.head.headers, inbound.is_secure), path })
}

/// The listener's origin as the caller addressed it; `Host` was checked.
fn own_origin(headers: &HeaderMap, is_secure: bool) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let scheme = if is_secure { "https" } else { "http" };
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests;
