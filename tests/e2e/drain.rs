//! Stopping: nothing that is under way is lost, and it is over as soon as nothing is left.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Backend, Connection, Gate, KEY, wait_for};

const POLICY: &str = "{format: 1, org: acme, tools: [{name: raw, default: allowed}, {name: write, default: requires_approval}]}";

fn call(gate: &Gate, tool: &str) -> Connection {
    let mut connection = Connection::open(&gate.address);
    let body =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool}}).to_string();
    connection.send("POST", "/mcp", &[("x-api-key", KEY)], body.as_bytes());
    connection
}

#[test]
fn calls_under_way_finish_and_held_ones_are_told_to_repeat() {
    let backend = Backend::raw(&["--sse", "--events", "10", "--interval-ms", "100"]);
    let mut gate = Gate::mcp_with_approvals(&backend.url, POLICY, "");
    let mut running = call(&gate, "raw");
    assert_eq!(running.head().status, 200);
    let mut held = call(&gate, "write");
    // A stream without an end of its own does not keep it from stopping.
    let mut listening = Connection::open(&gate.address);
    listening.send("GET", "/mcp", &[("x-api-key", KEY), ("accept", "text/event-stream")], b"");
    let reference = gate.pending();
    gate.program.signal("-TERM");
    let answer = held.answer().message();
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains(&reference) && text.contains("Repeat the same call"), "{text}");
    let mut chunks = 0;
    while running.chunk().is_some() {
        chunks += 1;
    }
    assert!(chunks >= 10, "{chunks}");
    let since = Instant::now();
    let status = wait_for("the end", || gate.program.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0), "{}", gate.program.errors().join("\n"));
    assert!(since.elapsed() < Duration::from_secs(5), "it does not wait out its limit when nothing is left");
    let outcomes: Vec<_> =
        gate.records().into_iter().filter(|record| record["record"] == "outcome").collect();
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    assert_eq!(outcomes[0]["outcome"], "success");
}

#[test]
fn it_announces_that_it_stops_before_it_does() {
    let backend = Backend::raw(&[]);
    let gate = Gate::mcp(&backend.url, POLICY);
    let folder = gate.folder;
    drop(gate.program);
    let file = folder.path().join("oakgate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("announce_seconds: 0", "announce_seconds: 2")).unwrap();
    let mut gate = Gate::start_in(folder, false);
    gate.program.signal("-TERM");
    wait_for("not ready", || (gate.admin("/readyz").status == 503).then_some(()));
    assert_eq!(call(&gate, "raw").answer().status, 200, "calls that come all the same are served");
    let status = wait_for("the end", || gate.program.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}
