//! Which names the API answers to. A page of another site can make a browser call this server under a name of its
//! own that it points here (DNS rebinding); such a request names a host that is none of ours. A request that names two
//! hosts is refused too: something before this server may have gone by the other one.

use std::net::IpAddr;

use axum::extract::{Extension, Request, State};
use axum::http::header::HOST;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::serve::Peer;
use super::{Api, Problem};

/// Names, in lower case, without ports.
#[derive(Debug)]
pub(super) struct Hosts(Vec<String>);

impl Hosts {
    pub(super) fn new(further: &[String]) -> Self {
        Self(further.iter().map(|host| host.to_ascii_lowercase()).chain(["localhost".to_owned()]).collect())
    }

    /// Whether a `Host` field names this server: by a known name, a loopback address, or the address that the
    /// client connected to. Its port does not matter, so that a forwarded port works.
    fn allow(&self, field: &str, own: IpAddr) -> bool {
        let Some(host) = without_port(field) else { return false };
        match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            Ok(address) => {
                address.to_canonical().is_loopback() || address.to_canonical() == own.to_canonical()
            }
            Err(_) => self.0.contains(&host.to_ascii_lowercase()),
        }
    }
}

fn without_port(field: &str) -> Option<&str> {
    let Some((host, port)) = field.rsplit_once(':') else { return Some(field) };
    if host.contains(':') && !host.ends_with(']') {
        // A bare IPv6 address has colons and no port, and is no valid `Host` field: it needs brackets.
        return field.ends_with(']').then_some(field);
    }
    port.parse::<u16>().ok().map(|_| host)
}

/// Lets through only what names this server.
pub(super) async fn check(
    State(api): State<Api>,
    Extension(peer): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let mut fields = request.headers().get_all(HOST).iter();
    let host = match (fields.next(), fields.next()) {
        (Some(field), None) => field.to_str().ok(),
        _ => None,
    };
    let Some(host) = host.filter(|host| api.hosts.allow(host, peer.local.ip())) else {
        return Problem::HostNotAllowed.into_response();
    };
    // A target in absolute form says it once more (RFC 9112, section 3.2.2).
    if request.uri().authority().is_some_and(|named| !named.as_str().eq_ignore_ascii_case(host)) {
        return Problem::HostUnclear.into_response();
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_names_are_answered_to() {
        let hosts = Hosts::new(&["Gate.Example.org".to_owned()]);
        let own = "10.1.2.3".parse().unwrap();
        for good in [
            "localhost",
            "LOCALHOST:8081",
            "127.0.0.1",
            "127.9.9.9:1",
            "[::1]",
            "[::1]:8081",
            "[::ffff:127.0.0.1]:80",
            "10.1.2.3:8081",
            "gate.example.org:443",
        ] {
            assert!(hosts.allow(good, own), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "localhost.evil.example",
            "10.1.2.4",
            "127.0.0.1.evil.example",
            "::1",
            "localhost:x",
            "localhost:99999",
            "localhost:1:2",
            "[::1",
            "evil@localhost",
            "localhost,evil",
        ] {
            assert!(!hosts.allow(bad, own), "{bad}");
        }
    }
}
