//! What a server shows of itself: its certificate with its chain, and its private key.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::server::danger::ClientCertVerifier;
use rustls::{ServerConfig, version};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::{FileError, PemFile};

/// A certificate with its chain and its private key, of one version of their files.
pub struct ServerCertificate<'a> {
    file: PemFile<'a>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    /// When it ends.
    pub expires_unix_seconds: i64,
}

impl<'a> ServerCertificate<'a> {
    /// Loads both files. The certificate must not have ended.
    ///
    /// # Errors
    /// [`FileError`], of one of the two.
    pub fn load(cert_file: &'a Path, key_file: &Path, now_unix_seconds: i64) -> Result<Self, FileError> {
        let file = PemFile::read(cert_file)?;
        let chain = file.certificates()?;
        let own = chain.first().ok_or_else(|| file.fail("has no certificate".to_owned()))?;
        let unreadable = || file.fail("has a certificate that can't be read".to_owned());
        let expires_unix_seconds = end(own).ok_or_else(unreadable)?;
        if expires_unix_seconds < now_unix_seconds {
            return Err(file.fail("has a certificate that has expired".to_owned()));
        }
        let key = PemFile::read(key_file)?.key()?;
        Ok(Self { file, chain, key, expires_unix_seconds })
    }

    /// TLS 1.2 and 1.3 with this certificate: clients are verified so, and one of these protocols is agreed on (ALPN). No
    /// session of other files is resumed.
    ///
    /// # Errors
    /// [`FileError`] where certificate and key don't belong together, or can't be used.
    pub fn serve(
        self,
        provider: Arc<CryptoProvider>,
        verifier: Arc<dyn ClientCertVerifier>,
        protocols: &[&[u8]],
    ) -> Result<ServerConfig, FileError> {
        let unusable = |error: rustls::Error| self.file.fail(unusable(&error));
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(unusable)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(self.chain, self.key)
            .map_err(unusable)?;
        server.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        // A ticket holds the client's certificate as it was verified: each version of the files has keys of its own for them.
        server.ticketer = ring::Ticketer::new().map_err(unusable)?;
        // What comes in early data can be played back (RFC 8446, section 8).
        server.max_early_data_size = 0;
        Ok(server)
    }
}

/// When a certificate ends: the last second in which it is good, since 1970. `None` if it can't be read.
#[must_use]
pub fn end(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

fn unusable(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => "is not the certificate of the key in `key_file`".to_owned(),
        error => format!("can't be used: {error}"),
    }
}

impl std::fmt::Debug for ServerCertificate<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key is in there.
        f.debug_struct("ServerCertificate").field("chain", &self.chain).finish_non_exhaustive()
    }
}
