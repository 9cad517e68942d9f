//! From a file to what is put in force.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use config::{Environment, Keys};
use policy::{Document, Snapshot};
use receipt::KeySet;
use sha2::{Digest, Sha256};
use watched_files::{FileError, read};

use super::reload::told;
use crate::caller::{Identities, Issuers, JwksFileError, Loaded};
use crate::clock;
use crate::metrics::Metrics;
use crate::state::{InForce, Part, PolicyInForce, Shared};
use crate::tls::{self, ByListener};
use crate::upstream::Access;

/// Loads all files for the first time. Keys and TLS must load; without a policy the proxy starts, and refuses every call. The
/// watcher's first look follows at once, and counts these loads. `kept` is what no file is named for.
pub(crate) fn load_first(
    settings: &config::Proxy,
    issuers: &Issuers,
    metrics: &Metrics,
    kept: &[Part],
) -> Result<InForce, Vec<FileError>> {
    let jwks = load_all_jwks(settings, issuers);
    let keys = load_keys(settings.keys_file.as_deref());
    let receipt_keys = settings.receipts.keys_file.as_deref().map(load_receipt_keys).transpose();
    let tls = tls::load_first(&settings.listeners);
    let access = load_access(settings);
    match (keys, receipt_keys, jwks, tls, access) {
        (Ok(keys), Ok(receipt_keys), Ok(jwks), Ok(tls), Ok(access)) => {
            for keys in jwks {
                keys.put();
            }
            let policy = settings.policy_file.as_deref().and_then(|file| load_policy(file, 0).ok());
            if let Some(policy) = &policy {
                told(metrics, policy);
            }
            let of_files = InForce {
                policy: policy.map(Arc::new),
                // The watcher's first look finds it.
                candidate: None,
                identities: Arc::new(Identities::new(&keys, None)),
                receipt_keys: receipt_keys.map(Arc::new),
                tls,
                access,
            };
            Ok(kept.iter().fold(of_files, |in_force, part| in_force.with(part)))
        }
        (keys, receipt_keys, jwks, tls, access) => {
            let errors = keys.err().into_iter().chain(receipt_keys.err());
            let of_many = [jwks.err(), tls.err(), access.err()].into_iter().flatten().flatten();
            Err(errors.chain(of_many).collect())
        }
    }
}

fn load_all_jwks(settings: &config::Proxy, issuers: &Issuers) -> Result<Vec<Loaded>, Vec<FileError>> {
    let (mut keys, mut errors) = (Vec::new(), Vec::new());
    for listener in &settings.listeners {
        match load_jwks(issuers, listener) {
            Ok(loaded) => keys.extend(loaded),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(keys) } else { Err(errors) }
}

fn load_access(settings: &config::Proxy) -> Result<Vec<Access>, Vec<FileError>> {
    let loaded = settings.backends.iter().map(|backend| Access::load(&backend.hop));
    let (mut access, mut errors) = (Vec::new(), Vec::new());
    for loaded in loaded {
        match loaded {
            Ok(loaded) => access.push(loaded),
            Err(mistakes) => errors.extend(mistakes),
        }
    }
    if errors.is_empty() { Ok(access) } else { Err(errors) }
}

/// Revisions of a file are the second it was loaded in, and always go up.
pub(super) fn load_policy(file: &Path, revision_before: u64) -> Result<PolicyInForce, FileError> {
    let fail = |mistakes| FileError { file: file.to_owned(), mistakes };
    let text = read(file)?;
    let now = clock::now();
    let revision = now.seconds().max(revision_before.saturating_add(1));
    let snapshot = compile(&text, revision).map_err(fail)?;
    let sha256 = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(PolicyInForce { snapshot, sha256, loaded_at: now, confirmed_at: AtomicU64::new(now.0) })
}

/// The policy of a document, or every mistake in it.
pub(crate) fn compile(text: &str, revision: u64) -> Result<Snapshot, Vec<String>> {
    Document::parse(text)
        .map(|document| Snapshot::compile(document, revision))
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// The keys of a JWK set that has one to sign with.
pub(crate) fn signing_keys(jwks: &str) -> Result<KeySet, String> {
    let keys = KeySet::from_jwks(jwks.as_bytes()).map_err(|error| error.to_string())?;
    match keys.signer() {
        Some(_) => Ok(keys),
        None => Err("no key in it signs: one needs `\"state\": \"signing\"` and its secret part".to_owned()),
    }
}

pub(super) fn load_keys(file: Option<&Path>) -> Result<Keys, FileError> {
    let Some(file) = file else { return Ok(Keys::default()) };
    Keys::read(&file.display().to_string(), &read(file)?, Environment::of_process()).map_err(|mistakes| {
        FileError { file: file.to_owned(), mistakes: mistakes.list.iter().map(ToString::to_string).collect() }
    })
}

pub(super) fn load_receipt_keys(file: &Path) -> Result<KeySet, FileError> {
    signing_keys(&read(file)?).map_err(|mistake| FileError::one(file, mistake))
}

/// Loads the TLS of one listener; that of the others stays.
pub(super) fn load_tls(shared: &Shared, place: usize, before: &ByListener) -> Result<ByListener, FileError> {
    let listener = shared.settings.listeners.get(place);
    let Some((listener, files)) = listener.and_then(|listener| Some((listener, listener.tls.as_ref()?)))
    else {
        return Ok(Arc::clone(before));
    };
    let loaded = tls::load(listener, files, before.get(place).and_then(Option::as_deref))?;
    let expiry = shared.metrics.tls.expiry.with_label_values(&[&listener.name]);
    expiry.set(loaded.expires_unix_seconds);
    let mut all = before.to_vec();
    if let Some(tls) = all.get_mut(place) {
        *tls = Some(Arc::new(loaded));
    }
    Ok(all.into())
}

/// Loads the keys of a listener's issuer, if they are in a file.
pub(super) fn load_jwks(issuers: &Issuers, listener: &config::Listener) -> Result<Option<Loaded>, FileError> {
    let fail =
        |(file, error): (PathBuf, JwksFileError)| FileError { file, mistakes: vec![error.to_string()] };
    issuers.load(&listener.name).map_err(fail)
}
