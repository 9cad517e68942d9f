//! Listeners: where callers connect.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::auth::auth;
use super::jwt::jwt;
use super::{Auth, address, name};
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
    /// Scheme, host and port by which callers reach it, in lower case.
    pub public_url: Option<String>,
    /// What becomes of `tools/list`.
    pub list: ListMode,
    /// How long a call is held for a person.
    pub hold_limit_seconds: u64,
    /// Further host names that it answers to, in lower case.
    pub hosts: Vec<String>,
    /// Origins of web pages that may call it, in lower case.
    pub origins: Vec<String>,
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
        let public_url = source.public_url.map(|url| url.to_ascii_lowercase());
        if let Some(url) = public_url.as_ref().filter(|url| !is_origin(url)) {
            let what =
                format!("must be scheme, host and port such as https://tools.example.com, not `{url}`");
            mistakes.push(Mistake::at(at("public_url"), what));
        }
        let has_jwt = source.jwt.is_some();
        let jwt = source
            .jwt
            .and_then(|source| jwt(source, public_url.is_some(), folder, (&at("jwt"), &mut *mistakes)));
        let auth = auth(source.auth.ways(), (&at("auth"), has_jwt), jwt, mistakes);
        if auth.is_none() && !has_jwt && !is_loopback(address.ip()) && !source.force_no_auth {
            let what =
                "`none` on an address that others can reach: use `api-key`, or set `force_no_auth: true`";
            mistakes.push(Mistake::at(at("auth"), what));
        }
        let public_host = public_url.as_ref().and_then(|url| Some(url.split_once("://")?.1.to_owned()));
        listeners.push(Listener {
            name: source.name,
            address,
            auth,
            public_url,
            list: source.list,
            hold_limit_seconds: source.hold_limit_seconds.into(),
            hosts: source.hosts.iter().map(|host| host.to_ascii_lowercase()).chain(public_host).collect(),
            origins: source.origins.iter().map(|origin| origin.to_ascii_lowercase()).collect(),
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
