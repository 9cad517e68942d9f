//! WebSockets (RFC 6455) to REST backends. The opening handshake is a call like any other, and is what is decided; what
//! flows after it is not looked into.
//!
//! A request either is a whole handshake of version 13, or is refused: one that only some backend takes for a handshake
//! would turn its connection into something that nobody decided.

mod tunnel;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Version};
use hyper::upgrade::OnUpgrade;
use policy::Call;
use sha1::{Digest, Sha1};

use crate::audit::{Outcome, Record};
use crate::body::Body;
use crate::connection::ConnectionPlace;
use crate::exchange::Exchange;
use crate::forward::Inbound;
use crate::header::is_read_as;
use crate::refusal::Refusal;
use crate::state::{Counted, Shared};
use crate::upstream::{Answer, named_by_connection, remove_hop_by_hop};
use tunnel::Tunnel;

/// What the server appends to the client's key before hashing it (RFC 6455, section 1.3).
const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The client's key is this many random bytes, in base64.
const KEY_BYTES: usize = 16;

/// The opening handshake of a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Handshake {
    /// `Sec-WebSocket-Accept` of the right answer.
    accept: String,
}

/// A WebSocket on its way from handshake to answer. It has its place among those that may be open.
#[derive(Debug)]
pub(crate) struct Opening<'a> {
    handshake: &'a Handshake,
    place: Counted,
}

/// The call that a WebSocket was opened by, to be decided again while it is open.
#[derive(Debug)]
pub(crate) struct Standing {
    tool: String,
    tenant: Option<String>,
    resource: Option<String>,
    method: Option<String>,
    arguments: String,
    /// A person approved it: that policy asks for approval is no reason to end it.
    is_approved: bool,
}

impl Handshake {
    /// The handshake in a request, if it asks for a WebSocket. A request for another protocol asks for none; its
    /// `Upgrade` goes no further.
    ///
    /// # Errors
    /// Something that could be taken for a handshake and is not one.
    pub(crate) fn read(head: &Parts, body: &[u8]) -> Result<Option<Self>, Refusal> {
        let headers = &head.headers;
        if !asks_websocket(headers) {
            return Ok(None);
        }
        let half = |why| Err(Refusal::WebsocketHandshake { why });
        if !only(headers, &UPGRADE).is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket")) {
            return half("`Upgrade` must be `websocket` and nothing else");
        }
        let named = named_by_connection(headers);
        if !named.contains(&UPGRADE) || named.iter().any(|name| name.as_str().starts_with("sec-websocket-")) {
            return half("`Connection` must name `Upgrade`, and no header of the handshake");
        }
        if head.method != Method::GET || head.version != Version::HTTP_11 {
            return half("it must be a GET of HTTP/1.1");
        }
        if !body.is_empty() {
            return half("it must have no body");
        }
        match only(headers, &SEC_WEBSOCKET_VERSION) {
            Some("13") => {}
            Some(_) => return Err(Refusal::WebsocketVersion),
            None => return half("`Sec-WebSocket-Version` must be there once"),
        }
        let key = only(headers, &SEC_WEBSOCKET_KEY);
        let is_key = |key: &str| STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == KEY_BYTES);
        match key.filter(|key| is_key(key)) {
            Some(key) => Ok(Some(Self { accept: accept_of(key) })),
            None => half("`Sec-WebSocket-Key` must be there once, with 16 bytes in base64"),
        }
    }

    /// Whether these are the headers of the answer that opens the WebSocket (RFC 6455, section 4.1).
    fn is_answered_by(&self, headers: &HeaderMap) -> bool {
        only(headers, &UPGRADE).is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"))
            && named_by_connection(headers).contains(&UPGRADE)
            && only(headers, &SEC_WEBSOCKET_ACCEPT) == Some(&self.accept)
    }
}

impl<'a> Opening<'a> {
    /// Takes a place among the WebSockets that may be open.
    pub(crate) fn new(
        shared: &Shared,
        backend: &config::Backend,
        handshake: &'a Handshake,
    ) -> Result<Self, Refusal> {
        if backend.hop.http == config::Http::Two {
            return Err(Refusal::WebsocketHandshake { why: "its backend is spoken to in HTTP/2 only" });
        }
        let place = shared.websockets.enter(shared.settings.limits.max_websockets).ok_or_else(|| {
            shared.metrics.limits_reached.with_label_values(&["max_websockets"]).inc();
            Refusal::TooManyWebsockets
        })?;
        Ok(Self { handshake, place })
    }

    /// Answers the caller as the backend did (101), and passes bytes from then on. The backend's connection never goes
    /// back to its pool.
    ///
    /// # Errors
    /// The backend answered with something else than the end of this handshake.
    pub(crate) fn open(
        self,
        exchange: &Exchange,
        inbound: &Inbound<'_>,
        answer: Answer,
        mut record: Record,
        standing: Standing,
    ) -> Result<Response<Body>, Refusal> {
        let shared = &exchange.worker.shared;
        let (mut head, _no_body) = answer.response.into_parts();
        let broken = || {
            let name = inbound.backend.name.as_str();
            shared.metrics.backends.errors.with_label_values(&[name, "handshake"]).inc();
            Refusal::BackendBroken { backend: name.to_owned() }
        };
        let backend = head.extensions.remove::<OnUpgrade>().ok_or_else(broken)?;
        if !self.handshake.is_answered_by(&head.headers) {
            return Err(broken());
        }
        let caller = inbound.head.extensions.get::<OnUpgrade>().cloned();
        let identity = exchange.identity.as_ref().map(std::sync::Arc::clone);
        let (Some(caller), Some(identity)) = (caller, identity) else {
            return Err(Refusal::WebsocketHandshake { why: "its connection can't become one" });
        };
        record.outcome(Outcome::Unknown, Some(head.status.as_u16()));
        let tunnel = Tunnel {
            worker: std::rc::Rc::clone(&exchange.worker),
            backend_place: inbound.place,
            identity,
            peer: std::sync::Arc::clone(&exchange.peer),
            standing,
            record,
            _place: self.place,
            _lease: answer.lease,
            _connection: inbound.head.extensions.get::<std::sync::Arc<ConnectionPlace>>().cloned(),
        };
        tokio::task::spawn_local(tunnel.carry(caller, backend));
        remove_hop_by_hop(&mut head.headers);
        head.headers.remove(CONTENT_LENGTH);
        head.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        head.headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        Ok(Response::from_parts(head, Body::from(Vec::new())))
    }
}

impl Standing {
    pub(crate) fn new(call: &Call<'_>, is_approved: bool) -> Self {
        Self {
            tool: call.tool.to_owned(),
            tenant: call.tenant.map(str::to_owned),
            resource: call.resource.map(str::to_owned),
            method: call.method.map(str::to_owned),
            arguments: call.arguments.to_owned(),
            is_approved,
        }
    }
}

/// Whether any protocol that `Upgrade` names is a WebSocket, of whatever version.
fn asks_websocket(headers: &HeaderMap) -> bool {
    let values = headers.get_all(UPGRADE).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    values.into_iter().any(|value| value.to_ascii_lowercase().contains("websocket"))
}

/// The value of a header that is there once, also for a backend that takes `_` for `-`.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.iter().filter(|(other, _)| is_read_as(other, name.as_str()));
    match (values.next(), values.next()) {
        (Some((other, value)), None) if other == name => value.to_str().ok().map(str::trim),
        _ => None,
    }
}

fn accept_of(key: &str) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(KEY_SUFFIX).finalize())
}

#[cfg(test)]
mod tests;
