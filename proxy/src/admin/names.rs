//! Who the admin address answers. A page in a browser on this machine can reach a loopback address, also under a name of its
//! own that it made resolve to it (DNS rebinding), and would read what is answered.

use std::net::{IpAddr, SocketAddr};

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{HOST, HeaderMap, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Which names the admin address answers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// Loopback names, with any port or none, so that a forwarded port works.
    Loopback,
    /// All: probes and scrapers use many names for an address that others can reach.
    Any,
}

impl Names {
    /// The names for what is bound to `address`.
    pub(super) fn of(address: SocketAddr) -> Self {
        if address.ip().to_canonical().is_loopback() { Self::Loopback } else { Self::Any }
    }

    /// Why a request is not answered, if it is not.
    fn refusal(self, headers: &HeaderMap) -> Option<&'static str> {
        if headers.contains_key(ORIGIN) {
            return Some("the admin address answers no pages: the request has an `Origin`");
        }
        let mut hosts = headers.get_all(HOST).iter();
        let is_named = match (hosts.next(), hosts.next()) {
            (Some(host), None) => is_loopback(host),
            _ => false,
        };
        (self == Self::Loopback && !is_named).then_some(
            "the admin address is bound to loopback and answers to `localhost`, `127.0.0.1` and `[::1]` only: `Host` must be \
             one of them",
        )
    }
}

fn is_loopback(host: &HeaderValue) -> bool {
    let Ok(authority) = Authority::try_from(host.as_bytes()) else { return false };
    let name = authority.host();
    let port = authority.as_str().strip_prefix(name);
    let has_good_port = port.is_some_and(|port| port.is_empty() || authority.port_u16().is_some());
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    has_good_port
        && (name.eq_ignore_ascii_case("localhost")
            || address.is_ok_and(|address| address.to_canonical().is_loopback()))
}

/// Lets through only what may be answered.
pub(super) async fn check(State(names): State<Names>, request: Request, next: Next) -> Response {
    match names.refusal(request.headers()) {
        Some(detail) => (StatusCode::FORBIDDEN, Json(json!({"detail": detail}))).into_response(),
        None => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_answered_to_on_loopback() {
        let any = Names::of("10.1.2.3:9090".parse().unwrap());
        let loopback = Names::of("127.0.0.1:9090".parse().unwrap());
        assert_eq!(Names::of("[::1]:9090".parse().unwrap()), loopback);
        assert_eq!(Names::of("0.0.0.0:9090".parse().unwrap()), any);
        let headers = |host: &str| HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
        for (host, expected) in [
            ("localhost", true),
            ("LOCALHOST:9090", true),
            ("127.0.0.1", true),
            ("127.0.0.1:1", true),
            ("[::1]", true),
            ("[::1]:9090", true),
            ("", false),
            ("evil.example", false),
            ("evil.example:9090", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("evil@localhost", false),
            ("localhost:x", false),
            ("localhost:99999", false),
            ("localhost/evil", false),
            ("10.1.2.3", false),
        ] {
            assert_eq!(loopback.refusal(&headers(host)).is_none(), expected, "{host}");
            assert_eq!(any.refusal(&headers(host)), None, "{host}");
        }
        assert!(loopback.refusal(&HeaderMap::new()).is_some());
        let mut twice = headers("localhost");
        twice.append(HOST, HeaderValue::from_static("localhost"));
        assert!(loopback.refusal(&twice).is_some());
        let mut of_page = headers("localhost");
        of_page.insert(ORIGIN, HeaderValue::from_static("http://localhost"));
        assert!(loopback.refusal(&of_page).is_some() && any.refusal(&of_page).is_some());
    }
}
