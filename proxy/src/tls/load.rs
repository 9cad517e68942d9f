//! From the files of a listener to TLS that can be served.

use std::path::Path;
use std::sync::Arc;

use config::{Listener, Tls};
use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, version};
use rustls_pki_types::pem::{Error as PemError, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::peer::ends;
use super::{Authorities, ByListener, HTTP1, HTTP2, ListenerTls};
use crate::clock;
use crate::files::{self, FileError};

/// Longest of these files; longer ones are refused.
const FILE_MAX_BYTES: usize = 1024 * 1024;

/// Loads the TLS of every listener that has it. All of it must load.
pub(crate) fn load_first(listeners: &[Listener]) -> Result<ByListener, Vec<FileError>> {
    let mut errors = Vec::new();
    let loaded = listeners.iter().map(|listener| {
        let tls = listener.tls.as_ref()?;
        load(listener, tls, None).map_err(|error| errors.push(error)).ok().map(Arc::new)
    });
    let loaded: ByListener = loaded.collect();
    if errors.is_empty() { Ok(loaded) } else { Err(errors) }
}

/// Loads one listener's files; `before` is what was in force.
pub(crate) fn load(
    listener: &Listener,
    tls: &Tls,
    before: Option<&ListenerTls>,
) -> Result<ListenerTls, FileError> {
    let provider = Arc::new(ring::default_provider());
    let chain = certificates(&tls.cert_file)?;
    let expires_unix_seconds = check_end(&tls.cert_file, &chain)?;
    let key = key(&tls.key_file)?;
    let authorities = tls.client_ca_file.as_deref().map(|file| {
        let before = before.and_then(|before| before.authorities.as_ref());
        Authorities::new(certificates(file)?, listener.auth.needs_certificate(), &provider, before)
            .map_err(|error| fail(file, error.to_string()))
    });
    let authorities = authorities.transpose()?;
    let verifier =
        authorities.as_ref().map_or_else(WebPkiClientVerifier::no_client_auth, |known| known.verifier());
    let unusable = |error: rustls::Error| fail(&tls.cert_file, unusable(&error));
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(unusable)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(unusable)?;
    let spoken: &[&[u8]] = if listener.http2 { &[HTTP2, HTTP1] } else { &[HTTP1] };
    server.alpn_protocols = spoken.iter().map(|protocol| protocol.to_vec()).collect();
    // A ticket holds the client's certificate as it was verified: each version of the files has keys of its own for them.
    server.ticketer = ring::Ticketer::new().map_err(unusable)?;
    // What comes in early data can be played back (RFC 8446, section 8).
    server.max_early_data_size = 0;
    Ok(ListenerTls { server: Arc::new(server), authorities, expires_unix_seconds })
}

fn unusable(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => "is not the certificate of the key in `key_file`".to_owned(),
        error => format!("can't be used: {error}"),
    }
}

/// When the first certificate of a chain ends; it must not have.
fn check_end(file: &Path, chain: &[CertificateDer<'_>]) -> Result<i64, FileError> {
    let own = chain.first().ok_or_else(|| fail(file, "has no certificate".to_owned()))?;
    let end = ends(own).map_err(|_| fail(file, "has a certificate that can't be read".to_owned()))?;
    let now = i64::try_from(clock::now().seconds()).unwrap_or(i64::MAX);
    if end < now { Err(fail(file, "has a certificate that has expired".to_owned())) } else { Ok(end) }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let text = text(file)?;
    let certificates = CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<Vec<_>, _>>();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            Err(fail(file, "has no certificate in PEM".to_owned()))
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(fail(file, format!("is not PEM: {error}"))),
    }
}

fn key(file: &Path) -> Result<PrivateKeyDer<'static>, FileError> {
    let text = text(file)?;
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| match error {
        PemError::NoItemsFound => fail(file, "has no private key in PEM".to_owned()),
        // What it says of a line could be of the key.
        _ => fail(file, "is not PEM".to_owned()),
    })
}

fn text(file: &Path) -> Result<Zeroizing<String>, FileError> {
    let text = Zeroizing::new(files::read(file)?);
    if text.len() > FILE_MAX_BYTES {
        return Err(fail(file, format!("is longer than {FILE_MAX_BYTES} bytes")));
    }
    Ok(text)
}

fn fail(file: &Path, mistake: String) -> FileError {
    FileError { file: file.to_owned(), mistakes: vec![mistake] }
}
