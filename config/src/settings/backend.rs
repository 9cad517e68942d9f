//! Backends: where calls go, and how a request becomes a call.

use std::collections::HashSet;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use http::HeaderName;
use http::uri::{Authority, Scheme, Uri};
use protocol::pointer::Pointer;
use protocol::rest::Routes;

use super::endpoints::{Ejection, EndpointName, Health, endpoints, health};
use super::hop::{Hop, hop};
use super::routes::{Route, routes};
use super::{Listener, name};
pub use crate::source::AuthorizationSource as Authorization;
use crate::source::{BackendSource, GovernSource, KindSource, MappingSource};
use crate::{Limits, Mistake, header};

/// One tool backend.
#[derive(Debug)]
pub struct Backend {
    /// Its name.
    pub name: String,
    /// Its path on the listeners: `/`, or `/a/b` without a slash at the end.
    pub path: String,
    /// The listeners that it is reached on; `None` is all.
    pub listeners: Option<Vec<String>>,
    /// Its own address.
    pub url: BackendUrl,
    /// How it is reached there.
    pub hop: Hop,
    /// Where its calls go; at least one.
    pub endpoints: Vec<EndpointName>,
    /// How its endpoints are asked whether they are well; `None` is not at all.
    pub health: Option<Health>,
    /// When an endpoint whose calls fail is left out.
    pub ejection: Ejection,
    /// How long it may take until its response begins; `None` is as long as any: see [`Self::response_timeout`].
    pub response_timeout_seconds: Option<u32>,
    /// What becomes of a caller's `Authorization`.
    pub authorization: Authorization,
    /// Where a call's resource comes from.
    pub resource: Option<Mapping>,
    /// Where a call's method comes from.
    pub method: Option<Mapping>,
    /// What it speaks.
    pub kind: BackendKind,
}

/// What a backend speaks, with what only that kind has.
#[derive(Debug)]
pub enum BackendKind {
    /// MCP over streamable HTTP.
    Mcp {
        /// Methods beyond the published ones that pass.
        extra_methods: HashSet<String>,
        /// Further methods that the cascade decides.
        govern: HashSet<&'static str>,
    },
    /// Plain HTTP.
    Rest {
        /// Which requests are which tools.
        routes: Routes,
        /// The same, as they are written.
        written: Vec<Route>,
    },
}

/// `http://authority/path` or `https://authority/path`, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendUrl {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Host and port, as the `Host` header has it.
    pub authority: Authority,
    /// Host name or address to connect to, without brackets.
    pub host: String,
    /// Port to connect to.
    pub port: u16,
    /// The path, without a slash at the end (empty for the root).
    pub path: String,
}

/// Where a dimension of a call comes from.
#[derive(Clone, Debug)]
pub enum Mapping {
    /// Always this.
    Fixed(String),
    /// An argument of the tool.
    Argument(Pointer),
    /// A request header.
    Header(HeaderName),
}

impl BackendUrl {
    /// `https://authority`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    /// Whether it is on this machine and nowhere else.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self.host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
    }
}

impl Backend {
    /// How long it may take until its response begins.
    #[must_use]
    pub fn response_timeout(&self, limits: &Limits) -> Duration {
        let seconds = self.response_timeout_seconds.unwrap_or(limits.response_timeout_seconds);
        Duration::from_secs(seconds.into())
    }
}

pub(super) fn backends(
    sources: Vec<BackendSource>,
    listeners: &[Listener],
    folder: &Path,
    mistakes: &mut Vec<Mistake>,
) -> Vec<Backend> {
    let mut backends: Vec<Backend> = Vec::with_capacity(sources.len());
    for (position, source) in sources.into_iter().enumerate() {
        let at = |field: &str| format!("proxy.backends[{position}].{field}");
        name(&source.name, &at("name"), mistakes);
        for earlier in &backends {
            if earlier.name == source.name {
                mistakes.push(Mistake::at(
                    at("name"),
                    format!("`{}` is an earlier backend's name too", source.name),
                ));
            }
            if earlier.path == source.path
                && share_a_listener(earlier.listeners.as_ref(), source.listeners.as_ref())
            {
                let what = format!("backend `{}` has the same path on the same listener", earlier.name);
                mistakes.push(Mistake::at(at("path"), what));
            }
        }
        for (number, named) in source.listeners.iter().flatten().enumerate() {
            if !listeners.iter().any(|listener| listener.name == *named) {
                let what = format!("there is no listener `{named}`");
                mistakes.push(Mistake::at(at(&format!("listeners[{number}]")), what));
            }
        }
        if source.authorization == Authorization::Pass {
            check_pass(&source, listeners, &at("authorization"), mistakes);
        }
        backends.extend(backend(source, folder, &at, mistakes));
    }
    backends
}

/// Where callers prove who they are to the proxy, `Authorization` is the proxy's own, and must not reach a backend.
fn check_pass(source: &BackendSource, listeners: &[Listener], path: &str, mistakes: &mut Vec<Mistake>) {
    let is_reached_on =
        |listener: &&Listener| source.listeners.as_ref().is_none_or(|names| names.contains(&listener.name));
    for listener in listeners.iter().filter(is_reached_on).filter(|listener| !listener.auth.is_none()) {
        let what = format!(
            "`pass` needs `auth: none` on every listener of the backend: `{}` takes credentials of its own, and they would \
             reach the backend",
            listener.name
        );
        mistakes.push(Mistake::at(path, what));
    }
}

fn share_a_listener(a: Option<&Vec<String>>, b: Option<&Vec<String>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.iter().any(|name| b.contains(name)),
        _ => true,
    }
}

fn backend(
    source: BackendSource,
    folder: &Path,
    at: &impl Fn(&str) -> String,
    mistakes: &mut Vec<Mistake>,
) -> Option<Backend> {
    if !is_prefix(&source.path) {
        let what = format!("must be `/` or a plain path such as `/mcp/files`, not `{}`", source.path);
        mistakes.push(Mistake::at(at("path"), what));
    }
    let url = url(&source.url, &at("url"), mistakes);
    let hop = hop(&source, url.as_ref(), folder, at, mistakes);
    let resource = mapping(source.resource, &at("resource"), mistakes);
    let method = mapping(source.method, &at("method"), mistakes);
    let endpoints = endpoints(source.endpoints, url.as_ref(), at, mistakes);
    let health = health(source.health, &at("health"), mistakes);
    let kind = match source.kind {
        KindSource::Mcp => {
            if !source.routes.is_empty() {
                mistakes.push(Mistake::at(at("routes"), "only a backend of kind `rest` has routes"));
            }
            if source.openapi_file.is_some() {
                let what = "only a backend of kind `rest` has an OpenAPI file";
                mistakes.push(Mistake::at(at("openapi_file"), what));
            }
            BackendKind::Mcp {
                extra_methods: source.extra_methods.into_iter().collect(),
                govern: source.govern.into_iter().map(governed).collect(),
            }
        }
        KindSource::Rest => {
            if !source.extra_methods.is_empty() || !source.govern.is_empty() {
                let what = "only a backend of kind `mcp` has `extra_methods` and `govern`";
                mistakes.push(Mistake::at(at("kind"), what));
            }
            let openapi_file = source.openapi_file.map(|file| folder.join(file));
            let (routes, written) = routes(&source.routes, openapi_file.as_deref(), at, mistakes)?;
            BackendKind::Rest { routes, written }
        }
    };
    Some(Backend {
        name: source.name,
        path: source.path,
        listeners: source.listeners,
        url: url?,
        hop: hop?,
        endpoints,
        health: health?,
        ejection: source.ejection,
        response_timeout_seconds: source.response_timeout_seconds,
        authorization: source.authorization,
        resource: resource?,
        method: method?,
        kind,
    })
}

/// The outer `None` is a mistake, the inner one an absent mapping.
fn mapping(
    source: Option<MappingSource>,
    path: &str,
    mistakes: &mut Vec<Mistake>,
) -> Option<Option<Mapping>> {
    let Some(source) = source else { return Some(None) };
    let parsed = match source {
        MappingSource::Fixed(text) => Ok(Mapping::Fixed(text)),
        MappingSource::Argument(source) => Pointer::parse(&source.argument)
            .map(Mapping::Argument)
            .map_err(|_| format!("must be a JSON pointer such as `/path`, not `{}`", source.argument)),
        MappingSource::Header(source) => match HeaderName::from_bytes(source.header.as_bytes()) {
            Ok(name) if header::passes(&name) => Ok(Mapping::Header(name)),
            Ok(name) => Err(format!(
                "policy would decide on a header `{name}` that the backend never sees: the proxy does not pass it on"
            )),
            Err(_) => Err(format!("must be a header's name, not `{}`", source.header)),
        },
    };
    match parsed {
        Ok(mapping) => Some(Some(mapping)),
        Err(what) => {
            mistakes.push(Mistake::at(path, what));
            None
        }
    }
}

fn url(text: &str, path: &str, mistakes: &mut Vec<Mistake>) -> Option<BackendUrl> {
    let parsed = text.parse::<Uri>().ok().and_then(|uri| {
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?.clone();
        let scheme = uri.scheme()?.clone();
        let is_http = scheme == Scheme::HTTP || scheme == Scheme::HTTPS;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if scheme == Scheme::HTTPS { 443 } else { 80 });
        let path = uri.path().trim_end_matches('/').to_owned();
        (is_http && uri.query().is_none()).then_some(BackendUrl { scheme, authority, host, port, path })
    });
    if parsed.is_none() {
        let what = format!("must be `http://host:port/path` or `https://host:port/path`, not `{text}`");
        mistakes.push(Mistake::at(path, what));
    }
    parsed
}

fn is_prefix(path: &str) -> bool {
    path == "/"
        || (path.starts_with('/')
            && path.split('/').skip(1).all(|segment| {
                !segment.is_empty()
                    && segment != "."
                    && segment != ".."
                    && segment
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~'))
            }))
}

const fn governed(source: GovernSource) -> &'static str {
    match source {
        GovernSource::ResourcesRead => "resources/read",
        GovernSource::ResourcesSubscribe => "resources/subscribe",
        GovernSource::PromptsGet => "prompts/get",
    }
}
