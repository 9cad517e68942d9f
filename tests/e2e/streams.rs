//! Streams without an end: they hear of a change of policy, and end with their caller's key.

use serde_json::{Value, json};

use crate::harness::{Backend, Connection, Gate, GateOptions, KEY, wait_for};

const POLICY: &str = "{format: 1, org: acme, rules: [{id: all, permission: allowed}]}";
const STRICTER: &str = "{format: 1, org: acme, rules: [{id: all, permission: disabled}]}";

fn gate(backend: &Backend, listener: &'static str) -> Gate {
    let backends = format!("- {{name: tools, kind: mcp, path: /mcp, url: '{}'}}", backend.url);
    Gate::start(&GateOptions { backends, policy: POLICY, listener, ..GateOptions::default() })
}

/// Opens a stream.
fn open(gate: &Gate, method: &str, headers: &[(&str, &str)], body: &str) -> Connection {
    let mut connection = Connection::open(&gate.address);
    let mut all = vec![
        ("x-api-key", KEY),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ];
    all.extend_from_slice(headers);
    connection.send(method, "/mcp", &all, body.as_bytes());
    let head = connection.head();
    assert_eq!(head.status, 200, "{head:?}");
    connection
}

/// The next message in a stream; `None` at its end.
fn message(stream: &mut Connection) -> Option<Value> {
    loop {
        let chunk = String::from_utf8(stream.chunk()?).unwrap();
        let data = chunk.lines().filter_map(|line| line.strip_prefix("data: ")).find(|data| !data.is_empty());
        if let Some(data) = data {
            return Some(serde_json::from_str(data).unwrap());
        }
    }
}

fn session(gate: &Gate) -> String {
    let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    gate.post(&initialize.to_string()).header("mcp-session-id").unwrap().to_owned()
}

fn listen(id: &str, tools: bool) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": "subscriptions/listen", "params": {
        "notifications": {"toolsListChanged": tools, "promptsListChanged": true},
        "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {}}}})
    .to_string()
}

#[test]
fn a_change_of_policy_is_told_to_open_streams() {
    let backend = Backend::everything();
    let gate = gate(&backend, "");
    let session = session(&gate);
    let mut stream = open(&gate, "GET", &[("mcp-session-id", &session)], "");
    gate.change_policy(STRICTER);
    assert_eq!(message(&mut stream).unwrap()["method"], "notifications/tools/list_changed");
    gate.change_policy(POLICY);
    assert_eq!(message(&mut stream).unwrap()["method"], "notifications/tools/list_changed");
}

#[test]
fn a_subscription_hears_of_tools_if_it_asked_to() {
    let backend = Backend::mcp();
    let gate = gate(&backend, "");
    let modern = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "subscriptions/listen")];
    let mut tools = open(&gate, "POST", &modern, &listen("a", true));
    let mut others = open(&gate, "POST", &modern, &listen("b", false));
    for stream in [&mut tools, &mut others] {
        assert_eq!(message(stream).unwrap()["method"], "notifications/subscriptions/acknowledged");
    }
    gate.change_policy(STRICTER);
    let changed = message(&mut tools).unwrap();
    assert_eq!(changed["method"], "notifications/tools/list_changed");
    assert_eq!(changed["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "a");
    // The other stream goes on and has heard nothing: the next thing in it is its end.
    gate.program.signal("-TERM");
    assert_eq!(message(&mut others), None);
}

#[test]
fn a_list_that_policy_does_not_touch_does_not_change_with_it() {
    let backend = Backend::everything();
    let gate = gate(&backend, "list: 'off'");
    let session = session(&gate);
    let mut stream = open(&gate, "GET", &[("mcp-session-id", &session)], "");
    gate.change_policy(STRICTER);
    gate.program.signal("-TERM");
    assert_eq!(message(&mut stream), None);
}

#[test]
fn a_stream_ends_with_its_key() {
    let backend = Backend::everything();
    let gate = gate(&backend, "");
    let session = session(&gate);
    let mut stream = open(&gate, "GET", &[("mcp-session-id", &session)], "");
    std::fs::write(gate.path("keys.yaml"), "[]").unwrap();
    assert_eq!(message(&mut stream), None);
    wait_for("the connection's end", || (gate.metric("oakgate_keys") == 0.0).then_some(()));
}
