//! How the control plane is connected to: directly, over TLS where its URL says so, and not for ever.

use std::sync::Arc;
use std::time::Duration;

use ureq::Error;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::cli::ServerOptions;
use crate::exit::Failure;

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an answer may take to begin, and then to be read.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn agent(server: &ServerOptions) -> Result<ureq::Agent, Failure> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        // A credential goes to the control plane, and nowhere else.
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(ANSWER_TIMEOUT))
        .timeout_recv_body(Some(ANSWER_TIMEOUT));
    let config = if is_https(&server.url) { config.tls_config(tls(server)?) } else { config };
    Ok(config.build().into())
}

/// Whether the connection broke, so that nobody knows if the request was done.
pub(super) const fn is_broken(error: &Error) -> bool {
    matches!(error, Error::Io(_) | Error::Timeout(_) | Error::Protocol(_) | Error::ConnectionFailed)
}

/// The same, but for connections that never were.
pub(super) fn may_have_arrived(error: &Error) -> bool {
    match error {
        Error::Io(error) => error.kind() != std::io::ErrorKind::ConnectionRefused,
        Error::Timeout(timeout) => !matches!(timeout, ureq::Timeout::Connect | ureq::Timeout::Resolve),
        Error::ConnectionFailed => false,
        error => is_broken(error),
    }
}

/// Whether it says how to connect.
pub(super) fn is_url(url: &str) -> bool {
    begins(url, "http://") || is_https(url)
}

fn is_https(url: &str) -> bool {
    begins(url, "https://")
}

fn begins(url: &str, scheme: &str) -> bool {
    url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// Trusts the authorities of the system, or those of a file alone.
fn tls(server: &ServerOptions) -> Result<TlsConfig, Failure> {
    let roots = match &server.ca_file {
        Some(file) => {
            let fail = |why: String| Failure::Input(format!("{}: {why}", file.display()));
            let pem = std::fs::read(file).map_err(|error| fail(format!("can't be read: {error}")))?;
            let read = ureq::tls::parse_pem(&pem).filter_map(|item| match item {
                Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(Ok(certificate)),
                Ok(_) => None,
                Err(error) => Some(Err(error)),
            });
            let roots: Vec<_> =
                read.collect::<Result<_, _>>().map_err(|error| fail(format!("not PEM: {error}")))?;
            if roots.is_empty() {
                return Err(fail("holds no certificate".to_owned()));
            }
            roots
        }
        None => {
            let found = rustls_native_certs::load_native_certs().certs;
            found.iter().map(|der| Certificate::from_der(der).to_owned()).collect()
        }
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(provider)
        .build())
}
