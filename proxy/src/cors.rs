//! Pages of other origins (CORS, the Fetch standard): the proxy answers their preflights, and marks every answer as one
//! that they may read, for the origins of its listener and no other.
//!
//! What backends say about it is taken out: they know neither the proxy's callers nor its origins. A preflight carries no
//! credential; it is answered here and reaches no backend.

use config::Listener;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use crate::body::Body;
use crate::refusal::Refusal;

/// Methods that pages may use; policy decides on each request.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// Response headers that pages may read.
const EXPOSED: &str =
    "Mcp-Session-Id, Mcp-Protocol-Version, WWW-Authenticate, Retry-After, Oakgate-Call, Location, Link";
/// What a preflight's answer depends on, beside the origin.
const VARIES: HeaderValue = HeaderValue::from_static(
    "Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network",
);
const REQUEST_PRIVATE_NETWORK: &str = "access-control-request-private-network";
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");
/// A preflight asks for no more than this.
const ASKED_MAX_BYTES: usize = 2048;
const ASKED_MAX: usize = 64;

/// What a listener says to pages of its origins.
#[derive(Debug)]
pub(crate) struct Cors {
    exposed: HeaderValue,
    max_age: HeaderValue,
    allows_credentials: bool,
    allows_private_network: bool,
}

impl Cors {
    /// Nothing for a listener that no page may call.
    pub(crate) fn new(settings: &Listener) -> Option<Self> {
        if settings.origins.is_empty() {
            return None;
        }
        let cors = &settings.cors;
        let usual = HeaderValue::from_static(EXPOSED);
        let all = std::iter::once(EXPOSED).chain(cors.expose_headers.iter().map(String::as_str));
        let all: Vec<&str> = all.collect();
        Some(Self {
            exposed: HeaderValue::try_from(all.join(", ")).unwrap_or(usual),
            max_age: HeaderValue::from(cors.max_age_seconds),
            allows_credentials: cors.allow_credentials,
            allows_private_network: cors.allow_private_network,
        })
    }

    /// The answer to a preflight of a page that may call; `None` if it is none.
    pub(crate) fn preflight(&self, head: &Parts) -> Result<Option<Response<Body>>, Refusal> {
        if head.method != Method::OPTIONS || !head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return Ok(None);
        }
        let mut response = Response::new(Body::from(Vec::new()));
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        headers.insert(VARY, VARIES);
        if let Some(asked) = asked(&head.headers)? {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked);
        }
        if self.allows_private_network && head.headers.contains_key(REQUEST_PRIVATE_NETWORK) {
            headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
        }
        Ok(Some(response))
    }

    /// Marks an answer as one that pages of an origin may read. Without one of the listener's origins, nobody's may.
    pub(crate) fn mark(&self, origin: Option<HeaderValue>, headers: &mut HeaderMap) {
        headers.append(VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = origin else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, self.exposed.clone());
        if self.allows_credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

/// Takes out what a backend says of pages that may read its answers.
pub(crate) fn remove_theirs(headers: &mut HeaderMap) {
    let is_theirs = |name: &&HeaderName| name.as_str().starts_with("access-control-");
    let theirs: Vec<HeaderName> = headers.keys().filter(is_theirs).cloned().collect();
    for name in theirs {
        headers.remove(name);
    }
}

/// The headers that a page asks to send, to be allowed as they are: which of them a call may have is decided with the
/// call. `Mcp-Param-*` are as many as there are tools, so no list would do.
fn asked(headers: &HeaderMap) -> Result<Option<HeaderValue>, Refusal> {
    let mut lines = headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let asked = match (lines.next(), lines.next()) {
        (asked, None) => asked,
        (_, Some(_)) => return Err(Refusal::BadPreflight),
    };
    let Some(asked) = asked.filter(|asked| !asked.is_empty()) else { return Ok(None) };
    let names = asked.as_bytes().split(|byte| *byte == b',');
    let are_names = asked.len() <= ASKED_MAX_BYTES
        && names.clone().count() <= ASKED_MAX
        && names.map(<[u8]>::trim_ascii).all(|name| HeaderName::from_bytes(name).is_ok() && name != b"*");
    if are_names { Ok(Some(asked.clone())) } else { Err(Refusal::BadPreflight) }
}

#[cfg(test)]
mod tests;
