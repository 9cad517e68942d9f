//! Clients that others wrote, over HTTP/2.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};

use super::{TRUSTING, gate};
use crate::harness::{Backend, Gate, KEY, PY1, PY1_HTTP2, repository, tools, wait_for};

const POLICY: &str = "
format: 1
org: acme
tools:
  - {name: read_note, default: allowed}
  - {name: slow_count, default: allowed}
  - {name: write_note, default: requires_approval}
  - {name: drop_table, default: disabled}
";

/// Requests at once on one connection of Node's client.
fn node(url: &str, requests: &Value) -> Vec<Value> {
    node_with(&mut Command::new(tools().join("node/bin/node")), url, requests)
}

/// The same over `https`, with the authority in a file.
pub(crate) fn node_over_tls(authority: &Path, url: &str, requests: &Value) -> Vec<Value> {
    let mut command = Command::new(tools().join("node/bin/node"));
    node_with(command.env("NODE_EXTRA_CA_CERTS", authority), url, requests)
}

fn node_with(command: &mut Command, url: &str, requests: &Value) -> Vec<Value> {
    let mut child = command
        .arg(repository().join("tests/clients/http2_client.mjs"))
        .arg(url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(requests.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_sdk_sees_over_http2_what_it_sees_over_http1() {
    let backend = Backend::mcp();
    let gate = Gate::mcp(&backend.url, POLICY);
    let steps = json!([
        {"do": "list"},
        {"do": "call", "tool": "read_note", "arguments": {"path": "/a"}},
        {"do": "call", "tool": "slow_count", "arguments": {"n": 3, "delay_ms": 10}},
        {"do": "call", "tool": "drop_table", "arguments": {"table": "a"}},
        {"do": "call_parallel", "calls": [
            {"tool": "read_note", "arguments": {"path": "/b"}},
            {"tool": "read_note", "arguments": {"path": "/c"}},
        ]},
    ]);
    let [one, two] = [PY1, PY1_HTTP2].map(|client| {
        let mut lines = client.run(&gate, "/mcp", &steps);
        lines.iter_mut().for_each(forget_what_differs);
        lines
    });
    assert_eq!(one, two);
    assert_eq!(two.len(), 6, "{two:?}");
    assert!(two[2]["text"].as_str().unwrap().contains("no note at `/a`"), "{two:?}");
    assert_eq!(two[3]["progress"].as_array().unwrap().len(), 3, "{two:?}");
    assert_eq!(two[4]["protocol_error"]["message"], "Unknown tool: drop_table", "{two:?}");
    assert_eq!(backend.log().len(), 8, "what is disabled does not come through");
}

/// Times, and the ids of calls.
fn forget_what_differs(line: &mut Value) {
    match line {
        Value::Object(fields) => {
            fields
                .retain(|name, _| !matches!(name.as_str(), "elapsed_ms" | "progress_ms" | "call" | "policy"));
            fields.values_mut().for_each(forget_what_differs);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_what_differs),
        _ => {}
    }
}

#[test]
fn a_held_call_waits_in_its_stream_and_goes_on() {
    let backend = Backend::mcp();
    let gate = Arc::new(Gate::mcp_with_approvals(&backend.url, POLICY, ""));
    let waiting = std::thread::spawn({
        let gate = Arc::clone(&gate);
        move || PY1_HTTP2.call(&gate, "write_note", &json!({"path": "/a", "text": "x"}))
    });
    let reference = gate.pending();
    assert!(gate.metric("oakgate_http2_connections") >= 1.0);
    assert!(backend.log().is_empty(), "nothing goes out before the decision");
    let (status, output) = gate.approvals(&["approve", &reference]);
    assert_eq!(status, 0, "{output}");
    let line = waiting.join().unwrap();
    assert_eq!(line["is_error"], false, "{line}");
    assert_eq!(backend.log().len(), 1);
    wait_for("the connection's end", || (gate.metric("oakgate_http2_connections") == 0.0).then_some(()));
}

#[test]
fn node_sends_many_requests_at_once_and_gets_each_answer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body");
    std::fs::write(&file, "0123456789".repeat(30_000)).unwrap();
    let hops = ["--header", "Connection: x-hop", "--header", "X-Hop: 1", "--header", "Keep-Alive: timeout=5"];
    let backend = Backend::raw(&[&["--body-file", file.to_str().unwrap(), "--chunked"], &hops[..]].concat());
    let policy =
        TRUSTING.replace("rules: [", "rules: [{id: no, tool: 'DELETE /v1/x', permission: disabled}, ");
    let gate = super::gate_with(&backend, &policy, "", "");
    let key = json!({"x-api-key": KEY});
    let posted = "x".repeat(100_000);
    let requests = json!([
        {"method": "GET", "path": "/v1/x?a=b", "headers": key},
        {"method": "POST", "path": "/v1/x", "headers": key, "body": posted},
        {"method": "DELETE", "path": "/v1/x", "headers": key},
        {"method": "GET", "path": "/v1/x"},
    ]);
    let lines = node(&gate.url(""), &requests);
    let statuses: Vec<&Value> = lines.iter().map(|line| &line["status"]).collect();
    assert_eq!(statuses, [200, 200, 403, 401]);
    for line in &lines[..2] {
        assert_eq!(line["body"].as_str().unwrap().len(), 300_000);
        let headers = line["headers"].as_object().unwrap();
        for absent in ["connection", "x-hop", "keep-alive", "transfer-encoding"] {
            assert!(!headers.contains_key(absent), "{headers:?}");
        }
        assert!(headers.contains_key("oakgate-call"), "{headers:?}");
    }
    let problem: Value = serde_json::from_str(lines[2]["body"].as_str().unwrap()).unwrap();
    assert_eq!(problem["code"], "denied");
    let log = backend.log_text();
    assert!(
        log.contains("GET /v1/x?a=b HTTP/1.1\r\n") && log.contains(&posted),
        "what was allowed came through"
    );
    assert!(!log.contains("DELETE"), "{log}");
}

#[test]
fn a_listener_may_keep_to_http1() {
    let backend = Backend::raw(&[]);
    let gate = gate(&backend, "", "http2: false");
    let mut client = super::frames::Client::open(&gate.address, &[]);
    client.request(1, "POST", "/a", b"");
    assert!(client.closes_within(crate::harness::PATIENCE));
    assert_eq!(gate.metric("oakgate_refusals_total{reason=\"bad-target\"}"), 1.0);
    assert_eq!(gate.send("POST", "/a", &[], b"").status, 200);
    assert_eq!(backend.log_text().matches("/a HTTP/1.1").count(), 1);
}
