//! A backend's certificate by its SPIFFE id in place of a name: an X509-SVID has one URI, and no name need be in it.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::spiffe::{NotSvid, SpiffeId, spiffe_id};

/// Verifies that a chain leads to one of the authorities, and that the certificate is of the workload with this id
/// (X509-SVID, section 5).
#[derive(Debug)]
pub(super) struct SpiffeVerifier {
    roots: RootCertStore,
    algorithms: WebPkiSupportedAlgorithms,
    id: SpiffeId,
}

impl SpiffeVerifier {
    pub(super) const fn new(
        roots: RootCertStore,
        algorithms: WebPkiSupportedAlgorithms,
        id: SpiffeId,
    ) -> Self {
        Self { roots, algorithms, id }
    }
}

impl ServerCertVerifier for SpiffeVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, intermediates, now, algorithms)?;
        let why = match spiffe_id(end_entity) {
            Ok(id) if id == self.id => return Ok(ServerCertVerified::assertion()),
            Err(NotSvid::Unreadable) => CertificateError::BadEncoding,
            _ => CertificateError::ApplicationVerificationFailure,
        };
        Err(Error::InvalidCertificate(why))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
