//! Metrics of backends and the connections to them.

use prometheus::{IntCounterVec, IntGaugeVec, Registry};

use super::{counters, gauges};

/// Backends.
#[derive(Debug)]
pub(crate) struct Backends {
    pub(crate) errors: IntCounterVec,
    pub(crate) connections: IntCounterVec,
    pub(crate) idle: IntGaugeVec,
    pub(crate) multiplexed: IntGaugeVec,
}

impl Backends {
    pub(super) fn new(r: &Registry) -> Result<Self, prometheus::Error> {
        let backend: &[&str] = &["backend"];
        Ok(Self {
            errors: counters(
                r,
                "backend_errors_total",
                "Calls that a backend failed",
                &["backend", "error"],
            )?,
            connections: counters(r, "backend_connections_total", "Connections opened", backend)?,
            idle: gauges(r, "backend_idle_connections", "Idle connections kept", backend)?,
            multiplexed: gauges(r, "backend_http2_connections", "HTTP/2 connections open", backend)?,
        })
    }
}
