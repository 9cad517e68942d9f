//! HTTP/2 on a listener: real clients, the meaning of requests, wrong frames, floods.

mod floods;
mod frames;
mod malformed;

use crate::harness::{Backend, Gate, GateOptions};

const TRUSTING: &str =
    "{format: 1, org: acme, unlisted_tools: trust, rules: [{id: all, permission: allowed}]}";

/// A proxy in front of a REST backend that takes every path.
fn gate(backend: &Backend, limits: &str, listener: &str) -> Gate {
    let url = backend.url.trim_end_matches("/mcp");
    let backends = format!("- {{name: tools, kind: rest, path: /, url: '{url}'}}");
    let proxy = format!("limits: {{{limits}}}");
    Gate::start(&GateOptions { backends, policy: TRUSTING, listener, proxy: &proxy, approvals: false })
}

fn trusting(backend: &Backend) -> Gate {
    gate(backend, "", "")
}

fn reached(gate: &Gate, limit: &str) -> f64 {
    gate.metric(&format!("oakgate_limits_reached_total{{limit=\"{limit}\"}}"))
}
