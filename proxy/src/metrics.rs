//! Every metric of the proxy, registered in one place. `docs/metrics.md` describes each.

mod backends;
mod connections;
mod endpoints;
mod sync;

use prometheus::core::Collector;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

pub(crate) use backends::Backends;
pub(crate) use connections::{Connections, Tls};
pub(crate) use endpoints::{EndpointCounters, Endpoints};
pub(crate) use sync::Sync;

/// Seconds: from a tenth of a millisecond to ten seconds.
const PHASE_BUCKETS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];
/// Seconds: how long people take.
const HOLD_BUCKETS: [f64; 10] = [1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 14_400.0];

/// The metrics. Counters are atomics: any thread may touch them.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) calls: IntCounterVec,
    pub(crate) observed: IntCounterVec,
    pub(crate) candidate: IntCounterVec,
    pub(crate) refusals: IntCounterVec,
    pub(crate) transparent: IntCounterVec,
    pub(crate) phases: Phases,
    pub(crate) backends: Backends,
    pub(crate) endpoints: Endpoints,
    pub(crate) connections: Connections,
    pub(crate) tools_hidden: IntCounterVec,
    pub(crate) condition_faults: IntCounterVec,
    pub(crate) buffered_body_bytes: IntGauge,
    pub(crate) buffered_response_bytes: IntGauge,
    pub(crate) calls_under_way: IntGauge,
    pub(crate) refusals_unrecorded: IntCounter,
    pub(crate) limits_reached: IntCounterVec,
    pub(crate) http_sse_sessions: IntGauge,
    pub(crate) receipts: IntCounter,
    pub(crate) websockets: Websockets,
    pub(crate) files: Files,
    pub(crate) holds: Holds,
    pub(crate) audit: Audit,
    pub(crate) definitions: Definitions,
    pub(crate) tls: Tls,
    pub(crate) tokens: Tokens,
    pub(crate) sync: Sync,
}

/// What backends show of their tools.
#[derive(Debug)]
pub(crate) struct Definitions {
    pub(crate) changes: IntCounterVec,
    pub(crate) changed: IntGauge,
    pub(crate) discovered: IntCounterVec,
}

/// Callers' tokens, and their issuers' keys.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) verifications: IntCounterVec,
    pub(crate) remembered: IntGaugeVec,
    pub(crate) jwks_fetches: IntCounterVec,
    pub(crate) jwks_keys: IntGaugeVec,
    pub(crate) jwks_age_seconds: IntGaugeVec,
}

/// What the watched files say.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) policy_loaded: IntGauge,
    pub(crate) policy_revision: IntGauge,
    pub(crate) policy_age_seconds: Gauge,
    pub(crate) policy_too_old: IntGaugeVec,
    pub(crate) policy_rules: IntGauge,
    pub(crate) keys: IntGauge,
    pub(crate) loads: IntCounterVec,
    pub(crate) load_errors: IntGaugeVec,
}

/// Held calls.
#[derive(Debug)]
pub(crate) struct Holds {
    pub(crate) now: IntGauge,
    pub(crate) ended: IntCounterVec,
    pub(crate) seconds: Histogram,
    pub(crate) link_up: IntGauge,
}

/// WebSockets.
#[derive(Debug)]
pub(crate) struct Websockets {
    pub(crate) now: IntGauge,
    pub(crate) ended: IntCounterVec,
    pub(crate) bytes_to_backend: IntCounter,
    pub(crate) bytes_to_caller: IntCounter,
}

/// The audit record.
#[derive(Debug)]
pub(crate) struct Audit {
    pub(crate) intents: IntCounter,
    pub(crate) outcomes: IntCounter,
    pub(crate) bytes: IntGauge,
    pub(crate) dropped: IntCounter,
    pub(crate) failures: IntCounter,
}

/// How long each phase of a call took.
#[derive(Debug)]
pub(crate) struct Phases {
    pub(crate) read: Histogram,
    pub(crate) decide: Histogram,
    pub(crate) record: Histogram,
    pub(crate) backend: Histogram,
    pub(crate) total: Histogram,
}

/// Counts in a gauge for as long as it lives.
#[derive(Debug)]
pub(crate) struct Gauged(IntGauge);

impl Gauged {
    pub(crate) fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Gauged {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// Registers every metric. Fails only if two have one name.
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let r = Registry::new();
        let build = gauges(&r, "build_info", "Always 1; the version is a label", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let limits_reached = counters(&r, "limits_reached_total", "Times that a limit was hit", &["limit"])?;
        Ok(Self {
            calls: counters(&r, "calls_total", "Calls decided", &["backend", "kind", "verdict"])?,
            observed: counters(
                &r,
                "observed_total",
                "Calls forwarded only because of `mode: observe`",
                &["verdict"],
            )?,
            candidate: counters(
                &r,
                "candidate_total",
                "Calls that the candidate policy would decide otherwise",
                &["change"],
            )?,
            refusals: counters(&r, "refusals_total", "Requests refused, by reason", &["reason"])?,
            transparent: counters(
                &r,
                "transparent_total",
                "Requests that policy has no say in",
                &["backend"],
            )?,
            phases: Phases::new(&r)?,
            backends: Backends::new(&r)?,
            tools_hidden: counters(&r, "tools_hidden_total", "Tools taken out of lists", &["backend"])?,
            condition_faults: counters(
                &r,
                "condition_faults_total",
                "Conditions that failed at run time",
                &["rule"],
            )?,
            connections: Connections::new(&r)?,
            buffered_body_bytes: gauge(&r, "buffered_body_bytes", "Request bodies in memory")?,
            buffered_response_bytes: gauge(
                &r,
                "buffered_response_bytes",
                "Lists and events of backends in memory",
            )?,
            calls_under_way: gauge(&r, "calls_under_way", "Calls and open streams under way")?,
            refusals_unrecorded: counter(
                &r,
                "refusals_unrecorded_total",
                "Refusals for a rate or a limit that left no record",
            )?,
            endpoints: Endpoints::new(&r, &limits_reached)?,
            limits_reached,
            http_sse_sessions: gauge(&r, "http_sse_sessions", "Sessions of the old HTTP+SSE transport open")?,
            receipts: counter(&r, "receipts_total", "Receipts stamped")?,
            websockets: Websockets::new(&r)?,
            files: Files::new(&r)?,
            holds: Holds::new(&r)?,
            audit: Audit::new(&r)?,
            definitions: Definitions::new(&r)?,
            tls: Tls::new(&r)?,
            tokens: Tokens::new(&r)?,
            sync: Sync::new(&r)?,
            registry: r,
        })
    }

    /// All metrics in Prometheus' text format.
    pub(crate) fn text(&self) -> Result<String, prometheus::Error> {
        prometheus::TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

impl Phases {
    fn new(r: &Registry) -> Result<Self, prometheus::Error> {
        let options = HistogramOpts::new(
            "oakgate_phase_seconds",
            "Time of each phase of a call; holds are in the total",
        );
        let phases = registered(r, HistogramVec::new(options.buckets(PHASE_BUCKETS.to_vec()), &["phase"])?)?;
        let phase = |name| phases.with_label_values(&[name]);
        Ok(Self {
            read: phase("read"),
            decide: phase("decide"),
            record: phase("record"),
            backend: phase("backend"),
            total: phase("total"),
        })
    }
}

impl Tokens {
    fn new(r: &Registry) -> Result<Self, prometheus::Error> {
        let fetches = "Fetches of issuers' keys, by how they ended";
        let age = "Seconds since the issuer's keys were last fetched or read";
        Ok(Self {
            verifications: counters(
                r,
                "tokens_total",
                "Tokens presented, by what became of them",
                &["result"],
            )?,
            remembered: gauges(r, "tokens_remembered", "Verified tokens that are remembered", &["listener"])?,
            jwks_fetches: counters(r, "jwks_fetches_total", fetches, &["listener", "result"])?,
            jwks_keys: gauges(r, "jwks_keys", "Keys of the issuer that can verify tokens", &["listener"])?,
            jwks_age_seconds: gauges(r, "jwks_age_seconds", age, &["listener"])?,
        })
    }
}

impl Files {
    fn new(r: &Registry) -> Result<Self, prometheus::Error> {
        let age = "Seconds since the policy in force was last seen to be the one that its source has";
        let too_old = "1 while the policy in force is too old for calls of these tools";
        Ok(Self {
            policy_loaded: gauge(r, "policy_loaded", "1 once a policy is in force")?,
            policy_revision: gauge(r, "policy_revision", "Revision of the policy in force")?,
            policy_age_seconds: registered(r, Gauge::with_opts(named("policy_age_seconds", age))?)?,
            policy_too_old: gauges(r, "policy_too_old", too_old, &["class"])?,
            policy_rules: gauge(r, "policy_rules", "Rules of the policy in force")?,
            keys: gauge(r, "keys", "API keys known")?,
            loads: counters(r, "loads_total", "Loads of watched files", &["file", "result"])?,
            load_errors: gauges(
                r,
                "load_errors",
                "Mistakes in the newest version of a watched file",
                &["file"],
            )?,
        })
    }
}

impl Holds {
    fn new(r: &Registry) -> Result<Self, prometheus::Error> {
        let seconds = HistogramOpts::new("oakgate_hold_seconds", "How long held calls waited");
        Ok(Self {
            now: gauge(r, "holds", "Calls held now")?,
            ended: counters(r, "holds_ended_total", "Holds that ended, by how", &["outcome"])?,
            seconds: registered(r, Histogram::with_opts(seconds.buckets(HOLD_BUCKETS.to_vec()))?)?,
            link_up: gauge(r, "link_up", "1 while the control plane is reached")?,
        })
    }
}

impl Websockets {
    fn new(r: &Registry) -> Result<Self, prometheus::Error> {
        let bytes = counters(r, "websocket_bytes_total", "Bytes that passed in WebSockets", &["to"])?;
        Ok(Self {
            now: gauge(r, "websockets", "WebSockets open now")?,
            ended: counters(r, "websockets_ended_total", "WebSockets that ended, by how", &["how"])?,
            bytes_to_backend: bytes.with_label_values(&["backend"]),
            bytes_to_caller: bytes.with_label_values(&["caller"]),
        })
    }
}

impl Definitions {
    fn new(r: &Registry) -> Result<Self, prometheus::Error> {
        let changes = "Times that a tool's definition turned out not to be the accepted one";
        let discovered = "Tools that the policy does not list, and the control plane was told of or not";
        Ok(Self {
            changes: counters(r, "tool_definition_changes_total", changes, &["backend"])?,
            changed: gauge(r, "tools_changed", "Tools whose definition is not the accepted one")?,
            discovered: counters(r, "tools_discovered_total", discovered, &["backend", "result"])?,
        })
    }
}

impl Audit {
    fn new(r: &Registry) -> Result<Self, prometheus::Error> {
        let records = counters(r, "audit_records_total", "Audit records written", &["record"])?;
        Ok(Self {
            intents: records.with_label_values(&["intent"]),
            outcomes: records.with_label_values(&["outcome"]),
            bytes: gauge(r, "audit_bytes", "Bytes of audit records on this disk")?,
            dropped: counter(r, "audit_dropped_total", "Audit records dropped")?,
            failures: counter(r, "audit_failures_total", "Writes of audit records that failed")?,
        })
    }
}

fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn named(name: &str, help: &str) -> Opts {
    Opts::new(format!("oakgate_{name}"), help)
}

fn counter(r: &Registry, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
    registered(r, IntCounter::with_opts(named(name, help))?)
}

fn counters(
    r: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    registered(r, IntCounterVec::new(named(name, help), labels)?)
}

fn gauge(r: &Registry, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    registered(r, IntGauge::with_opts(named(name, help))?)
}

fn gauges(r: &Registry, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
    registered(r, IntGaugeVec::new(named(name, help), labels)?)
}
