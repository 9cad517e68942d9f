//! A backend's endpoints: the addresses and names that its calls go to.

use std::time::Duration;

use http::uri::{Authority, PathAndQuery};

use super::BackendUrl;
use crate::Mistake;
pub use crate::source::endpoints::EjectionSource as Ejection;
use crate::source::endpoints::{EndpointSource, HealthSource};

/// One `host:port` of a backend. Every address that the host stands for is an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointName {
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Share of the calls, from 1 to 16.
    pub weight: u8,
}

/// How endpoints are asked whether they are well.
#[derive(Clone, Debug)]
pub struct Health {
    /// A path to `GET`; without one, a connection that opens is enough.
    pub path: Option<PathAndQuery>,
    /// How often.
    pub interval: Duration,
    /// How long one check may take.
    pub timeout: Duration,
    /// Good checks in a row that make an endpoint healthy.
    pub healthy_after: u32,
    /// Failed checks in a row that make it unhealthy.
    pub unhealthy_after: u32,
}

/// The endpoints that are named, or the URL's own host; never none.
pub(super) fn endpoints(
    sources: Vec<EndpointSource>,
    url: Option<&BackendUrl>,
    at: &impl Fn(&str) -> String,
    mistakes: &mut Vec<Mistake>,
) -> Vec<EndpointName> {
    if sources.is_empty() {
        return url
            .map(|url| EndpointName { host: url.host.clone(), port: url.port, weight: 1 })
            .into_iter()
            .collect();
    }
    let mut names: Vec<EndpointName> = Vec::with_capacity(sources.len());
    for (position, source) in sources.into_iter().enumerate() {
        let (address, weight) = match source {
            EndpointSource::Address(address) => (address, 1),
            EndpointSource::Weighted(source) => (source.address, source.weight),
        };
        let path = at(&format!("endpoints[{position}]"));
        match host_and_port(&address) {
            Some((host, port)) if names.iter().any(|name| name.host == host && name.port == port) => {
                mistakes.push(Mistake::at(path, format!("`{address}` is there twice")));
            }
            Some((host, port)) => names.push(EndpointName { host, port, weight }),
            None => {
                let what = format!(
                    "must be a host and a port such as `10.0.0.1:3901`, without a path, not `{address}`"
                );
                mistakes.push(Mistake::at(path, what));
            }
        }
    }
    names
}

/// The outer `None` is a mistake, the inner one no checks.
pub(super) fn health(
    source: Option<HealthSource>,
    path: &str,
    mistakes: &mut Vec<Mistake>,
) -> Option<Option<Health>> {
    let Some(source) = source else { return Some(None) };
    let target = match source.path.as_deref().map(health_path) {
        None => None,
        Some(Some(target)) => Some(target),
        Some(None) => {
            let written = source.path.unwrap_or_default();
            let what = format!("must be a path such as `/healthz`, not `{written}`");
            mistakes.push(Mistake::at(format!("{path}.path"), what));
            return None;
        }
    };
    Some(Some(Health {
        path: target,
        interval: Duration::from_secs(source.interval_seconds.into()),
        timeout: Duration::from_secs(source.timeout_seconds.into()),
        healthy_after: source.healthy_after,
        unhealthy_after: source.unhealthy_after,
    }))
}

fn host_and_port(text: &str) -> Option<(String, u16)> {
    let authority: Authority = text.parse().ok().filter(|_| !text.contains('@'))?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let port = authority.port_u16().filter(|port| *port > 0)?;
    (!host.is_empty()).then_some((host, port))
}

fn health_path(text: &str) -> Option<PathAndQuery> {
    text.starts_with('/').then(|| PathAndQuery::try_from(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_an_endpoint() {
        let table = [
            ("10.0.0.1:3901", Some(("10.0.0.1", 3901))),
            ("Tools.Internal:80", Some(("tools.internal", 80))),
            ("[::1]:3901", Some(("::1", 3901))),
            ("tools.internal", None),
            ("tools.internal:0", None),
            ("tools.internal:99999", None),
            (":3901", None),
            ("http://tools:3901", None),
            ("tools:3901/mcp", None),
            ("user@tools:3901", None),
            ("", None),
        ];
        for (text, expected) in table {
            let found = host_and_port(text);
            assert_eq!(found.as_ref().map(|(host, port)| (host.as_str(), *port)), expected, "{text}");
        }
    }
}
