//! The authorities of client certificates.

use std::sync::Arc;
use std::time::Duration;

use policy::UnixMillis;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, UnixTime};

/// The authorities whose client certificates are good, in one version.
#[derive(Debug)]
pub(crate) struct Authorities {
    certificates: Vec<CertificateDer<'static>>,
    verifier: Arc<dyn ClientCertVerifier>,
    /// Tells one version from another; goes up with each change, from 1.
    generation: u64,
}

/// Certificates that can't be used as authorities.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadAuthorities {
    #[error("has a certificate that can't be used: {0}")]
    Certificate(rustls::Error),
    #[error("can't be used: {0}")]
    Verifier(VerifierBuilderError),
}

impl Authorities {
    /// Takes the certificates as they are; if they are those of `before`, it is the same version. `is_needed`: whether a
    /// client must have a certificate.
    pub(super) fn new(
        certificates: Vec<CertificateDer<'static>>,
        is_needed: bool,
        provider: &Arc<CryptoProvider>,
        before: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, BadAuthorities> {
        if let Some(before) = before.filter(|before| before.certificates == certificates) {
            return Ok(Arc::clone(before));
        }
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone()).map_err(BadAuthorities::Certificate)?;
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let builder = if is_needed { builder } else { builder.allow_unauthenticated() };
        let verifier = builder.build().map_err(BadAuthorities::Verifier)?;
        let generation = before.map_or(0, |before| before.generation).saturating_add(1);
        Ok(Arc::new(Self { certificates, verifier, generation }))
    }

    /// Verifies a client's chain, its own certificate first (RFC 5280, section 6).
    pub(super) fn verify(&self, chain: &[CertificateDer<'_>], now: UnixMillis) -> Result<(), rustls::Error> {
        let (own, intermediates) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        let now = UnixTime::since_unix_epoch(Duration::from_millis(now.0));
        self.verifier.verify_client_cert(own, intermediates, now).map(|_| ())
    }

    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.verifier)
    }

    pub(super) const fn generation(&self) -> u64 {
        self.generation
    }
}
