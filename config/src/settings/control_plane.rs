//! The control plane, as used.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::{address, name};
use crate::source::ControlPlaneSource;
use crate::{History, Mistake};

/// Settings of a control plane.
#[derive(Debug)]
pub struct ControlPlane {
    /// Its name: who decided, in receipts.
    pub name: String,
    /// Where its API is served.
    pub address: SocketAddr,
    /// The organisation of the proxy in the same process, if it is said here.
    pub org: Option<String>,
    /// TLS on it.
    pub tls: Option<ControlTls>,
    /// Where it keeps everything.
    pub store: StorePlace,
    /// Further host names that its API answers to.
    pub hosts: Vec<String>,
    /// What signs and verifies receipts.
    pub receipts: Option<ControlReceipts>,
    /// The key that signs what linked proxies are sent.
    pub policy_key: PolicyKeyPlace,
    /// Where used receipts are shared.
    pub redis: Option<Redis>,
    /// How much of the past is kept.
    pub history: History,
}

/// The files of the API's TLS. They are loaded together, and again when any of them changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlTls {
    /// The certificate and its chain, in PEM.
    pub cert_file: PathBuf,
    /// Its private key, in PEM.
    pub key_file: PathBuf,
}

/// Where a control plane has its policy key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicyKeyPlace {
    /// In this file, which must be there.
    File(PathBuf),
    /// In this file, beside the store. It is made if it is missing.
    BesideStore(PathBuf),
    /// It has none.
    None,
}

/// Where a control plane keeps everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorePlace {
    /// An SQLite file.
    File(PathBuf),
    /// A PostgreSQL database.
    Postgres {
        /// `postgres://…`, as written.
        url: String,
        /// The file that has the user's password.
        password_file: Option<PathBuf>,
    },
}

/// Receipts of a control plane.
#[derive(Clone, Debug)]
pub struct ControlReceipts {
    /// A JWK set.
    pub keys_file: PathBuf,
    /// How long a receipt is good.
    pub ttl_seconds: u64,
}

/// A Redis server.
#[derive(Clone, Debug)]
pub struct Redis {
    /// `redis://…` or `rediss://…`.
    pub url: String,
    /// The file that has the password.
    pub password_file: Option<PathBuf>,
}

impl ControlTls {
    /// Every file of it.
    #[must_use]
    pub fn files(&self) -> [&Path; 2] {
        [&self.cert_file, &self.key_file]
    }
}

pub(super) fn control_plane(
    source: ControlPlaneSource,
    folder: &Path,
    mistakes: &mut Vec<Mistake>,
) -> Option<ControlPlane> {
    name(&source.name, "control_plane.name", mistakes);
    let address = address(&source.address, "control_plane.address", mistakes);
    let store = store(&source, folder, mistakes);
    let redis = source.redis.map(|redis| {
        if !redis.url.starts_with("redis://") && !redis.url.starts_with("rediss://") {
            let what = "must be `redis://HOST:PORT`, or `rediss://HOST:PORT` over TLS";
            mistakes.push(Mistake::at("control_plane.redis.url", what));
        }
        Redis { url: redis.url, password_file: redis.password_file.map(|file| folder.join(file)) }
    });
    let store = store?;
    let policy_key = match (source.policy_key_file, &store) {
        (Some(file), _) => PolicyKeyPlace::File(folder.join(file)),
        (None, StorePlace::File(file)) => PolicyKeyPlace::BesideStore(file.with_extension("policy-key")),
        (None, StorePlace::Postgres { .. }) => PolicyKeyPlace::None,
    };
    Some(ControlPlane {
        name: source.name,
        address: address?,
        org: source.org,
        tls: source.tls.map(|tls| ControlTls {
            cert_file: folder.join(tls.cert_file),
            key_file: folder.join(tls.key_file),
        }),
        store,
        policy_key,
        hosts: source.hosts,
        receipts: source.receipts.map(|receipts| ControlReceipts {
            keys_file: folder.join(receipts.keys_file),
            ttl_seconds: receipts.ttl_seconds.into(),
        }),
        redis,
        history: source.history,
    })
}

fn store(source: &ControlPlaneSource, folder: &Path, mistakes: &mut Vec<Mistake>) -> Option<StorePlace> {
    let url = &source.store;
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        let password_file = source.store_password_file.as_ref().map(|file| folder.join(file));
        return Some(StorePlace::Postgres { url: url.clone(), password_file });
    }
    if source.store_password_file.is_some() {
        let what = "only PostgreSQL has a password";
        mistakes.push(Mistake::at("control_plane.store_password_file", what));
    }
    match url.strip_prefix("sqlite://") {
        Some(file) if !file.is_empty() => Some(StorePlace::File(folder.join(file))),
        _ => {
            // The URL may hold a password, so it is not repeated.
            let what = "must be `sqlite://FILE` or `postgres://USER@HOST/DATABASE`";
            mistakes.push(Mistake::at("control_plane.store", what));
            None
        }
    }
}
