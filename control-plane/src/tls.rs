//! TLS on the API, with a certificate that can be exchanged while it serves.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus::{IntCounterVec, IntGauge, Opts};
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::metrics::Metrics;

/// How long a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// TLS as the API speaks it. Every clone has the same certificate, which can be exchanged while it is used: new connections
/// get the new one, and open ones go on.
#[derive(Clone, Debug)]
pub struct ServerTls {
    config: Arc<ArcSwap<ServerConfig>>,
    loads: IntCounterVec,
    expiry: IntGauge,
    handshakes: IntCounterVec,
}

impl ServerTls {
    /// With the certificate in `config`, which ends then.
    ///
    /// # Errors
    /// [`prometheus::Error`] if its metrics could not be made.
    pub fn new(config: ServerConfig, expires_unix_seconds: i64) -> Result<Self, prometheus::Error> {
        let counters = |name: &str, help: &str| IntCounterVec::new(Opts::new(name, help), &["result"]);
        let tls = Self {
            config: Arc::new(ArcSwap::from_pointee(config)),
            loads: counters("oakgate_control_tls_loads_total", "Loads of the API's certificate and key.")?,
            expiry: IntGauge::new(
                "oakgate_control_certificate_expiry_timestamp_seconds",
                "When the API's certificate ends.",
            )?,
            handshakes: counters("oakgate_control_tls_handshakes_total", "TLS handshakes of clients.")?,
        };
        tls.loaded(expires_unix_seconds);
        tls.loads.with_label_values(&["refused"]).inc_by(0);
        Ok(tls)
    }

    /// Serves new connections with this from now on.
    pub fn replace(&self, config: ServerConfig, expires_unix_seconds: i64) {
        self.config.store(Arc::new(config));
        self.loaded(expires_unix_seconds);
    }

    /// Counts files that did not load.
    pub fn count_refused(&self) {
        self.loads.with_label_values(&["refused"]).inc();
    }

    /// Shakes hands with a client. One that fails has been told why as far as TLS has words for it, and is counted.
    pub(crate) async fn handshake(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        let accepting = TlsAcceptor::from(self.config.load_full()).accept(stream);
        let (stream, result) = match timeout(HANDSHAKE_TIMEOUT, accepting).await {
            Ok(Ok(stream)) => (Some(stream), "done"),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                (None, "failed")
            }
            Err(_) => (None, "timeout"),
        };
        self.handshakes.with_label_values(&[result]).inc();
        stream
    }

    /// Adds its metrics.
    pub(crate) fn register(&self, metrics: &Metrics) -> Result<(), prometheus::Error> {
        metrics.add(self.loads.clone())?;
        metrics.add(self.expiry.clone())?;
        metrics.add(self.handshakes.clone())
    }

    fn loaded(&self, expires_unix_seconds: i64) {
        self.expiry.set(expires_unix_seconds);
        self.loads.with_label_values(&["loaded"]).inc();
    }
}
