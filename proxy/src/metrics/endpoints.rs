//! Metrics of backends' endpoints.

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec, Registry};

use super::{counters, gauges};

/// Endpoints of all backends.
#[derive(Debug)]
pub(crate) struct Endpoints {
    pub(crate) up: IntGaugeVec,
    pub(crate) calls: IntGaugeVec,
    ejections: IntCounterVec,
    panics: IntCounterVec,
    failovers: IntCounterVec,
    lookups: IntCounterVec,
    checks: IntCounterVec,
    limits_reached: IntCounterVec,
}

/// What is counted of one backend's endpoints.
#[derive(Debug)]
pub(crate) struct EndpointCounters {
    pub(crate) ejections: IntCounter,
    pub(crate) panics: IntCounter,
    pub(crate) failovers: IntCounter,
    pub(crate) found: IntCounter,
    pub(crate) not_found: IntCounter,
    pub(crate) good_checks: IntCounter,
    pub(crate) failed_checks: IntCounter,
    pub(crate) too_many: IntCounter,
}

impl Endpoints {
    pub(super) fn new(r: &Registry, limits_reached: &IntCounterVec) -> Result<Self, prometheus::Error> {
        let up = "1 if calls go to the endpoint, 0 while it is left out";
        let panics = "Calls made while every endpoint was left out";
        let failovers = "Calls whose first endpoint took no connection";
        let result = &["backend", "result"];
        Ok(Self {
            up: gauges(r, "backend_endpoint_up", up, &["backend", "endpoint"])?,
            calls: gauges(r, "backend_calls", "Calls and streams under way", &["backend"])?,
            ejections: counters(r, "backend_ejections_total", "Endpoints left out", &["backend"])?,
            panics: counters(r, "backend_panics_total", panics, &["backend"])?,
            failovers: counters(r, "backend_failovers_total", failovers, &["backend"])?,
            lookups: counters(r, "backend_lookups_total", "Lookups of names", result)?,
            checks: counters(r, "backend_checks_total", "Active checks of endpoints", result)?,
            limits_reached: limits_reached.clone(),
        })
    }

    /// The counters of one backend.
    pub(crate) fn of(&self, backend: &str) -> EndpointCounters {
        EndpointCounters {
            ejections: self.ejections.with_label_values(&[backend]),
            panics: self.panics.with_label_values(&[backend]),
            failovers: self.failovers.with_label_values(&[backend]),
            found: self.lookups.with_label_values(&[backend, "found"]),
            not_found: self.lookups.with_label_values(&[backend, "failed"]),
            good_checks: self.checks.with_label_values(&[backend, "good"]),
            failed_checks: self.checks.with_label_values(&[backend, "failed"]),
            too_many: self.limits_reached.with_label_values(&["max_endpoints_per_backend"]),
        }
    }
}
