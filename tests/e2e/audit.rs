//! The record: every call leaves an intent and, once forwarded, an outcome. Nothing is forwarded unrecorded.

use serde_json::json;

use crate::harness::{Backend, Connection, Gate, GateOptions, KEY, wait_for};

const POLICY: &str = "{format: 1, org: acme, tools: [{name: echo, default: allowed}]}";
const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"secret":"hunter2"}}}"#;

fn start(backend: &Backend, proxy: &str) -> Gate {
    let backends = format!("- {{name: tools, kind: mcp, path: /mcp, url: '{}'}}", backend.url);
    Gate::start(&GateOptions { backends, policy: POLICY, proxy, ..GateOptions::default() })
}

#[test]
fn intent_and_outcome_belong_together() {
    let backend = Backend::raw(&[]);
    let gate = start(&backend, "");
    let call = gate.post(CALL).header("oakgate-call").unwrap().to_owned();
    let records = wait_for("both records", || Some(gate.records()).filter(|records| records.len() == 2));
    let (intent, outcome) = (&records[0], &records[1]);
    for (field, expected) in [
        ("record", json!("intent")),
        ("call", json!(call)),
        ("proxy", json!("gate-1")),
        ("listener", json!("agents")),
        ("backend", json!("tools")),
        ("caller", json!("agent-1")),
        ("tool", json!("echo")),
        ("permission", json!("allowed")),
        ("level", json!("tool-default")),
        ("forward", json!(true)),
    ] {
        assert_eq!(intent[field], expected, "{field}: {intent}");
    }
    assert_eq!((&outcome["record"], &outcome["call"]), (&json!("outcome"), &json!(call)));
    assert_eq!((&outcome["outcome"], &outcome["status"]), (&json!("success"), &json!(200)));
    assert!(outcome["duration_us"].as_u64().unwrap() > 0);
    let text = serde_json::to_string(&records).unwrap();
    assert!(!text.contains("hunter2") && !text.contains(KEY), "{text}");
}

#[test]
fn a_caller_who_leaves_in_the_middle_leaves_an_unknown_outcome() {
    let backend = Backend::raw(&["--sse", "--events", "50", "--interval-ms", "100"]);
    let gate = start(&backend, "");
    let mut connection = Connection::open(&gate.address);
    connection.send("POST", "/mcp", &[("x-api-key", KEY)], CALL.as_bytes());
    assert_eq!(connection.head().status, 200);
    drop(connection);
    let outcome =
        wait_for("the outcome", || gate.records().into_iter().find(|record| record["record"] == "outcome"));
    assert_eq!((&outcome["outcome"], &outcome["status"]), (&json!("unknown"), &json!(200)));
}

#[test]
fn a_full_record_stops_calls_and_says_why() {
    let backend = Backend::raw(&[]);
    let gate = start(&backend, "limits: {max_audit_bytes: 1048576}");
    let folder = gate.folder;
    drop(gate.program);
    // Records of an earlier life fill what there is.
    let line = format!("{}\n", json!({"record": "intent", "filler": "x".repeat(1000)}));
    std::fs::write(folder.path().join("audit/gate-1.0.jsonl"), line.repeat(1040)).unwrap();
    let gate = Gate::start_in(folder, false);
    let before = backend.log_text().len();
    let refused = wait_for("the last bytes to go", || {
        let message = gate.post(CALL).message();
        let reason = message["result"]["_meta"]["oakgate.dev/verdict"]["reason"].clone();
        (reason == "audit-failed").then_some(message)
    });
    assert_eq!(refused["result"]["isError"], true);
    let sent = backend.log_text().len();
    gate.post(CALL);
    assert_eq!(backend.log_text().len(), sent, "nothing is forwarded unrecorded (before: {before})");
    assert!(gate.metric("oakgate_limits_reached_total{limit=\"max_audit_bytes\"}") > 0.0);
}

#[test]
fn a_torn_record_is_cut_off_at_the_start() {
    let backend = Backend::raw(&[]);
    let gate = start(&backend, "");
    let folder = gate.folder;
    drop(gate.program);
    let file = folder.path().join("audit/gate-1.0.jsonl");
    std::fs::write(&file, "{\"record\":\"intent\"}\n{\"record\":\"out").unwrap();
    let gate = Gate::start_in(folder, false);
    assert_eq!(gate.records(), [json!({"record": "intent"})]);
    gate.post(CALL);
    wait_for("both records", || (gate.records().len() == 3).then_some(()));
    assert!(gate.program.errors().join("\n").contains("torn"));
}

#[test]
fn killed_it_has_lost_no_intent_of_a_call_that_went_out() {
    let backend = Backend::raw(&[]);
    let gate = start(&backend, "");
    let sent = 200;
    let mut connection = Connection::open(&gate.address);
    for _ in 0..sent {
        connection.send("POST", "/mcp", &[("x-api-key", KEY)], CALL.as_bytes());
        assert_eq!(connection.answer().status, 200);
    }
    gate.program.signal("-KILL");
    let intents = gate.records().iter().filter(|record| record["record"] == "intent").count();
    assert_eq!(intents, sent);
}

#[test]
fn a_caller_who_leaves_before_the_answer_leaves_an_unknown_outcome_too() {
    let backend = Backend::raw(&["--hang"]);
    let gate = start(&backend, "");
    let mut connection = Connection::open(&gate.address);
    connection.send("POST", "/mcp", &[("x-api-key", KEY)], CALL.as_bytes());
    wait_for("the call to reach the backend", || backend.log_text().contains("tools/call").then_some(()));
    drop(connection);
    let outcome =
        wait_for("the outcome", || gate.records().into_iter().find(|record| record["record"] == "outcome"));
    assert_eq!(outcome["outcome"], "unknown", "{outcome}");
}

#[test]
fn a_call_counts_until_its_answer_is_through() {
    let backend = Backend::raw(&["--sse", "--events", "50", "--interval-ms", "100"]);
    let gate = start(&backend, "limits: {max_calls_per_caller: 1}");
    let mut first = Connection::open(&gate.address);
    first.send("POST", "/mcp", &[("x-api-key", KEY)], CALL.as_bytes());
    assert_eq!(first.head().status, 200);
    let refused = gate.post(CALL).message();
    assert_eq!(refused["result"]["_meta"]["oakgate.dev/verdict"]["reason"], "too-many-calls", "{refused}");
    drop(first);
    wait_for("its place", || {
        let mut next = Connection::open(&gate.address);
        next.send("POST", "/mcp", &[("x-api-key", KEY)], CALL.as_bytes());
        next.head()
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/event-stream"))
            .then_some(())
    });
}
