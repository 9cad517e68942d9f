//! From the files of a listener to TLS that can be served.

use std::sync::Arc;

use config::{Listener, Tls};
use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use watched_files::{FileError, PemFile, ServerCertificate};

use super::{Authorities, ByListener, HTTP1, HTTP2, ListenerTls};
use crate::clock;

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
    let now = i64::try_from(clock::now().seconds()).unwrap_or(i64::MAX);
    let own = ServerCertificate::load(&tls.cert_file, &tls.key_file, now)?;
    let expires_unix_seconds = own.expires_unix_seconds;
    let authorities = tls.client_ca_file.as_deref().map(|file| {
        let before = before.and_then(|before| before.authorities.as_ref());
        let file = PemFile::read(file)?;
        Authorities::new(file.certificates()?, listener.auth.needs_certificate(), &provider, before)
            .map_err(|error| file.fail(error.to_string()))
    });
    let authorities = authorities.transpose()?;
    let verifier =
        authorities.as_ref().map_or_else(WebPkiClientVerifier::no_client_auth, |known| known.verifier());
    let spoken: &[&[u8]] = if listener.http2 { &[HTTP2, HTTP1] } else { &[HTTP1] };
    let server = own.serve(provider, verifier, spoken)?;
    Ok(ListenerTls { server: Arc::new(server), authorities, expires_unix_seconds })
}
