//! What a control plane counts.

mod sync;

use std::time::Duration;

use policy::UnixMillis;
use policy::approval::State;
use policy_sync::Refusal;
use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::store::{Answer, Live};
use sync::SyncMetrics;

pub(crate) use sync::refusal;

/// Counters and gauges, all in one registry of their own.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    transitions: IntCounterVec,
    refusals: IntCounterVec,
    decisions: IntCounterVec,
    redemptions: IntCounterVec,
    nonces_swept: IntCounter,
    activity_swept: IntCounter,
    revisions_pruned: IntCounter,
    drafts_stored: IntCounter,
    drafts_refused: IntCounterVec,
    live: IntGaugeVec,
    oldest_pending_seconds: IntGauge,
    checks: IntCounterVec,
    activity_group: Histogram,
    activity_queued: IntGauge,
    activity_failures: IntCounter,
    policies_compiled: IntCounter,
    policies_refused: IntCounter,
    policy_turn_seconds: Histogram,
    unauthenticated: IntCounter,
    limits_reached: IntCounterVec,
    holders: IntGaugeVec,
    /// Of links to proxies.
    pub(crate) sync: SyncMetrics,
    links: IntGauge,
    links_ended: IntCounterVec,
    links_refused: IntCounter,
}

impl Metrics {
    #[expect(clippy::too_many_lines, reason = "one metric after the other")]
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let new = Registering(Registry::new());
        Ok(Self {
            transitions: new.counters(
                "oakgate_approval_transitions_total",
                "Approvals that entered a state.",
                "state",
            )?,
            refusals: new.counters(
                "oakgate_approval_refusals_total",
                "Calls for which no approval could be opened.",
                "reason",
            )?,
            decisions: new.counters(
                "oakgate_approval_decisions_total",
                "Decisions of people.",
                "decision",
            )?,
            redemptions: new.counters(
                "oakgate_redemptions_total",
                "Receipts presented to be redeemed, by what became of them.",
                "result",
            )?,
            nonces_swept: new.counter(
                "oakgate_nonces_swept_total",
                "Nonces removed because their receipts are too old to be used.",
            )?,
            activity_swept: new.counter(
                "oakgate_activity_swept_total",
                "Records of activity removed because they are older than they are kept.",
            )?,
            revisions_pruned: new.counter(
                "oakgate_revisions_pruned_total",
                "Revisions of policies removed because there was no more room for them.",
            )?,
            drafts_stored: new.counter("oakgate_drafts_stored_total", "Tools that became drafts.")?,
            drafts_refused: new.counters(
                "oakgate_drafts_refused_total",
                "Tools that were seen and did not become drafts.",
                "reason",
            )?,
            live: new.gauges("oakgate_approvals", "Approvals that have not ended, by state.", "state")?,
            oldest_pending_seconds: new.gauge(
                "oakgate_approval_oldest_pending_seconds",
                "How long the oldest pending approval has waited; 0 if there is none.",
            )?,
            checks: new.counters(
                "oakgate_permission_checks_total",
                "Permissions checked, by what was found.",
                "permission",
            )?,
            activity_queued: new.gauge(
                "oakgate_activity_queued",
                "Records of questions that wait for their commit; the questions for their answer.",
            )?,
            activity_failures: new.counter(
                "oakgate_activity_failures_total",
                "Questions that were not answered because they could not be recorded.",
            )?,
            policies_compiled: new
                .counter("oakgate_policies_compiled_total", "Times that a policy was compiled.")?,
            policies_refused: new.counter(
                "oakgate_policies_refused_total",
                "Changes of a policy that were refused for mistakes in it.",
            )?,
            policy_turn_seconds: new.histogram(
                "oakgate_policy_turn_seconds",
                "How long a policy waited for its turn to be compiled or compared.",
                &[0.001, 0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0],
            )?,
            unauthenticated: new.counter(
                "oakgate_api_unauthenticated_total",
                "Requests to the API that came with no good credential.",
            )?,
            limits_reached: new.counters(
                "oakgate_api_limits_reached_total",
                "Times that a limit of the API was reached.",
                "limit",
            )?,
            links: new.gauge("oakgate_links", "Proxies that are connected.")?,
            links_ended: new.counters(
                "oakgate_links_ended_total",
                "Links to proxies that ended, by how.",
                "how",
            )?,
            links_refused: new.counter(
                "oakgate_links_refused_total",
                "Proxies that were not connected because too many are.",
            )?,
            holders: new.gauges("oakgate_holders", "Holders whose keys are good, by tier.", "tier")?,
            activity_group: new.histogram(
                "oakgate_activity_group_records",
                "Records of questions in one commit.",
                &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0],
            )?,
            sync: SyncMetrics::new(&new)?,
            registry: new.0,
        })
    }

    /// Adds a metric that its owner keeps.
    pub(crate) fn add(&self, metric: impl Collector + 'static) -> Result<(), prometheus::Error> {
        self.registry.register(Box::new(metric))
    }

    pub(crate) fn entered(&self, state: &State) {
        self.transitions.with_label_values(&[state.as_str()]).inc();
    }

    pub(crate) fn refused(&self, why: Refusal) {
        let reason = match why {
            Refusal::Foreign => "foreign",
            Refusal::NoApprover => "no_approver",
            Refusal::TooManyPending => "too_many_pending",
            Refusal::StoreFailed => "store_failed",
        };
        self.refusals.with_label_values(&[reason]).inc();
    }

    pub(crate) fn decided(&self, answer: Answer) {
        self.decisions.with_label_values(&[answer.as_str()]).inc();
    }

    /// A check of a permission was answered.
    pub(crate) fn checked(&self, permission: &str) {
        self.checks.with_label_values(&[permission]).inc();
    }

    /// A group of records was written.
    pub(crate) fn recorded(&self, records: usize) {
        self.activity_group.observe(f64::from(u32::try_from(records).unwrap_or(u32::MAX)));
    }

    /// A question could not be recorded.
    pub(crate) fn not_recorded(&self) {
        self.activity_failures.inc();
    }

    /// How many groups of records were written.
    #[cfg(test)]
    pub(crate) fn groups(&self) -> u64 {
        self.activity_group.get_sample_count()
    }

    /// How many questions could not be recorded.
    #[cfg(test)]
    pub(crate) fn failures(&self) -> u64 {
        self.activity_failures.get()
    }

    /// How many records wait now.
    pub(crate) fn set_queued(&self, records: usize) {
        self.activity_queued.set(i64::try_from(records).unwrap_or(i64::MAX));
    }

    /// `result`: `redeemed`, `unavailable`, or the name of a refusal.
    pub(crate) fn redemption(&self, result: &str) {
        self.redemptions.with_label_values(&[result]).inc();
    }

    pub(crate) fn swept_nonces(&self, count: u64) {
        self.nonces_swept.inc_by(count);
    }

    pub(crate) fn swept_activity(&self, count: u64) {
        self.activity_swept.inc_by(count);
    }

    pub(crate) fn pruned_revisions(&self, count: u64) {
        self.revisions_pruned.inc_by(count);
    }

    pub(crate) fn draft_stored(&self) {
        self.drafts_stored.inc();
    }

    /// So many tools did not become drafts.
    pub(crate) fn drafts_refused(&self, reason: &'static str, count: usize) {
        self.drafts_refused.with_label_values(&[reason]).inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    pub(crate) fn policy_compiled(&self) {
        self.policies_compiled.inc();
    }

    /// A policy waited for its turn.
    pub(crate) fn policy_waited(&self, waited: Duration) {
        self.policy_turn_seconds.observe(waited.as_secs_f64());
    }

    pub(crate) fn policy_refused(&self) {
        self.policies_refused.inc();
    }

    /// A request came with no good credential.
    pub(crate) fn unauthenticated(&self) {
        self.unauthenticated.inc();
    }

    /// Counts limits that are reached, by their names.
    pub(crate) const fn limits_reached(&self) -> &IntCounterVec {
        &self.limits_reached
    }

    /// A limit is reached.
    pub(crate) fn limit_reached(&self, limit: &str) {
        self.limits_reached.with_label_values(&[limit]).inc();
    }

    /// How many proxies are connected now.
    pub(crate) fn set_links(&self, links: usize) {
        self.links.set(i64::try_from(links).unwrap_or(i64::MAX));
    }

    /// `how`: `closed`, `replaced` or `not_read`.
    pub(crate) fn link_ended(&self, how: &'static str) {
        self.links_ended.with_label_values(&[how]).inc();
    }

    /// A proxy was not connected because too many are.
    pub(crate) fn link_refused(&self) {
        self.links_refused.inc();
    }

    /// How many holders of each tier are good now.
    pub(crate) fn set_holders(&self, tiers: &[(String, u64)]) {
        self.holders.reset();
        for (tier, count) in tiers {
            self.holders.with_label_values(&[tier]).set(i64::try_from(*count).unwrap_or(i64::MAX));
        }
    }

    /// Everything as Prometheus text, with what is alive now.
    pub(crate) fn text(&self, live: &Live, now: UnixMillis) -> Result<String, prometheus::Error> {
        let gauge = |state: &str, count: u64| {
            self.live.with_label_values(&[state]).set(i64::try_from(count).unwrap_or(i64::MAX));
        };
        gauge("pending", live.pending);
        gauge("approved", live.approved);
        let waited_ms = live.oldest_pending_at.map_or(0, |since| now.0.saturating_sub(since.0));
        self.oldest_pending_seconds.set(i64::try_from(waited_ms / 1000).unwrap_or(i64::MAX));
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// Makes metrics that are in its registry.
struct Registering(Registry);

impl Registering {
    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.registered(IntCounter::new(name, help)?)
    }

    fn counters(&self, name: &str, help: &str, label: &str) -> Result<IntCounterVec, prometheus::Error> {
        self.registered(IntCounterVec::new(Opts::new(name, help), &[label])?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.registered(IntGauge::new(name, help)?)
    }

    fn gauges(&self, name: &str, help: &str, label: &str) -> Result<IntGaugeVec, prometheus::Error> {
        self.registered(IntGaugeVec::new(Opts::new(name, help), &[label])?)
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, prometheus::Error> {
        self.registered(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?)
    }

    fn registered<M: Collector + Clone + 'static>(&self, metric: M) -> Result<M, prometheus::Error> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}
