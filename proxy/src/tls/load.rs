//! From the files of a listener to TLS that can be served.

use std::sync::Arc;

use config::{Listener, Tls};
use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, version};
use rustls_pki_types::CertificateDer;

use super::peer_certificate::ends;
use super::{Authorities, ByListener, HTTP1, HTTP2, ListenerTls};
use crate::clock;
use crate::files::FileError;
use crate::pem::PemFile;

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
    let cert_file = PemFile::read(&tls.cert_file)?;
    let chain = cert_file.certificates()?;
    let expires_unix_seconds = check_end(&cert_file, &chain)?;
    let key = PemFile::read(&tls.key_file)?.key()?;
    let authorities = tls.client_ca_file.as_deref().map(|file| {
        let before = before.and_then(|before| before.authorities.as_ref());
        let file = PemFile::read(file)?;
        Authorities::new(file.certificates()?, listener.auth.needs_certificate(), &provider, before)
            .map_err(|error| file.fail(error.to_string()))
    });
    let authorities = authorities.transpose()?;
    let verifier =
        authorities.as_ref().map_or_else(WebPkiClientVerifier::no_client_auth, |known| known.verifier());
    let unusable = |error: rustls::Error| cert_file.fail(unusable(&error));
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
fn check_end(file: &PemFile<'_>, chain: &[CertificateDer<'_>]) -> Result<i64, FileError> {
    let own = chain.first().ok_or_else(|| file.fail("has no certificate".to_owned()))?;
    let end = ends(own).map_err(|_| file.fail("has a certificate that can't be read".to_owned()))?;
    let now = i64::try_from(clock::now().seconds()).unwrap_or(i64::MAX);
    if end < now { Err(file.fail("has a certificate that has expired".to_owned())) } else { Ok(end) }
}
