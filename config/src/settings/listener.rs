//! Listeners: where callers connect.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::auth::auth;
use super::tls::{mtls, tls};
use super::{Auth, Tls, address, name};
use crate::Mistake;
pub use crate::source::ListSource as ListMode;
use crate::source::ListenerSource;

/// One address that callers connect to.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// How callers prove who they are.
    pub auth: Auth,
    /// What becomes of `tools/list`.
    pub list: ListMode,
    /// How long a call is held for a person.
    pub hold_limit_seconds: u64,
    /// Further host names that it answers to, in lower case.
    pub hosts: Vec<String>,
    /// Origins of web pages that may call it, in lower case.
    pub origins: Vec<String>,
    /// TLS; `None` is plain HTTP.
    pub tls: Option<Tls>,
    /// Whether HTTP/2 is spoken here beside HTTP/1.1.
    pub http2: bool,
}

pub(super) fn listeners(
    sources: Vec<ListenerSource>,
    folder: &Path,
    mistakes: &mut Vec<Mistake>,
) -> Vec<Listener> {
    let mut listeners: Vec<Listener> = Vec::with_capacity(sources.len());
    for (position, source) in sources.into_iter().enumerate() {
        let at = |field: &str| format!("proxy.listeners[{position}].{field}");
        name(&source.name, &at("name"), mistakes);
        if listeners.iter().any(|earlier| earlier.name == source.name) {
            mistakes.push(Mistake::at(
                at("name"),
                format!("`{}` is an earlier listener's name too", source.name),
            ));
        }
        for (number, origin) in source.origins.iter().enumerate() {
            if !is_origin(origin) {
                let what = format!("must be an origin such as https://example.com, not `{origin}`");
                mistakes.push(Mistake::at(at(&format!("origins[{number}]")), what));
            }
        }
        let Some(address) = address(&source.address, &at("address"), mistakes) else { continue };
        let mtls = mtls(&source, &at, mistakes);
        let auth = Auth { mtls, ..auth(&source.auth, &at("auth"), mistakes) };
        if auth.is_none() && !is_loopback(address.ip()) && !source.force_no_auth {
            let what =
                "`none` on an address that others can reach: use `api-key`, or set `force_no_auth: true`";
            mistakes.push(Mistake::at(at("auth"), what));
        }
        listeners.push(Listener {
            tls: source.tls.as_ref().map(|source| tls(source, folder)),
            name: source.name,
            address,
            auth,
            list: source.list,
            hold_limit_seconds: source.hold_limit_seconds.into(),
            hosts: source.hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            origins: source.origins.iter().map(|origin| origin.to_ascii_lowercase()).collect(),
            http2: source.http2,
        });
    }
    listeners
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

fn is_origin(text: &str) -> bool {
    let authority = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    authority.is_some_and(|authority| !authority.is_empty() && !authority.contains(['/', '?', '#', '@', ' ']))
}
