//! Listeners: where callers connect.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;

use super::auth::auth;
use super::jwt::jwt;
use super::tls::{mtls, tls};
use super::{Auth, Tls, address, name};
use crate::Mistake;
use crate::source::ListenerSource;
pub use crate::source::{CorsSource as Cors, ListSource as ListMode};

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
    /// TLS; `None` is plain HTTP.
    pub tls: Option<Tls>,
    /// Whether HTTP/2 is spoken here beside HTTP/1.1.
    pub http2: bool,
    /// What pages of those origins may do.
    pub cors: Cors,
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
        let hosts = read_each(&source.hosts, &at("hosts"), mistakes, host);
        let origins = read_each(&source.origins, &at("origins"), mistakes, origin);
        read_each(&source.cors.expose_headers, &at("cors.expose_headers"), mistakes, header_name);
        let Some(address) = address(&source.address, &at("address"), mistakes) else { continue };
        let mtls = mtls(&source, &at, mistakes);
        let public_url = public_url(source.public_url.as_deref(), &at("public_url"), mistakes);
        let has_jwt = source.jwt.is_some();
        let jwt = source
            .jwt
            .and_then(|source| jwt(source, public_url.is_some(), folder, (&at("jwt"), &mut *mistakes)));
        let auth = Auth { mtls, ..auth(source.auth.ways(), (&at("auth"), has_jwt), jwt, mistakes) };
        if auth.is_none() && !has_jwt && !is_loopback(address.ip()) && !source.force_no_auth {
            let what =
                "`none` on an address that others can reach: use `api-key`, or set `force_no_auth: true`";
            mistakes.push(Mistake::at(at("auth"), what));
        }
        let public_host = public_url.as_ref().and_then(|url| Some(url.split_once("://")?.1.to_owned()));
        listeners.push(Listener {
            tls: source.tls.as_ref().map(|source| tls(source, folder)),
            name: source.name,
            address,
            auth,
            public_url,
            list: source.list,
            hold_limit_seconds: source.hold_limit_seconds.into(),
            http2: source.http2,
            hosts: hosts.into_iter().chain(public_host).collect(),
            origins,
            cors: source.cors,
        });
    }
    listeners
}

pub(super) fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// Reads each text of a list; those that can't be read are mistakes.
fn read_each(
    texts: &[String],
    at: &str,
    mistakes: &mut Vec<Mistake>,
    read: impl Fn(&str) -> Result<String, &'static str>,
) -> Vec<String> {
    let mut all = Vec::with_capacity(texts.len());
    for (number, text) in texts.iter().enumerate() {
        match read(text) {
            Ok(value) => all.push(value),
            Err(what) => {
                mistakes
                    .push(Mistake::at(format!("{at}[{number}]"), format!("must be {what}, not `{text}`")));
            }
        }
    }
    all
}

/// A host's name or address, with or without a port, as `Host` says it: in lower case.
fn host(text: &str) -> Result<String, &'static str> {
    let what = "a host such as tools.example or tools.example:8443 ([::1] for IPv6), without scheme, path and wildcard";
    let text = text.to_ascii_lowercase();
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !text.ends_with(']') => (name, Some(port)),
        _ => (text.as_str(), None),
    };
    let is_name = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok_and(|parsed| parsed.to_string() == address),
        None => is_host_name(name),
    };
    if is_name && port.is_none_or(is_port) { Ok(text) } else { Err(what) }
}

/// An origin as browsers write it (RFC 6454, section 6.2): in lower case, without the scheme's usual port.
fn origin(text: &str) -> Result<String, &'static str> {
    let what = "an origin such as https://example.com";
    let text = text.to_ascii_lowercase();
    let (scheme, authority) = text.split_once("://").ok_or(what)?;
    let usual = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return Err(what),
    };
    let authority = host(authority).map_err(|_| what)?;
    Ok(format!("{scheme}://{}", authority.strip_suffix(usual).unwrap_or(&authority)))
}

/// How callers reach the listener, if that is said.
fn public_url(text: Option<&str>, path: &str, mistakes: &mut Vec<Mistake>) -> Option<String> {
    let text = text?;
    let url = origin(text).ok();
    if url.is_none() {
        let what = format!("must be scheme, host and port such as https://tools.example.com, not `{text}`");
        mistakes.push(Mistake::at(path, what));
    }
    url
}

/// The name of a header. `*` would be every header.
fn header_name(text: &str) -> Result<String, &'static str> {
    let fits = (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if fits { Ok(text.to_owned()) } else { Err("the name of a header") }
}

fn is_host_name(name: &str) -> bool {
    (1..=253).contains(&name.len())
        && name.split('.').all(|label| !label.is_empty())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_origins_as_browsers_write_them() {
        for (text, expected) in [
            ("Tools.Example", Some("tools.example")),
            ("tools.example:8443", Some("tools.example:8443")),
            ("10.0.0.1", Some("10.0.0.1")),
            ("[fd00::1]", Some("[fd00::1]")),
            ("[fd00::1]:8080", Some("[fd00::1]:8080")),
            ("", None),
            ("*", None),
            ("*.example", None),
            ("tools.example:*", None),
            ("tools.example:", None),
            ("tools.example:0", None),
            ("tools.example:+80", None),
            ("tools.example:70000", None),
            ("tools.example.", None),
            ("tools..example", None),
            ("https://tools.example", None),
            ("tools.example/mcp", None),
            ("user@tools.example", None),
            ("fd00::1", None),
            ("[fd00:0::1]", None),
            ("[fe80::1%25eth0]", None),
            ("[::1", None),
        ] {
            assert_eq!(host(text).ok().as_deref(), expected, "{text}");
        }
        for (text, expected) in [
            ("https://App.Example", Some("https://app.example")),
            ("https://app.example:443", Some("https://app.example")),
            ("http://app.example:80", Some("http://app.example")),
            ("https://app.example:80", Some("https://app.example:80")),
            ("http://localhost:6274", Some("http://localhost:6274")),
            ("http://[::1]:6274", Some("http://[::1]:6274")),
            ("null", None),
            ("*", None),
            ("https://*.example", None),
            ("https://app.example/", None),
            ("ftp://app.example", None),
            ("https://", None),
        ] {
            assert_eq!(origin(text).ok().as_deref(), expected, "{text}");
        }
    }
}
