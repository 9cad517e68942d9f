//! Metrics of the link to a control plane elsewhere, and of what comes over it.

use policy_sync::Subject;
use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGaugeVec, Registry};

use super::{counter, counters, gauges, registered};

/// Seconds: from a small change to a large policy on a busy machine.
const IN_FORCE_BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

/// The link, and what comes over it.
#[derive(Debug)]
pub(crate) struct Sync {
    pub(crate) dials: IntCounterVec,
    pub(crate) documents: IntCounterVec,
    pub(crate) bundle_fetches: IntCounterVec,
    revisions: IntGaugeVec,
    pub(crate) age_seconds: IntGaugeVec,
    pub(crate) in_force_seconds: Histogram,
    pub(crate) last_known_good_loads: IntCounterVec,
    pub(crate) last_known_good_failures: IntCounter,
}

impl Sync {
    pub(super) fn new(r: &Registry) -> Result<Self, prometheus::Error> {
        let dials = "Tries to open the link to the control plane, by how they ended";
        let documents = "Documents that the control plane sent, or a bundle brought, by what became of them";
        let fetches = "Times that the policy bundle was asked for, by how they ended";
        let age = "Seconds since a document in force was last known to be what the control plane has";
        let loads = "Last known good documents at the start, by what became of them";
        let failures = "Times that a document in force could not be kept on the disk";
        let seconds = HistogramOpts::new(
            "oakgate_document_in_force_seconds",
            "From the first message that brings a document until it is in force",
        );
        Ok(Self {
            dials: counters(r, "link_dials_total", dials, &["result"])?,
            documents: counters(r, "documents_total", documents, &["subject", "outcome"])?,
            bundle_fetches: counters(r, "bundle_fetches_total", fetches, &["result"])?,
            revisions: gauges(r, "document_revision", "Revision of a document in force", &["subject"])?,
            age_seconds: gauges(r, "document_age_seconds", age, &["subject"])?,
            in_force_seconds: registered(
                r,
                Histogram::with_opts(seconds.buckets(IN_FORCE_BUCKETS.to_vec()))?,
            )?,
            last_known_good_loads: counters(r, "last_known_good_loads_total", loads, &["subject", "result"])?,
            last_known_good_failures: counter(r, "last_known_good_failures_total", failures)?,
        })
    }

    /// A document of this revision is in force.
    pub(crate) fn revision(&self, subject: Subject, revision: u64) {
        let revisions = self.revisions.with_label_values(&[subject.as_str()]);
        revisions.set(revision.try_into().unwrap_or(i64::MAX));
    }
}
