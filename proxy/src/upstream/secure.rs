//! TLS to a backend: from files to a client's settings. A backend that is not who the settings say gets not one byte of a
//! call.

use std::io;
use std::path::Path;
use std::sync::Arc;

use config::{BackendTls, Http};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use zeroize::Zeroizing;

use super::verify::SpiffeVerifier;
use crate::files::{FileError, read};

/// Names of protocols in ALPN (RFC 7301).
const HTTP_1: &[u8] = b"http/1.1";
const HTTP_2: &[u8] = b"h2";
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
        let text = |file: &Path| read(file).map(Zeroizing::new);
        let ca = settings.ca_file.as_deref().map(|file| Ok((file, text(file)?))).transpose()?;
        let client = settings.client.as_ref();
        let client = client
            .map(|client| Ok((client, text(&client.cert_file)?, text(&client.key_file)?)))
            .transpose()?;
        let mut hash = Sha256::new();
        let shown = client.iter().flat_map(|(_, cert, key)| [cert, key]);
        for text in ca.iter().map(|(_, text)| text).chain(shown) {
            // A digest of each, so that none of one file can pass for some of another.
            hash.update(Sha256::digest(text.as_bytes()));
        }
        let sha256: [u8; 32] = hash.finalize().into();
        if let Some(before) = before.filter(|before| before.sha256 == sha256) {
            return Ok(Arc::clone(before));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = match &ca {
            Some((file, text)) => authorities(file, text)?,
            None => system_authorities()?,
        };
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
            Some((client, cert, key)) => {
                let fail = |file: &Path, mistake: String| one(file, mistake);
                let chain = certificates(&client.cert_file, &cert)?;
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
                    .map_err(|error| fail(&client.key_file, format!("has no private key in PEM: {error}")))?;
                builder.with_client_auth_cert(chain, key).map_err(|error| {
                    fail(&client.key_file, format!("can't be used with the certificate: {error}"))
                })?
            }
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
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP_2);
        if http == Http::Two && !is_http2 {
            return Err(io::Error::other("it does not speak HTTP/2"));
        }
        Ok((stream, is_http2))
    }
}

fn protocols(http: Http) -> Vec<Vec<u8>> {
    let protocols: &[&[u8]] = match http {
        Http::Auto => &[HTTP_2, HTTP_1],
        Http::One => &[HTTP_1],
        Http::Two => &[HTTP_2],
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

fn authorities(file: &Path, text: &str) -> Result<RootCertStore, FileError> {
    let mut roots = RootCertStore::empty();
    for (place, certificate) in certificates(file, text)?.into_iter().enumerate() {
        roots
            .add(certificate)
            .map_err(|error| one(file, format!("certificate {} can't be used: {error}", place + 1)))?;
    }
    Ok(roots)
}

fn system_authorities() -> Result<RootCertStore, FileError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A store of many authorities always has some that nothing could use.
    let (added, _ignored) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map_or_else(String::new, |error| format!(" ({error})"));
        let mistake = format!("this system has no certificate authorities{why}; name a `ca_file`");
        return Err(one(Path::new("the system's certificate authorities"), mistake));
    }
    Ok(roots)
}

fn certificates(file: &Path, text: &str) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let certificates = certificates.map_err(|error| one(file, format!("is not PEM: {error}")))?;
    if certificates.is_empty() {
        return Err(one(file, "has no certificate in PEM".to_owned()));
    }
    Ok(certificates)
}

fn refused(settings: &BackendTls, mistake: String) -> FileError {
    let file = settings.ca_file.clone().unwrap_or_default();
    FileError { file, mistakes: vec![mistake] }
}

fn one(file: &Path, mistake: String) -> FileError {
    FileError { file: file.to_owned(), mistakes: vec![mistake] }
}
