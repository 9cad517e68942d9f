//! The issuers whose tokens are taken, by listener, and the files that their keys may be in.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use config::JwksPlace;
use policy::UnixMillis;
use tokio::task::JoinHandle;

use super::jwt::{Issuer, Keys, NoJwks, keep};
use super::load::Loads;
use crate::metrics::Metrics;
use crate::state::Shared;

/// One issuer for each listener that takes tokens.
#[derive(Debug)]
pub(crate) struct Issuers(Vec<(String, Arc<Issuer>)>);

/// Keys that were read from an issuer's file.
#[derive(Debug)]
pub(crate) struct Loaded {
    issuer: Arc<Issuer>,
    keys: Keys,
}

/// A file of keys that can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JwksFileError {
    /// It can't be read.
    #[error("can't be read: {0}")]
    Io(#[from] std::io::Error),
    /// It is no JWK set.
    #[error("{0}")]
    NoJwks(#[from] NoJwks),
}

impl Issuers {
    pub(crate) fn new(settings: &config::Proxy, metrics: &Arc<Metrics>) -> Self {
        let loads = Arc::new(Loads::default());
        let of_listener = |listener: &config::Listener| {
            let jwt = listener.auth.jwt.clone()?;
            let issuer = Issuer::new(jwt, &listener.name, &settings.limits, &loads, metrics);
            Some((listener.name.clone(), Arc::new(issuer)))
        };
        Self(settings.listeners.iter().filter_map(of_listener).collect())
    }

    /// The issuer whose tokens a listener takes.
    pub(crate) fn of(&self, listener: &str) -> Option<&Arc<Issuer>> {
        self.0.iter().find(|(name, _)| name == listener).map(|(_, issuer)| issuer)
    }

    /// Reads the file of a listener's keys; `None` if it has none. Each listener's keys are its own: a file that is broken
    /// keeps no other from being replaced.
    pub(crate) fn load(&self, listener: &str) -> Result<Option<Loaded>, (PathBuf, JwksFileError)> {
        let Some(issuer) = self.of(listener) else { return Ok(None) };
        let Some(file) = file(&issuer.settings.jwks) else { return Ok(None) };
        let keys = read(file).map_err(|error| (file.to_owned(), error))?;
        Ok(Some(Loaded { issuer: Arc::clone(issuer), keys }))
    }

    /// Keeps the keys that are not in files up to date, a task for each issuer.
    pub(crate) fn keep(&self, shared: &Arc<Shared>) -> Vec<JoinHandle<()>> {
        let fetched = self.0.iter().filter(|(_, issuer)| issuer.settings.jwks.is_fetched());
        fetched.map(|(_, issuer)| tokio::spawn(keep(Arc::clone(issuer), Arc::clone(shared)))).collect()
    }

    /// Brings the gauges up to date.
    pub(crate) fn measure(&self, now: UnixMillis) {
        self.0.iter().for_each(|(_, issuer)| issuer.measure(now));
    }
}

impl Loaded {
    /// Puts the keys in force; true if one that was known before is gone.
    pub(crate) fn put(self) -> bool {
        self.issuer.put(self.keys)
    }
}

/// The file that the keys of a listener's issuer are in.
pub(crate) fn jwks_file(listener: &config::Listener) -> Option<&Path> {
    file(&listener.auth.jwt.as_ref()?.jwks)
}

fn file(place: &JwksPlace) -> Option<&Path> {
    match place {
        JwksPlace::File(file) => Some(file),
        JwksPlace::Issuer(_) | JwksPlace::Url(_) => None,
    }
}

fn read(file: &Path) -> Result<Keys, JwksFileError> {
    Ok(Keys::parse(&std::fs::read(file)?)?)
}
