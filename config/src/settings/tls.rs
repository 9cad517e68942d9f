//! TLS on a listener, and callers that prove who they are by their certificate.

use std::path::{Path, PathBuf};

use crate::Mistake;
use crate::source::{AuthSource, ListenerSource, MtlsSource, TlsSource};
use crate::spiffe::TrustDomain;

/// The files of a listener's TLS. They are loaded together, and again when any of them changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate and its chain, in PEM.
    pub cert_file: PathBuf,
    /// Its private key, in PEM.
    pub key_file: PathBuf,
    /// The authorities of client certificates, in PEM; `None`: clients are not asked for one.
    pub client_ca_file: Option<PathBuf>,
}

/// Callers that are known by the SPIFFE id in their certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mtls {
    /// The trust domains whose workloads may call; at least one.
    pub trust_domains: Vec<TrustDomain>,
    /// The tenant that they all belong to.
    pub tenant: Option<String>,
}

impl Tls {
    /// Every file of it.
    #[must_use]
    pub fn files(&self) -> Vec<&Path> {
        let files = [Some(&self.cert_file), Some(&self.key_file), self.client_ca_file.as_ref()];
        files.into_iter().flatten().map(PathBuf::as_path).collect()
    }
}

pub(super) fn tls(source: &TlsSource, folder: &Path) -> Tls {
    Tls {
        cert_file: folder.join(&source.cert_file),
        key_file: folder.join(&source.key_file),
        client_ca_file: source.client_ca_file.as_ref().map(|file| folder.join(file)),
    }
}

/// `Some` wherever `mtls` is one of the ways, be its settings right or not.
pub(super) fn mtls(
    source: &ListenerSource,
    at: &impl Fn(&str) -> String,
    mistakes: &mut Vec<Mistake>,
) -> Option<Mtls> {
    if !source.auth.ways().contains(&AuthSource::Mtls) {
        if source.mtls.is_some() {
            mistakes.push(Mistake::at(at("mtls"), "needs `mtls` in `auth`"));
        }
        return None;
    }
    if source.tls.as_ref().is_none_or(|tls| tls.client_ca_file.is_none()) {
        let what = "missing: `auth: mtls` needs the authorities of its callers' certificates";
        mistakes.push(Mistake::at(at("tls.client_ca_file"), what));
    }
    let MtlsSource { trust_domains, tenant } = source.mtls.clone().unwrap_or_default();
    if trust_domains.is_empty() {
        let what = "missing: `auth: mtls` needs the trust domains of its callers, such as [example.org]";
        mistakes.push(Mistake::at(at("mtls.trust_domains"), what));
    }
    let trust_domains = trust_domains.iter().enumerate().filter_map(|(number, name)| {
        let parsed = TrustDomain::parse(name);
        parsed
            .map_err(|error| {
                let path = at(&format!("mtls.trust_domains[{number}]"));
                mistakes.push(Mistake::at(path, format!("{error}; not `{name}`")));
            })
            .ok()
    });
    Some(Mtls { trust_domains: trust_domains.collect(), tenant })
}
