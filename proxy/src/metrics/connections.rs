//! Metrics of clients' connections.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};

use super::{counter, counters, gauge, gauges};

/// Clients' connections.
#[derive(Debug)]
pub(crate) struct Connections {
    pub(crate) now: IntGauge,
    pub(crate) refused: IntCounter,
    pub(crate) open_files_limit: IntGauge,
    pub(crate) http2: IntGauge,
    pub(crate) http2_errors: IntCounterVec,
    pub(crate) preflights: IntCounter,
}

/// TLS on listeners.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) handshakes: IntCounterVec,
    pub(crate) expiry: IntGaugeVec,
}

impl Connections {
    pub(super) fn new(r: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            now: gauge(r, "connections", "Client connections open")?,
            refused: counter(r, "connections_refused_total", "Connections closed at the limit")?,
            open_files_limit: gauge(r, "open_files_limit", "Files that the process may have open")?,
            http2: gauge(r, "http2_connections", "Client connections open that speak HTTP/2")?,
            http2_errors: counters(
                r,
                "http2_errors_total",
                "Streams and connections ended for what a client sent in HTTP/2",
                &["scope", "code"],
            )?,
            preflights: counter(r, "preflights_total", "Preflights of web pages answered")?,
        })
    }
}

impl Tls {
    pub(super) fn new(r: &Registry) -> Result<Self, prometheus::Error> {
        let expiry = "When the certificate of a listener ends, in seconds since 1970";
        Ok(Self {
            handshakes: counters(r, "tls_handshakes_total", "TLS handshakes", &["listener", "result"])?,
            expiry: gauges(r, "certificate_expiry_timestamp_seconds", expiry, &["listener"])?,
        })
    }
}
