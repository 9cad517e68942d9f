//! The settings as used: everything parsed, everything that names something else resolved.

mod auth;
mod backend;
mod bundle;
mod concerns;
mod control_plane;
mod endpoints;
mod hop;
mod jwt;
mod link;
mod listener;
mod routes;
mod tls;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub use auth::Auth;
pub use backend::{Authorization, Backend, BackendKind, BackendUrl, Mapping};
pub use bundle::Bundle;
pub use control_plane::{ControlPlane, ControlReceipts, ControlTls, PolicyKeyPlace, Redis, StorePlace};
pub use endpoints::{Ejection, EndpointName, Health};
pub use hop::{BackendTls, ClientCertificate, Credential, Hop, Http};
pub use jwt::{AgentWhen, Algorithm, FetchUrl, JwksPlace, Jwt};
pub use link::{ControlLink, LinkUrl, PolicyKeysPlace, RelayTokenPlace};
pub use listener::{Cors, ListMode, Listener};
pub use routes::Route;
pub use tls::{Mtls, Tls};

use crate::source::{AuthSource, ProxySource, SettingsSource};
pub use crate::source::{DurabilitySource as Durability, OnFullSource as OnFull};
use crate::{Environment, Limits, MaxPolicyAge, Mistake, Mistakes, Rates, document};

/// A whole settings file.
#[derive(Debug)]
pub struct Settings {
    /// The data plane, if the file has one.
    pub proxy: Option<Proxy>,
    /// The control plane, if the file has one.
    pub control_plane: Option<ControlPlane>,
}

/// Settings of a proxy.
#[derive(Debug)]
pub struct Proxy {
    /// Its name.
    pub name: String,
    /// Where `/metrics` and the like are served.
    pub admin: SocketAddr,
    /// Threads that carry traffic; `None` is one per core.
    pub workers: Option<usize>,
    /// Where callers connect; at least one.
    pub listeners: Vec<Listener>,
    /// Where calls go; at least one.
    pub backends: Vec<Backend>,
    /// The control plane that everything comes from that no file is named for.
    pub control_plane: Option<ControlLink>,
    /// The file of API keys.
    pub keys_file: Option<PathBuf>,
    /// Receipts.
    pub receipts: Receipts,
    /// The record of every call.
    pub audit: Audit,
    /// The policy document; `None` only with a control plane or a bundle.
    pub policy_file: Option<PathBuf>,
    /// The signed policy that is fetched.
    pub bundle: Option<Bundle>,
    /// A policy document that is only compared.
    pub candidate_file: Option<PathBuf>,
    /// How old the policy may be.
    pub max_policy_age: MaxPolicyAge,
    /// Limits.
    pub limits: Limits,
    /// Rates.
    pub rates: Rates,
    /// How it stops.
    pub drain: Drain,
}

/// Settings of receipts.
#[derive(Clone, Debug)]
pub struct Receipts {
    /// A JWK set; `None` only with a control plane.
    pub keys_file: Option<PathBuf>,
    /// How long a receipt is good.
    pub ttl_seconds: u64,
    /// Whether a stamp carries `args_sha256`.
    pub canonical_arguments: bool,
}

/// Settings of the audit record.
#[derive(Clone, Debug)]
pub struct Audit {
    /// The folder.
    pub directory: PathBuf,
    /// When a record counts as written; `None`: by what the call does.
    pub durability: Option<Durability>,
    /// What happens when it can't be written.
    pub on_full: OnFull,
}

/// How a proxy stops.
#[derive(Clone, Copy, Debug)]
pub struct Drain {
    /// How long it says "not ready" while it still accepts calls.
    pub announce_seconds: u64,
    /// How long calls under way may take after that.
    pub limit_seconds: u64,
}

/// Where a proxy's link to its control plane comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LinkFrom {
    /// Its settings, or it has none.
    Settings,
    /// Whoever starts it.
    Elsewhere,
}

impl Settings {
    /// Reads a settings file. Paths in it are relative to its own folder.
    ///
    /// # Errors
    /// Every mistake in it, each with its path.
    pub fn load(file: &Path, environment: Environment) -> Result<Self, Mistakes> {
        Self::load_with(file, environment, LinkFrom::Settings)
    }

    /// Reads the settings of a proxy that whoever starts it gives a link, where it names none.
    ///
    /// # Errors
    /// Every mistake in it, each with its path.
    pub fn load_to_link(file: &Path, environment: Environment) -> Result<Self, Mistakes> {
        Self::load_with(file, environment, LinkFrom::Elsewhere)
    }

    fn load_with(file: &Path, environment: Environment, link: LinkFrom) -> Result<Self, Mistakes> {
        let name = file.display().to_string();
        let fail = |list| Mistakes { file: name.clone(), list };
        let text = std::fs::read_to_string(file)
            .map_err(|error| fail(vec![Mistake::at("", format!("can't be read: {error}"))]))?;
        let folder = file.parent().unwrap_or_else(|| Path::new(""));
        Self::read_with(&text, folder, environment, link).map_err(fail)
    }

    /// Reads the text of a settings file that lies in `folder`, and the OpenAPI files that it names.
    ///
    /// # Errors
    /// Every mistake in it, each with its path.
    pub fn read(text: &str, folder: &Path, environment: Environment) -> Result<Self, Vec<Mistake>> {
        Self::read_with(text, folder, environment, LinkFrom::Settings)
    }

    /// As [`Settings::load_to_link`], of a text that lies in `folder`.
    ///
    /// # Errors
    /// Every mistake in it, each with its path.
    pub fn read_to_link(text: &str, folder: &Path, environment: Environment) -> Result<Self, Vec<Mistake>> {
        Self::read_with(text, folder, environment, LinkFrom::Elsewhere)
    }

    fn read_with(
        text: &str,
        folder: &Path,
        environment: Environment,
        link: LinkFrom,
    ) -> Result<Self, Vec<Mistake>> {
        let source: SettingsSource = document::read(text, environment)?;
        let mut mistakes = Vec::new();
        if source.proxy.is_none() && source.control_plane.is_none() {
            mistakes.push(Mistake::at("", "needs `proxy`, `control_plane` or both"));
        }
        let proxy = source.proxy.and_then(|proxy| self::proxy(proxy, folder, link, &mut mistakes));
        let control_plane = source
            .control_plane
            .and_then(|source| control_plane::control_plane(source, folder, &mut mistakes));
        if mistakes.is_empty() { Ok(Self { proxy, control_plane }) } else { Err(mistakes) }
    }
}

fn proxy(source: ProxySource, folder: &Path, link: LinkFrom, mistakes: &mut Vec<Mistake>) -> Option<Proxy> {
    name(&source.name, "proxy.name", mistakes);
    let admin = address(&source.admin, "proxy.admin", mistakes);
    if source.control_plane.is_none() && link == LinkFrom::Settings {
        needed_files(&source, mistakes);
    }
    one_source(&source, link, mistakes);
    let listeners = listener::listeners(source.listeners, folder, mistakes);
    let backends = backend::backends(source.backends, &listeners, folder, mistakes);
    let control_plane = source.control_plane.map(|source| link::link(source, folder, mistakes));
    let max_policy_age = source.policy.max_policy_age;
    max_policy_age.check("proxy.policy.max_policy_age", mistakes);
    let bundle = source.policy.bundle;
    let bundle = bundle.map(|bundle| bundle::bundle(bundle, &max_policy_age, folder, mistakes));
    let join = |file: Option<PathBuf>| file.map(|file| folder.join(file));
    Some(Proxy {
        name: source.name,
        admin: admin?,
        workers: source.workers.map(usize::from),
        listeners,
        backends,
        control_plane: match control_plane {
            Some(link) => Some(link?),
            None => None,
        },
        keys_file: join(source.keys_file),
        receipts: Receipts {
            keys_file: join(source.receipts.keys_file),
            ttl_seconds: source.receipts.ttl_seconds.into(),
            canonical_arguments: source.receipts.canonical_arguments,
        },
        audit: Audit {
            directory: folder.join(source.audit.directory),
            durability: source.audit.durability,
            on_full: source.audit.on_full,
        },
        policy_file: join(source.policy.file),
        bundle: match bundle {
            Some(bundle) => Some(bundle?),
            None => None,
        },
        candidate_file: join(source.policy.candidate_file),
        max_policy_age,
        limits: source.limits,
        rates: source.rates,
        drain: Drain {
            announce_seconds: source.drain.announce_seconds.into(),
            limit_seconds: source.drain.limit_seconds.into(),
        },
    })
}

/// The files that only a control plane can take the place of.
fn needed_files(source: &ProxySource, mistakes: &mut Vec<Mistake>) {
    let takes_keys = source.listeners.iter().any(|one| one.auth.ways().contains(&AuthSource::ApiKey));
    if source.keys_file.is_none() && takes_keys {
        let what = "missing: a listener has `auth: api-key`, and there is no `control_plane`";
        mistakes.push(Mistake::at("proxy.keys_file", what));
    }
    if source.receipts.keys_file.is_none() {
        let what = "missing: there is no `control_plane` that it comes from";
        mistakes.push(Mistake::at("proxy.receipts.keys_file", what));
    }
    if source.policy.file.is_none() && source.policy.bundle.is_none() {
        let what = "missing: there is no `control_plane` and no `policy.bundle` that it comes from";
        mistakes.push(Mistake::at("proxy.policy.file", what));
    }
}

/// Of two sources nobody could say which policy is in force.
fn one_source(source: &ProxySource, link: LinkFrom, mistakes: &mut Vec<Mistake>) {
    if source.policy.bundle.is_none() {
        return;
    }
    let others = [
        (source.policy.file.is_some(), "there is a `policy.file` too"),
        (source.control_plane.is_some(), "there is a `control_plane` too"),
        (link == LinkFrom::Elsewhere, "this proxy is linked to a control plane"),
    ];
    for (_, other) in others.into_iter().filter(|(is_there, _)| *is_there) {
        let what = format!("{other}: the policy has one source, so take one of them out");
        mistakes.push(Mistake::at("proxy.policy.bundle", what));
    }
}

fn address(text: &str, path: &str, mistakes: &mut Vec<Mistake>) -> Option<SocketAddr> {
    let parsed = text.parse().ok();
    if parsed.is_none() {
        let what = format!("must be an IP address and a port such as 127.0.0.1:8080, not `{text}`");
        mistakes.push(Mistake::at(path, what));
    }
    parsed
}

/// Names go into metrics, records and file names.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

fn name(text: &str, path: &str, mistakes: &mut Vec<Mistake>) {
    if !is_name(text) {
        let what = format!("must be 1 to 64 letters, digits, `-`, `_` or `.`, not `{text}`");
        mistakes.push(Mistake::at(path, what));
    }
}
