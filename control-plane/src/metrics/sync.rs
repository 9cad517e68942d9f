//! What is counted of links to proxies.

use policy_sync::{AckOutcome, Form, RefusedWhy, Subject};
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge};

use super::Registering;

/// Counters and gauges of links.
#[derive(Clone, Debug)]
pub(crate) struct SyncMetrics {
    links: IntGauge,
    closed: IntCounterVec,
    publications: IntCounterVec,
    publication_seconds: Histogram,
    documents: IntCounterVec,
    sent_bytes: IntCounter,
    acks: IntCounterVec,
    ahead: IntCounterVec,
    audit_records: IntCounter,
}

impl SyncMetrics {
    pub(super) fn new(new: &Registering) -> Result<Self, prometheus::Error> {
        Ok(Self {
            links: new.gauge("oakgate_sync_links", "WebSockets of proxies that are open.")?,
            closed: new.counters(
                "oakgate_sync_links_closed_total",
                "WebSockets of proxies that ended, by why.",
                "reason",
            )?,
            publications: new.counters(
                "oakgate_publications_total",
                "Documents made for linked proxies, once for all of an organisation.",
                "subject",
            )?,
            publication_seconds: new.histogram(
                "oakgate_publication_seconds",
                "From the moment that a revision was made to the moment that links send it.",
                &[0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 30.0],
            )?,
            documents: new.counters(
                "oakgate_documents_sent_total",
                "Documents sent to proxies, by how: as a delta or as a snapshot.",
                "form",
            )?,
            sent_bytes: new.counter("oakgate_sync_sent_bytes_total", "Bytes of messages sent to proxies.")?,
            acks: new.counters(
                "oakgate_document_acks_total",
                "What became of documents at proxies.",
                "outcome",
            )?,
            ahead: new.counters(
                "oakgate_proxies_ahead_total",
                "Links of proxies that have what this store never had.",
                "subject",
            )?,
            audit_records: new
                .counter("oakgate_proxy_audit_records_total", "Audit records of proxies that were stored.")?,
        })
    }

    pub(crate) fn opened(&self) {
        self.links.inc();
    }

    pub(crate) fn closed(&self, reason: &str) {
        self.links.dec();
        self.closed.with_label_values(&[reason]).inc();
    }

    /// A document was made, so many milliseconds after its revision, if that counts.
    pub(crate) fn published(&self, subject: Subject, after_ms: Option<u64>) {
        self.publications.with_label_values(&[subject.as_str()]).inc();
        if let Some(after_ms) = after_ms.and_then(|ms| u32::try_from(ms).ok()) {
            self.publication_seconds.observe(f64::from(after_ms) / 1000.0);
        }
    }

    pub(crate) fn sending(&self, form: Form) {
        let form = match form {
            Form::Delta => "delta",
            Form::Snapshot => "snapshot",
        };
        self.documents.with_label_values(&[form]).inc();
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.sent_bytes.inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    pub(crate) fn acked(&self, outcome: &AckOutcome) {
        let outcome = match outcome {
            AckOutcome::InForce => "in_force",
            AckOutcome::Refused(why) => refusal(why),
        };
        self.acks.with_label_values(&[outcome]).inc();
    }

    pub(crate) fn ahead(&self, subject: Subject) {
        self.ahead.with_label_values(&[subject.as_str()]).inc();
    }

    pub(crate) fn audited(&self, records: usize) {
        self.audit_records.inc_by(u64::try_from(records).unwrap_or(u64::MAX));
    }
}

/// The name of the reason for which a proxy does not take a document.
pub(crate) const fn refusal(why: &RefusedWhy) -> &'static str {
    match why {
        RefusedWhy::Signature => "signature",
        RefusedWhy::Header => "header",
        RefusedWhy::OtherOrg => "other_org",
        RefusedWhy::NotNewer => "not_newer",
        RefusedWhy::TooLong => "too_long",
        RefusedWhy::Delta => "delta",
        RefusedWhy::Text => "text",
        RefusedWhy::Mistakes(_) => "mistakes",
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_metric_of_links_is_described() {
        let described = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md"));
        let names = include_str!("sync.rs")
            .split('"')
            .filter(|text| text.strip_prefix("oakgate").is_some_and(|rest| rest.len() > 1));
        let missing: Vec<_> = names.filter(|name| !described.contains(&format!("`{name}`"))).collect();
        assert!(missing.is_empty(), "docs/metrics.md lacks {missing:?}");
    }
}
