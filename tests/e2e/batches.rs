//! Batches: only in a session that began at the one revision that has them, and only if every message may pass.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Answer, Backend, Gate, GateOptions, wait_for};

const POLICY: &str = "
format: 1
org: acme
tools:
  - {name: echo, default: allowed}
  - {name: get-sum, default: allowed}
  - {name: get-env, default: disabled}
  - {name: get-tiny-image, default: requires_approval}
";

pub(crate) fn call(id: u32, tool: &str, arguments: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
}

/// Opens a session at a revision; returns its id.
pub(crate) fn session(gate: &Gate, revision: &str) -> String {
    let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let answer = gate.post(&initialize.to_string());
    assert_eq!(answer.message()["result"]["protocolVersion"], revision, "{}", answer.text());
    let session = answer.header("mcp-session-id").unwrap().to_owned();
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(send(gate, &session, &initialized, &[]).status, 202);
    session
}

pub(crate) fn send(gate: &Gate, session: &str, body: &Value, further: &[(&str, &str)]) -> Answer {
    let mut headers = vec![
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-session-id", session),
    ];
    headers.extend_from_slice(further);
    gate.send("POST", "/mcp", &headers, body.to_string().as_bytes())
}

/// Every message of an answer, in JSON or in events, by its id.
fn messages(answer: &Answer) -> Vec<Value> {
    let text = answer.text();
    let whole = if text.starts_with(['[', '{']) {
        vec![text.as_str()]
    } else {
        text.lines().filter_map(|line| line.strip_prefix("data: ")).collect()
    };
    let values = whole.into_iter().filter_map(|text| serde_json::from_str::<Value>(text).ok());
    let mut messages: Vec<Value> = values
        .flat_map(|value| value.as_array().cloned().unwrap_or_else(|| vec![value]))
        .filter(|message| message["id"].is_number())
        .collect();
    messages.sort_by_key(|message| message["id"].as_u64());
    messages
}

#[test]
fn every_message_of_a_batch_is_decided() {
    let backend = Backend::everything();
    let backends = format!("- {{name: tools, kind: mcp, path: /mcp, url: '{}'}}", backend.url);
    let gate = Gate::start(&GateOptions { backends, policy: POLICY, ..GateOptions::default() });
    let echo = |id| call(id, "echo", &json!({"message": "acorn"}));
    let list = json!({"jsonrpc": "2.0", "id": 9, "method": "tools/list"});
    let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress",
        "params": {"progressToken": 1, "progress": 1}});

    // A session of another revision, no session at all, somebody else's session.
    let later = session(&gate, "2025-11-25");
    for session in [later.as_str(), "made-up"] {
        let refused = send(&gate, session, &json!([echo(1), echo(2)]), &[]);
        assert_eq!((refused.status, &refused.json()["error"]["code"]), (400, &json!(-32600)), "{session}");
        assert_eq!(refused.json()["error"]["data"]["reason"], "batch");
    }

    let session = session(&gate, "2025-03-26");
    let sum = call(2, "get-sum", &json!({"a": 1, "b": 2}));
    let answer = send(&gate, &session, &json!([echo(1), sum, list, progress]), &[]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let passed = messages(&answer);
    assert_eq!(passed.len(), 3, "{}", answer.text());
    assert!(passed[0]["result"]["content"][0]["text"].as_str().unwrap().contains("acorn"));
    assert!(passed[1]["result"]["content"][0]["text"].as_str().unwrap().contains('3'));
    let listed: Vec<&str> = passed[2]["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert!(listed.contains(&"echo") && !listed.contains(&"get-env"), "{listed:?}");
    wait_for("both outcomes", || {
        let records = gate.records();
        let forwarded = records.iter().filter(|record| record["forward"] == true).count();
        let succeeded = records.iter().filter(|record| record["outcome"] == "success").count();
        ((forwarded, succeeded) == (2, 2)).then_some(())
    });

    // One that is refused refuses them all.
    let table = [
        ("denied-hidden", call(2, "get-env", &json!({})), json!(-32602)),
        ("approval-in-batch", call(2, "get-tiny-image", &json!({})), json!("approval-in-batch")),
        ("unknown-method", json!({"jsonrpc": "2.0", "id": 2, "method": "tools/run"}), json!(-32601)),
    ];
    for (reason, second, expected) in table {
        let before = gate.metric(&format!("oakgate_refusals_total{{reason=\"{reason}\"}}"));
        let answer = send(&gate, &session, &json!([echo(1), second, echo(3)]), &[]);
        let refused = messages(&answer);
        assert_eq!((answer.status, refused.len()), (200, 3), "{}", answer.text());
        let why = |message: &Value| message["result"]["_meta"]["oakgate.dev/verdict"]["reason"].clone();
        assert_eq!((why(&refused[0]), why(&refused[2])), (json!("batch-refused"), json!("batch-refused")));
        let found = if expected.is_number() { refused[1]["error"]["code"].clone() } else { why(&refused[1]) };
        assert_eq!(found, expected, "{}", answer.text());
        assert_eq!(gate.metric(&format!("oakgate_refusals_total{{reason=\"{reason}\"}}")), before + 1.0);
    }
    let records = gate.records();
    assert_eq!(records.iter().filter(|record| record["forward"] == true).count(), 2, "{records:?}");
    let with_it = records.iter().filter(|record| record["reason"] == "batch-refused").count();
    assert_eq!(with_it, 4, "each call of a refused batch leaves a record: {records:?}");
}

#[test]
fn what_is_no_such_batch_is_refused_and_a_session_that_ended_sends_none() {
    let backend = Backend::everything();
    let gate = Gate::mcp(&backend.url, POLICY);
    let session = session(&gate, "2025-03-26");
    let echo = |id| call(id, "echo", &json!({"message": "acorn"}));
    let initialize = json!({"jsonrpc": "2.0", "id": 2, "method": "initialize", "params": {"protocolVersion": "2025-03-26"}});
    let modern = json!({"jsonrpc": "2.0", "id": 2, "method": "ping",
        "params": {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}});
    let again = |id: &str| {
        serde_json::from_str(&format!(
            "[{},{}]",
            echo(1),
            echo(7).to_string().replace(":7", &format!(":{id}"))
        ))
        .unwrap()
    };
    let listen = json!({"jsonrpc": "2.0", "id": 2, "method": "subscriptions/listen"});
    let tricks: [(Value, &[(&str, &str)]); 11] = [
        (again("1.0"), &[]),
        (json!([echo(1), listen]), &[]),
        (json!([echo(1)]), &[("mcp_session_id", "second")]),
        (json!([]), &[]),
        (json!([[echo(1)]]), &[]),
        (json!([echo(1), echo(1)]), &[]),
        (json!([echo(1), initialize]), &[]),
        (json!([echo(1), modern]), &[]),
        (json!([echo(1)]), &[("mcp-protocol-version", "2025-06-18")]),
        (json!([echo(1)]), &[("mcp-method", "tools/call")]),
        (json!([echo(1)]), &[("mcp-session-id", "second")]),
    ];
    for (body, headers) in tricks {
        let answer = send(&gate, &session, &body, headers);
        assert!(!answer.text().contains("acorn"), "{body}: {}", answer.text());
    }
    assert!(send(&gate, &session, &json!([echo(1)]), &[]).text().contains("acorn"));
    assert_eq!(gate.records().iter().filter(|record| record["forward"] == true).count(), 1);
    assert!(gate.send("DELETE", "/mcp", &[("mcp-session-id", &session)], b"").status < 300);
    assert_eq!(send(&gate, &session, &json!([echo(1)]), &[]).status, 400);
}

/// A backend of plain sockets at revision 2025-03-26.
pub(crate) fn raw(folder: &Path) -> Backend {
    let results = folder.join("results.json");
    let initialize = json!({"initialize": {"protocolVersion": "2025-03-26", "capabilities": {},
        "serverInfo": {"name": "raw", "version": "1"}}});
    std::fs::write(&results, initialize.to_string()).unwrap();
    Backend::raw(&["--results", results.to_str().unwrap(), "--header", "Mcp-Session-Id: s1"])
}

#[test]
fn every_call_of_a_batch_has_a_receipt() {
    let folder = tempfile::tempdir().unwrap();
    let backend = raw(folder.path());
    let gate = Gate::mcp(&backend.url, POLICY);
    let session = session(&gate, "2025-03-26");
    let notification = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let batch = json!([call(1, "echo", &json!({})), notification, call(2, "get-sum", &json!({}))]);
    send(&gate, &session, &batch, &[]);
    let log = backend.log_text().to_ascii_lowercase();
    assert_eq!(log.matches("oakgate-receipt: ").count(), 2, "{log}");
}
