//! Who a request believes to speak to, and whose page it comes from: `Host` and `Origin`. A page of another site that gets
//! its name resolved to this address (DNS rebinding) gives itself away by one of them.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use config::Listener;
use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderValue, Version};

use crate::refusal::Refusal;

/// Of a name that is refused, this much is shown.
const SHOWN_MAX_BYTES: usize = 128;

/// The names that a listener answers to, and the pages that may call it.
#[derive(Debug)]
pub(crate) struct Hosts {
    /// In lower case, without and with its port.
    names: HashSet<String>,
    /// In lower case.
    origins: Vec<String>,
}

impl Hosts {
    pub(crate) fn new(settings: &Listener, address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned(), ip];
        let names = names.into_iter().chain(settings.hosts.iter().cloned());
        let names = names.flat_map(|name| [format!("{name}:{}", address.port()), name]).collect();
        Self { names, origins: settings.origins.clone() }
    }

    /// Whether this listener is who the caller believes to speak to, and the caller's page, if it is one, may.
    pub(crate) fn check(&self, head: &Parts, is_secure: bool) -> Result<(), Refusal> {
        let host = host(head, is_secure)?;
        if !self.names.contains(&host) {
            return Err(Refusal::BadHost { host: shown(host.as_bytes()) });
        }
        let scheme = if is_secure { "https://" } else { "http://" };
        let is_own = |origin: &str| origin.strip_prefix(scheme).is_some_and(|authority| authority == host);
        for origin in head.headers.get_all(ORIGIN) {
            let is_allowed = origin.to_str().is_ok_and(|text| {
                let text = text.to_ascii_lowercase();
                is_own(&text) || self.origins.contains(&text)
            });
            if !is_allowed {
                return Err(Refusal::BadOrigin { origin: shown(origin.as_bytes()) });
            }
        }
        Ok(())
    }

    /// The foreign origin of a request, if it has one that may call.
    pub(crate) fn foreign_origin(&self, headers: &http::HeaderMap) -> Option<HeaderValue> {
        let mut origins = headers.get_all(ORIGIN).iter();
        let (Some(origin), None) = (origins.next(), origins.next()) else { return None };
        let text = origin.to_str().ok()?.to_ascii_lowercase();
        self.origins.contains(&text).then(|| origin.clone())
    }
}

/// The one host that a request names, in lower case.
fn host(head: &Parts, is_secure: bool) -> Result<String, Refusal> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let named = head.uri.authority().map(http::uri::Authority::as_str);
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().map_err(|_| Refusal::BadHost { host: shown(host.as_bytes()) })?,
        // `:authority` stands for it (RFC 9113, section 8.3.1).
        (None, _) if head.version == Version::HTTP_2 => named.ok_or(Refusal::UnclearHost)?,
        _ => return Err(Refusal::UnclearHost),
    };
    // A target in absolute form says it once more (RFC 9112, section 3.2.2). Over HTTP/2 every target has a scheme: where
    // something before this listener ends TLS, it is that of the first hop.
    let own = if is_secure { Scheme::HTTPS } else { Scheme::HTTP };
    let is_own =
        |scheme: &Scheme| *scheme == own || (head.version == Version::HTTP_2 && *scheme == Scheme::HTTPS);
    let fits = head.uri.scheme().is_none_or(is_own);
    if fits && named.is_none_or(|named| named.eq_ignore_ascii_case(host)) {
        Ok(host.to_ascii_lowercase())
    } else {
        Err(Refusal::BadHost { host: shown(head.uri.to_string().as_bytes()) })
    }
}

/// The start of what a client sent, safe to show.
fn shown(bytes: &[u8]) -> String {
    let start = bytes.get(..SHOWN_MAX_BYTES).unwrap_or(bytes);
    let rest = if start.len() < bytes.len() { "…" } else { "" };
    format!("{}{rest}", start.escape_ascii()).replace('`', "'")
}

#[cfg(test)]
mod tests;
