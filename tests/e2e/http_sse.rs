//! HTTP+SSE, the transport of 2024-11-05: one stream for all answers, and an address for messages that the stream names.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::harness::{Backend, Client, Gate, GateOptions, KEY, PY1, PY2, TS1, TS2};

const POLICY: &str = "
format: 1
org: acme
tools:
  - {name: echo, default: allowed}
  - {name: slow_count, default: allowed}
  - {name: write_note, default: disabled}
  - {name: drop_table, enabled: false}
rules:
  - {id: drafts, tool: write_note, resource: /drafts, permission: requires_approval}
";

/// Every SDK that still speaks it.
fn clients() -> [Client; 4] {
    [PY1, PY2[0], TS1, TS2[0]].map(Client::over_http_and_sse)
}

fn gate(backend: &Backend, path: &str, policy: &str, approvals: bool) -> Gate {
    let backends = format!(
        "- {{name: old, kind: mcp, path: {path}, url: '{}', resource: {{argument: /path}}}}",
        backend.url
    );
    Gate::start(&GateOptions { backends, policy, approvals, ..GateOptions::default() })
}

fn steps() -> Value {
    json!([
        {"do": "list"},
        {"do": "call", "tool": "echo", "arguments": {"payload": {"deep": [1, "zwei", null]}}},
        {"do": "call", "tool": "slow_count", "arguments": {"n": 3, "delay_ms": 100}},
        {"do": "call_parallel", "calls": [
            {"tool": "echo", "arguments": {"payload": 1}},
            {"tool": "slow_count", "arguments": {"n": 2, "delay_ms": 100}},
            {"tool": "echo", "arguments": {"payload": 2}}
        ]},
        {"do": "call", "tool": "write_note", "arguments": {"path": "/a", "text": "x"}},
        {"do": "call", "tool": "drop_table", "arguments": {"table": "users"}},
    ])
}

fn tools_called(backend: &Backend) -> Vec<String> {
    let tool = |line: &Value| line["tool"].as_str().map(str::to_owned);
    backend.log().iter().filter_map(tool).collect()
}

/// What every client sees of [`POLICY`], over either server.
fn check(client: Client, backend: &Backend, gate: &Gate, path: &str) {
    let before = tools_called(backend).len();
    let lines = client.run(gate, path, &steps());
    assert_eq!(lines.len(), 7, "{client:?}: {lines:?}");
    let listed: Vec<&str> =
        lines[1]["tools"].as_array().unwrap().iter().map(|tool| tool.as_str().unwrap()).collect();
    assert!(listed.contains(&"echo") && listed.contains(&"write_note"), "{client:?}: {listed:?}");
    assert!(!listed.contains(&"drop_table"), "{client:?}: {listed:?}");
    assert!(lines[2]["text"].as_str().unwrap().contains("zwei"), "{client:?}: {lines:?}");
    // The TypeScript SDK loses progress that comes in one piece with the answer, as the last may.
    let progress = lines[3]["progress"].as_array().unwrap();
    assert_eq!(progress[..2], ["step 1 of 3", "step 2 of 3"], "{client:?}: {lines:?}");
    let results = lines[4]["results"].as_array().unwrap();
    let texts: Vec<&str> = results.iter().map(|result| result["text"].as_str().unwrap()).collect();
    assert_eq!(texts, ["1", "counted to 2", "2"], "{client:?}");
    // A refused call is told in the stream, as a tool result.
    assert_eq!(lines[5]["is_error"], true, "{client:?}: {lines:?}");
    assert!(lines[5]["text"].as_str().unwrap().starts_with("Not executed"), "{client:?}: {lines:?}");
    assert_eq!(lines[5]["meta"]["oakgate.dev/verdict"]["permission"], "disabled", "{client:?}: {lines:?}");
    // A hidden one is like one that does not exist.
    assert_eq!(lines[6]["protocol_error"]["code"], -32602, "{client:?}: {lines:?}");
    let mut called = tools_called(backend)[before..].to_vec();
    called.sort();
    assert_eq!(called, ["echo", "echo", "echo", "slow_count", "slow_count"], "{client:?}");
    let log = backend.log();
    let call = log.iter().rfind(|line| line["tool"].is_string()).unwrap();
    assert!(call["headers"]["oakgate-receipt"].is_string(), "{client:?}: {call}");
    assert!(call["headers"]["x-api-key"].is_null(), "{client:?}: {call}");
}

#[test]
fn the_ends_work_without_the_proxy() {
    for backend in [Backend::http_and_sse(&[]), Backend::features_typescript(&["--transport", "sse"])] {
        for client in clients() {
            let lines = client.run_at(&backend.url, KEY, &steps());
            assert_eq!(lines.len(), 7, "{client:?}: {lines:?}");
            assert!(lines[6]["text"].as_str().unwrap().starts_with("dropped"), "{client:?}: {lines:?}");
        }
    }
}

#[test]
fn a_python_server_is_governed() {
    let backend = Backend::http_and_sse(&[]);
    let gate = gate(&backend, "/mcp/old", POLICY, false);
    for client in clients() {
        check(client, &backend, &gate, "/mcp/old");
    }
}

#[test]
fn a_typescript_server_is_governed() {
    let backend = Backend::features_typescript(&["--transport", "sse"]);
    let gate = gate(&backend, "/mcp/old", &trusting(), false);
    for client in clients() {
        check(client, &backend, &gate, "/mcp/old");
    }
}

/// The policy for a server with further tools, which it leaves alone.
fn trusting() -> String {
    POLICY.replace("org: acme\n", "org: acme\nunlisted_tools: trust\n")
}

#[test]
fn the_stream_may_be_at_the_root() {
    let backend = Backend::http_and_sse(&["--root"]);
    let gate = gate(&backend, "/mcp/old", POLICY, false);
    check(PY1.over_http_and_sse(), &backend, &gate, "/mcp/old");
}

#[test]
fn what_a_server_asks_in_the_stream_is_answered() {
    let backend = Backend::features_typescript(&["--transport", "sse"]);
    let policy = "{format: 1, org: acme, unlisted_tools: trust, rules: [{id: all, permission: allowed}]}";
    let gate = gate(&backend, "/mcp/old", policy, false);
    let answers = json!({
        "elicitation/create": {"action": "accept", "content": {"colour": "red"}},
        "roots/list": {"roots": [{"uri": "file:///home"}]},
    });
    let steps = json!([
        {"do": "call", "tool": "ask_form", "answers": answers},
        {"do": "call", "tool": "ask_roots"},
        {"do": "call", "tool": "announce"},
        {"do": "wait_for", "notification": "notifications/tools/list_changed"},
        {"do": "pages", "method": "resources/list"},
    ]);
    for client in clients() {
        let lines = client.run(&gate, "/mcp/old", &steps);
        assert_eq!(lines[1]["text"], "the colour is red", "{client:?}: {lines:?}");
        assert_eq!(lines[2]["text"], "the roots are file:///home", "{client:?}: {lines:?}");
        assert_eq!(lines[4]["notification"]["method"], "notifications/tools/list_changed", "{client:?}");
        assert_eq!(lines[5]["pages"], json!([["first", "second"], ["third"]]), "{client:?}: {lines:?}");
    }
}

#[test]
fn a_person_approves_a_call_that_waits() {
    let backend = Backend::http_and_sse(&[]);
    let gate = Arc::new(gate(&backend, "/mcp/old", POLICY, true));
    for (place, client) in clients().into_iter().enumerate() {
        let waiting = std::thread::spawn({
            let gate = Arc::clone(&gate);
            let arguments = json!({"path": "/drafts", "text": "x".repeat(place + 1)});
            let steps = json!([{"do": "call", "tool": "write_note", "arguments": arguments}]);
            move || client.run(&gate, "/mcp/old", &steps)
        });
        let reference = gate.pending();
        assert_eq!(tools_called(&backend).len(), place, "{client:?}: nothing goes out before the decision");
        assert_eq!(gate.approvals(&["approve", &reference]).0, 0);
        let lines = waiting.join().unwrap();
        assert_eq!(lines[1]["is_error"], false, "{client:?}: {lines:?}");
        assert_eq!(tools_called(&backend).len(), place + 1, "{client:?}");
    }
}
