//! TLS of the control plane's API: its files are read at the start, and again when they change or the system asks.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use control_plane::ServerTls;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::NoClientAuth;
use watched_files::{FileError, Look, ServerCertificate, Watch};

use crate::exit::Failure;

/// The API speaks HTTP/1.1 (ALPN, RFC 7301).
const HTTP1: &[u8] = b"http/1.1";

/// The files, and what serves with them.
#[derive(Debug)]
pub(crate) struct ApiTls {
    files: config::ControlTls,
    watch: Watch,
    tls: ServerTls,
}

impl ApiTls {
    /// Loads the files for the first time, if there are any.
    pub(crate) fn load(settings: &config::ControlPlane) -> Result<Option<Self>, Failure> {
        let Some(files) = settings.tls.clone() else { return Ok(None) };
        let watch = Watch::begin(&files.files());
        let (config, end) = read(&files).map_err(|error| Failure::Configuration(error.to_string()))?;
        let tls = ServerTls::new(config, end).map_err(|error| Failure::Fault(error.to_string()))?;
        Ok(Some(Self { files, watch, tls }))
    }

    /// What serves with the files, whichever version is loaded.
    pub(crate) fn tls(&self) -> ServerTls {
        self.tls.clone()
    }

    /// The files are loaded again although they have not changed.
    pub(crate) const fn demand(&mut self) {
        self.watch.demand();
    }

    /// Looks whether they are to be loaded again, and does so.
    pub(crate) fn look(&mut self) {
        if self.watch.look(&self.files.files()) != Look::Load {
            return;
        }
        match read(&self.files) {
            Ok((config, end)) => {
                self.tls.replace(config, end);
                tracing::info!(file = %self.files.cert_file.display(), "the API's certificate is loaded");
            }
            Err(error) => {
                self.tls.count_refused();
                tracing::error!(%error, "the API's certificate does not load; the one before stays");
            }
        }
    }
}

/// TLS, and when its certificate ends.
fn read(files: &config::ControlTls) -> Result<(ServerConfig, i64), FileError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let own = ServerCertificate::load(&files.cert_file, &files.key_file, now)?;
    let end = own.expires_unix_seconds;
    let config = own.serve(Arc::new(ring::default_provider()), Arc::new(NoClientAuth), &[HTTP1])?;
    Ok((config, end))
}
