//! TLS to a backend: from files to a client's settings. A backend that is not who the settings say gets not one byte of a
//! call.

use std::io;
use std::path::Path;
use std::sync::Arc;

use config::{BackendTls, Http};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use watched_files::{FileError, PemFile, system_authorities};

use super::verify::SpiffeVerifier;
use crate::tls::{HTTP1, HTTP2};

/// Sessions that are remembered per backend, to be resumed. They are forgotten with the settings they were begun under.
const SESSIONS_MAX: usize = 64;

/// How connections to one backend are secured, as the files say now.
#[derive(Debug)]
pub(crate) struct ClientTls {
    /// Which version of the files it is: what was opened under another one is not used any more.
    pub(crate) generation: u64,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    /// Of the files' contents.
    sha256: [u8; 32],
}

/// Why a backend could not be verified, in a word for the log.
pub(super) fn untrusted(error: &io::Error) -> Option<&'static str> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let rustls::Error::InvalidCertificate(why) = error else { return Some("handshake-failed") };
    Some(match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "not-valid-yet",
        CertificateError::UnknownIssuer | CertificateError::BadSignature => "unknown-issuer",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "name-mismatch"
        }
        CertificateError::ApplicationVerificationFailure => "spiffe-id-mismatch",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => "wrong-purpose",
        _ => "bad-certificate",
    })
}

impl ClientTls {
    /// Loads the files. Where they say what they said `before`, that stays as it is, with its connections.
    pub(crate) fn load(
        settings: &BackendTls,
        http: Http,
        before: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, FileError> {
        let ca = settings.ca_file.as_deref().map(PemFile::read).transpose()?;
        let client = settings.client.as_ref();
        let client = client
            .map(|client| Ok((PemFile::read(&client.cert_file)?, PemFile::read(&client.key_file)?)))
            .transpose()?;
        let mut hash = Sha256::new();
        let shown = client.iter().flat_map(|(cert, key)| [cert, key]);
        for file in ca.iter().chain(shown) {
            // A digest of each, so that none of one file can pass for some of another.
            hash.update(file.sha256());
        }
        let sha256: [u8; 32] = hash.finalize().into();
        if let Some(before) = before.filter(|before| before.sha256 == sha256) {
            return Ok(Arc::clone(before));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = ca.as_ref().map_or_else(system_authorities, PemFile::authorities)?;
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| refused(settings, error.to_string()))?
            .dangerous();
        let builder = match &settings.spiffe_id {
            Some(id) => {
                let algorithms = provider.signature_verification_algorithms;
                let verifier = SpiffeVerifier::new(roots, algorithms, id.clone());
                builder.with_custom_certificate_verifier(Arc::new(verifier))
            }
            None => builder.with_custom_certificate_verifier(by_name(roots, provider, settings)?),
        };
        let mut config = match client {
            None => builder.with_no_client_auth(),
            Some((cert, key)) => builder
                .with_client_auth_cert(cert.certificates()?, key.key()?)
                .map_err(|error| key.fail(format!("can't be used with the certificate: {error}")))?,
        };
        config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
        config.alpn_protocols = protocols(http);
        let generation = before.map_or(0, |before| before.generation) + 1;
        let name = settings.server_name.clone();
        Ok(Arc::new(Self { generation, config: Arc::new(config), name, sha256 }))
    }

    /// The handshake. What comes back is verified, and whether HTTP/2 was agreed on.
    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        http: Http,
    ) -> io::Result<(TlsStream<TcpStream>, bool)> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let stream = connector.with_alpn(protocols(http)).connect(self.name.clone(), stream).await?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
        if http == Http::Two && !is_http2 {
            return Err(io::Error::other("it does not speak HTTP/2"));
        }
        Ok((stream, is_http2))
    }
}

fn protocols(http: Http) -> Vec<Vec<u8>> {
    let protocols: &[&[u8]] = match http {
        Http::Auto => &[HTTP2, HTTP1],
        Http::One => &[HTTP1],
        Http::Two => &[HTTP2],
    };
    protocols.iter().map(|name| name.to_vec()).collect()
}

fn by_name(
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
    settings: &BackendTls,
) -> Result<Arc<WebPkiServerVerifier>, FileError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| refused(settings, error.to_string()))
}

fn refused(settings: &BackendTls, mistake: String) -> FileError {
    FileError::one(settings.ca_file.as_deref().unwrap_or(Path::new("")), mistake)
}
