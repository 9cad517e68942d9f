//! What is watched: which files are loaded together, and what they are called.

use std::borrow::Cow;
use std::path::Path;

use crate::caller::jwks_file;

/// The watched files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watched {
    Policy,
    Candidate,
    Keys,
    ReceiptKeys,
    /// The file of the keys of a listener's issuer, by the listener's place in the settings.
    Jwks(usize),
    /// The files of a listener's TLS, by its place in the settings.
    Tls(usize),
    /// TLS to a backend, by its place in the settings.
    BackendTls(usize),
    /// The credential to a backend, by its place in the settings.
    BackendCredential(usize),
}

impl Watched {
    pub(super) fn all(settings: &config::Proxy) -> impl Iterator<Item = Self> {
        let listeners = 0..settings.listeners.len();
        let backends = 0..settings.backends.len();
        [Self::Policy, Self::Candidate, Self::Keys, Self::ReceiptKeys]
            .into_iter()
            .chain(listeners.flat_map(|place| [Self::Jwks(place), Self::Tls(place)]))
            .chain(backends.flat_map(|place| [Self::BackendTls(place), Self::BackendCredential(place)]))
    }

    /// Its name in metrics.
    pub(super) fn name(self, settings: &config::Proxy) -> Cow<'static, str> {
        let listener = |place: usize, what| {
            let name = settings.listeners.get(place).map_or("", |listener| listener.name.as_str());
            Cow::from(format!("{what}:{name}"))
        };
        let backend = |place: usize, what| {
            let name = settings.backends.get(place).map_or("", |backend| backend.name.as_str());
            Cow::from(format!("{what}:{name}"))
        };
        match self {
            Self::Policy => "policy".into(),
            Self::Candidate => "candidate".into(),
            Self::Keys => "keys".into(),
            Self::ReceiptKeys => "receipt_keys".into(),
            Self::Jwks(place) => listener(place, "jwks"),
            Self::Tls(place) => listener(place, "tls"),
            Self::BackendTls(place) => backend(place, "backend_tls"),
            Self::BackendCredential(place) => backend(place, "backend_credential"),
        }
    }

    /// The files that are loaded together; none if the settings name none.
    pub(super) fn paths(self, settings: &config::Proxy) -> Vec<&Path> {
        let listener = |place: usize| settings.listeners.get(place);
        let hop = |place: usize| settings.backends.get(place).map(|backend| &backend.hop);
        match self {
            Self::Policy => settings.policy_file.as_deref().into_iter().collect(),
            Self::Candidate => settings.candidate_file.as_deref().into_iter().collect(),
            Self::Keys => settings.keys_file.as_deref().into_iter().collect(),
            Self::ReceiptKeys => settings.receipts.keys_file.as_deref().into_iter().collect(),
            Self::Jwks(place) => listener(place).and_then(jwks_file).into_iter().collect(),
            Self::Tls(place) => {
                let tls = listener(place).and_then(|listener| listener.tls.as_ref());
                tls.map(config::Tls::files).unwrap_or_default()
            }
            Self::BackendTls(place) => hop(place).map(config::Hop::tls_files).unwrap_or_default(),
            Self::BackendCredential(place) => {
                let credential = hop(place).and_then(|hop| hop.credential.as_ref());
                credential.map(|credential| credential.file.as_path()).into_iter().collect()
            }
        }
    }
}
