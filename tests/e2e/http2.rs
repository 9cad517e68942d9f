//! HTTP/2 on a listener: real clients, the meaning of requests, wrong frames, floods.

pub(crate) mod clients;
mod floods;
pub(crate) mod frames;
mod malformed;
mod requests;
mod sections;

use crate::harness::{Backend, Gate, GateOptions, wait_for};

const TRUSTING: &str =
    "{format: 1, org: acme, unlisted_tools: trust, rules: [{id: all, permission: allowed}]}";

/// A proxy in front of a REST backend that takes every path.
fn gate(backend: &Backend, limits: &str, listener: &str) -> Gate {
    gate_with(backend, TRUSTING, limits, listener)
}

fn gate_with(backend: &Backend, policy: &str, limits: &str, listener: &str) -> Gate {
    let url = backend.url.trim_end_matches("/mcp");
    let backends = format!("- {{name: tools, kind: rest, path: /, url: '{url}'}}");
    let proxy = format!("limits: {{{limits}}}");
    Gate::start(&GateOptions { backends, policy, listener, proxy: &proxy, approvals: false })
}

fn trusting(backend: &Backend) -> Gate {
    gate(backend, "", "")
}

fn reached(gate: &Gate, limit: &str) -> f64 {
    gate.metric(&format!("oakgate_limits_reached_total{{limit=\"{limit}\"}}"))
}

/// Waits until a metric has a value: a client may hear of what it did before it is counted.
fn counts(gate: &Gate, metric: &str, expected: f64) {
    let value = wait_for(metric, || Some(gate.metric(metric)).filter(|value| *value >= expected));
    assert_eq!(value, expected, "{metric}");
}

/// The same of the times that a limit was hit.
fn limited(gate: &Gate, limit: &str, expected: f64) {
    counts(gate, &format!("oakgate_limits_reached_total{{limit=\"{limit}\"}}"), expected);
}
