//! Calls that need approval: held, decided by a person, and let through once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{
    Answer, Backend, Client, Connection, Gate, GateOptions, KEY, TS1, TS2, oakgate, wait_for,
};

const POLICY: &str = "
format: 1
org: acme
tools:
  - {name: write_note, default: requires_approval}
  - {name: read_note, default: allowed}
";
const WRITE: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"write_note","arguments":{"path":"/a","text":"x"}}}"#;

fn write(gate: &Gate, accept: &str) -> Connection {
    let mut connection = Connection::open(&gate.address);
    let headers = [("x-api-key", KEY), ("content-type", "application/json"), ("accept", accept)];
    connection.send("POST", "/mcp", &headers, WRITE.as_bytes());
    connection
}

/// Any answer will do for these: what counts is whether, and how often, the call came through.
fn raw_gate(policy: &str, listener: &str) -> (Backend, Gate) {
    let backend = Backend::raw(&[]);
    let gate = Gate::mcp_with_approvals(&backend.url, policy, listener);
    (backend, gate)
}

fn calls(backend: &Backend) -> usize {
    backend.log_text().matches(r#""method":"tools/call""#).count()
}

#[test]
fn every_client_waits_and_goes_on_when_a_person_says_yes() {
    let backend = Backend::mcp();
    let gate = Arc::new(Gate::mcp_with_approvals(&backend.url, POLICY, ""));
    for (place, client) in Client::all().into_iter().enumerate() {
        let path = format!("/note-{place}");
        let waiting = std::thread::spawn({
            let (gate, path) = (Arc::clone(&gate), path.clone());
            move || client.call(&gate, "write_note", &json!({"path": path, "text": "x"}))
        });
        let reference = gate.pending();
        assert_eq!(backend.log().len(), place, "{client:?}: nothing goes out before the decision");
        let (status, output) = gate.approvals(&["approve", &reference, "--note", "fine"]);
        assert_eq!(status, 0, "{output}");
        let line = waiting.join().unwrap();
        assert_eq!(line["is_error"], false, "{client:?}: {line}");
        let log = backend.log();
        assert_eq!(log.len(), place + 1);
        let claims = claims(log[place]["headers"]["oakgate-receipt"].as_str().unwrap());
        assert_eq!(claims["approval"], json!(reference), "{client:?}");
        assert_eq!(claims["verdict"], "requires_approval");
    }
    assert_eq!(gate.metric("oakgate_holds"), 0.0);
    let approved = gate.metric("oakgate_holds_ended_total{outcome=\"approved\"}");
    assert_eq!(approved as usize, Client::all().len());
}

fn claims(receipt: &str) -> Value {
    use base64::Engine;
    let payload = receipt.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap())
        .unwrap()
}

#[test]
fn every_client_shows_a_no_with_its_note() {
    let backend = Backend::mcp();
    let gate = Arc::new(Gate::mcp_with_approvals(&backend.url, POLICY, ""));
    for client in Client::all() {
        let waiting = std::thread::spawn({
            let gate = Arc::clone(&gate);
            move || client.call(&gate, "write_note", &json!({"path": "/a", "text": format!("{client:?}")}))
        });
        let reference = gate.pending();
        assert_eq!(gate.approvals(&["deny", &reference, "--note", "not on a Friday"]).0, 0);
        let line = waiting.join().unwrap();
        assert_eq!(line["is_error"], true, "{client:?}: {line}");
        let text = line["text"].as_str().unwrap();
        assert!(text.contains("was denied: not on a Friday") && text.contains("Do not retry"), "{text}");
        assert_eq!(line["meta"]["oakgate.dev/verdict"]["reference"], json!(reference));
    }
    assert_eq!(backend.log(), Vec::<Value>::new());
}

#[test]
fn a_stream_is_opened_at_once_and_shows_that_the_call_waits() {
    let (_backend, gate) = raw_gate(POLICY, "");
    let mut connection = write(&gate, "application/json, text/event-stream");
    let head = connection.head();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    let first = String::from_utf8(connection.chunk().unwrap()).unwrap();
    let reference = gate.pending();
    assert_eq!(first, format!(": waiting for approval {reference}\n\n"));
    gate.approvals(&["approve", &reference]);
    let mut rest = String::new();
    while let Some(chunk) = connection.chunk() {
        rest.push_str(&String::from_utf8(chunk).unwrap());
    }
    let data = rest.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let message: Value = serde_json::from_str(data).unwrap();
    assert_eq!((&message["id"], message["result"].is_object()), (&json!(7), true), "{message}");
}

#[test]
fn progress_is_told_to_whoever_asked_for_it() {
    let (_backend, gate) = raw_gate(POLICY, "hold_limit_seconds: 2");
    let body = WRITE.replace(r#""name""#, r#""_meta":{"progressToken":"t-1"},"name""#);
    let answer = gate.post(&body);
    let text = answer.text();
    assert!(
        text.contains(r#""method":"notifications/progress","params":{"progressToken":"t-1","progress":1"#),
        "{text}"
    );
    assert_eq!(answer.message()["result"]["isError"], true);
}

#[test]
fn when_the_hold_ends_the_same_call_joins_the_same_approval() {
    let (backend, gate) = raw_gate(POLICY, "hold_limit_seconds: 1");
    for accept in ["application/json, text/event-stream", "application/json"] {
        let result = write(&gate, accept).answer().message()["result"].clone();
        assert_eq!(result["isError"], true, "{result}");
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(text.starts_with("Not executed: it waits for approval REF-"), "{text}");
        assert!(text.contains("Repeat the same call"), "{text}");
    }
    let reference = gate.pending();
    let (_, list) = gate.approvals(&["list", "--all", "--json"]);
    assert_eq!(list.lines().count(), 1, "both calls wait for one approval: {list}");
    assert_eq!(gate.approvals(&["approve", &reference]).0, 0);
    // Nobody was there to hear it: the next identical call goes through at once, and only that one.
    let through = write(&gate, "application/json").answer();
    assert_eq!(through.message()["result"]["isError"], false, "{}", through.text());
    assert_eq!(calls(&backend), 1);
    let again = write(&gate, "application/json").answer();
    assert_eq!(again.message()["result"]["isError"], true);
    assert_ne!(gate.pending(), reference, "an approval is used once");
    assert_eq!(calls(&backend), 1);
}

#[test]
fn a_denial_that_nobody_heard_is_told_to_the_next_identical_call() {
    let (backend, gate) = raw_gate(POLICY, "hold_limit_seconds: 1");
    write(&gate, "application/json").answer();
    let reference = gate.pending();
    gate.approvals(&["deny", &reference]);
    let told = write(&gate, "application/json").answer().message();
    assert_eq!(told["result"]["_meta"]["oakgate.dev/verdict"]["reason"], "approval-denied", "{told}");
    assert_eq!(calls(&backend), 0);
}

#[test]
fn of_two_identical_calls_that_wait_one_goes_through() {
    let (backend, gate) = raw_gate(POLICY, "");
    let mut waiting = [write(&gate, "application/json"), write(&gate, "application/json")];
    wait_for("two held calls", || (gate.metric("oakgate_holds") == 2.0).then_some(()));
    gate.approvals(&["approve", &gate.pending()]);
    let answers: Vec<Value> = waiting.iter_mut().map(|connection| connection.answer().message()).collect();
    let refused: Vec<&Value> = answers.iter().filter(|answer| answer["result"]["isError"] == true).collect();
    assert_eq!(refused.len(), 1, "{answers:?}");
    assert_eq!(refused[0]["result"]["_meta"]["oakgate.dev/verdict"]["reason"], "approval-used");
    assert_eq!(calls(&backend), 1);
}

#[test]
fn other_arguments_are_another_approval() {
    let (backend, gate) = raw_gate(POLICY, "hold_limit_seconds: 1");
    write(&gate, "application/json").answer();
    gate.approvals(&["approve", &gate.pending()]);
    let changed = gate.post(&WRITE.replace(r#""text":"x""#, r#""text":"y""#));
    assert_eq!(changed.message()["result"]["isError"], true, "{}", changed.text());
    assert_eq!(calls(&backend), 0);
    // The same arguments written differently are the same call.
    let same = WRITE.replace(r#"{"path":"/a","text":"x"}"#, r#"{ "text": "\u0078", "path": "/a" }"#);
    gate.post(&same);
    assert_eq!(calls(&backend), 1);
}

#[test]
fn answers_to_a_tool_that_asked_are_part_of_what_is_approved() {
    let (backend, gate) = raw_gate(POLICY, "hold_limit_seconds: 1");
    let answering = |answers: &str| {
        let more = format!(r#""inputResponses":{answers},"requestState":"s1","name""#);
        gate.post(&WRITE.replacen(r#""name""#, &more, 1))
    };
    // A yes to the bare call, or to other answers, is none to these.
    write(&gate, "application/json").answer();
    gate.approvals(&["approve", &gate.pending()]);
    answering(r#"{"amount":{"action":"accept","content":{"cents":5}}}"#);
    assert_eq!(calls(&backend), 0);
    let reference = gate.pending();
    let (_, shown) = gate.approvals(&["show", &reference]);
    assert!(shown.contains("cents") && shown.contains("what the tool asked"), "{shown}");
    gate.approvals(&["approve", &reference]);
    answering(r#"{"amount":{"action":"accept","content":{"cents":500}}}"#);
    assert_eq!(calls(&backend), 0);
    answering(r#"{"amount":{"action":"accept","content":{"cents":5}}}"#);
    assert_eq!(calls(&backend), 1);
}

#[test]
fn policy_that_changes_while_a_call_is_held_wins() {
    let (backend, gate) = raw_gate(POLICY, "");
    let mut waiting = write(&gate, "application/json");
    let reference = gate.pending();
    gate.change_policy("{format: 1, org: acme, tools: [{name: write_note, default: disabled}]}");
    gate.approvals(&["approve", &reference]);
    let message = waiting.answer().message();
    assert!(message["error"]["message"].as_str().unwrap().contains("Unknown tool"), "{message}");
    assert_eq!(calls(&backend), 0);
}

#[test]
fn a_key_that_is_taken_away_while_its_call_is_held_runs_nothing() {
    let (backend, gate) = raw_gate(POLICY, "");
    let mut waiting = write(&gate, "application/json");
    let reference = gate.pending();
    std::fs::write(gate.path("keys.yaml"), "[]").unwrap();
    wait_for("the key to go", || (gate.metric("oakgate_keys") == 0.0).then_some(()));
    gate.approvals(&["approve", &reference]);
    assert_eq!(waiting.answer().status, 401);
    assert_eq!(calls(&backend), 0);
}

#[test]
fn a_caller_who_leaves_is_noticed_and_the_approval_stays() {
    let (backend, gate) = raw_gate(POLICY, "");
    let waiting = write(&gate, "application/json, text/event-stream");
    let reference = gate.pending();
    wait_for("the hold", || (gate.metric("oakgate_holds") == 1.0).then_some(()));
    drop(waiting);
    wait_for("the hold's end", || (gate.metric("oakgate_holds") == 0.0).then_some(()));
    assert_eq!(gate.metric("oakgate_holds_ended_total{outcome=\"caller-left\"}"), 1.0);
    let record = wait_for("its record", || {
        gate.records().into_iter().find(|record| record["reason"] == "caller-left")
    });
    assert_eq!((&record["tool"], &record["forward"]), (&json!("write_note"), &json!(false)));
    assert_eq!(gate.pending(), reference);
    gate.approvals(&["approve", &reference]);
    // Nothing runs for somebody who has gone.
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(calls(&backend), 0);
}

#[test]
fn a_client_that_gives_up_cancels_its_call() {
    let backend = Backend::mcp();
    let gate = Gate::mcp_with_approvals(&backend.url, POLICY, "");
    for client in [TS1, TS2[1]] {
        let call = json!({"do": "call", "tool": "write_note", "arguments": {"path": "/a", "text": format!("{client:?}")}, "timeout_ms": 1500});
        let since = Instant::now();
        client.run(&gate, "/mcp", &json!([call]));
        assert!(since.elapsed() < Duration::from_secs(20));
        wait_for("the hold's end", || (gate.metric("oakgate_holds") == 0.0).then_some(()));
    }
    assert_eq!(backend.log(), Vec::<Value>::new());
}

#[test]
fn a_rest_call_waits_too_and_is_then_accepted_for_later() {
    let backend = Backend::raw(&["--content-type", "application/json"]);
    let url = backend.url.trim_end_matches("/mcp").to_owned();
    let backends = format!(
        "- {{name: pay, kind: rest, path: /pay, url: '{url}', routes: [{{match: 'POST /refund', tool: refund}}]}}"
    );
    let gate = Gate::start(&GateOptions {
        backends,
        policy: "{format: 1, org: acme, tools: [{name: refund, default: requires_approval}]}",
        listener: "hold_limit_seconds: 1",
        approvals: true,
        ..GateOptions::default()
    });
    let refund = |prefer: &str| -> Answer {
        gate.send(
            "POST",
            "/pay/refund",
            &[("content-type", "application/json"), ("prefer", prefer)],
            br#"{"a":1}"#,
        )
    };
    let waiting = refund("return=minimal");
    assert_eq!(waiting.status, 202, "{}", waiting.text());
    assert_eq!(waiting.header("retry-after"), Some("5"));
    let reference = gate.pending();
    assert_eq!(waiting.json()["reference"], json!(reference));
    assert_eq!(refund("respond-async").json()["reference"], json!(reference));
    gate.approvals(&["approve", &reference]);
    // A body that gives no arguments is bound all the same.
    let form = [("content-type", "application/x-www-form-urlencoded"), ("prefer", "respond-async")];
    let pay = |body: &str| gate.send("POST", "/pay/refund", &form, body.as_bytes());
    let (one, other) = (pay("cents=1"), pay("cents=1000000"));
    assert_ne!(one.json()["reference"], other.json()["reference"]);
    gate.approvals(&["deny", one.json()["reference"].as_str().unwrap()]);
    gate.approvals(&["deny", other.json()["reference"].as_str().unwrap()]);
    assert_eq!(refund("respond-async").status, 200);
    assert!(backend.log_text().contains(r#"{"a":1}"#));
}

#[test]
fn only_a_person_decides() {
    let (_backend, gate) = raw_gate(POLICY, "hold_limit_seconds: 1");
    write(&gate, "application/json").answer();
    let reference = gate.pending();
    let url = format!("http://{}", gate.control_plane);
    let try_with = |secret: &str| {
        let file = gate.path("other-session");
        std::fs::write(&file, secret).unwrap();
        oakgate(
            &["approvals", "--url", &url, "--session-file", file.to_str().unwrap(), "approve", &reference],
            "",
        )
    };
    for secret in [KEY, "oak_session_0000000000000000000000000000000000000000000", ""] {
        let (status, _, errors) = try_with(secret);
        assert_eq!(status, 2, "{errors}");
    }
    let key = std::fs::read_to_string(gate.path("oakgate.management-key")).unwrap();
    assert!(try_with(&key).2.contains("can never decide"));
    assert_eq!(gate.pending(), reference);
    assert_eq!(gate.approvals(&["approve", "REF-00000000-0000"]).0, 2, "an approval that does not exist");
}

#[test]
fn approvals_survive_a_restart() {
    let (backend, gate) = raw_gate(POLICY, "hold_limit_seconds: 1");
    write(&gate, "application/json").answer();
    let reference = gate.pending();
    let Gate { program, folder, .. } = gate;
    drop(program);
    let gate = Gate::start_in(folder, true);
    assert_eq!(gate.pending(), reference);
    gate.approvals(&["approve", &reference]);
    write(&gate, "application/json").answer();
    assert_eq!(calls(&backend), 1);
}

#[test]
fn holds_have_limits() {
    let (_backend, gate) = raw_gate(POLICY, "");
    let folder = gate.folder;
    drop(gate.program);
    let file = folder.path().join("oakgate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replace(
            "  drain:",
            "  limits: {max_holds_per_caller: 1, max_approvals_per_caller_per_minute: 3}\n  drain:",
        ),
    )
    .unwrap();
    let gate = Gate::start_in(folder, true);
    let _first = write(&gate, "application/json");
    wait_for("the hold", || (gate.metric("oakgate_holds") == 1.0).then_some(()));
    let reason =
        |answer: Answer| answer.message()["result"]["_meta"]["oakgate.dev/verdict"]["reason"].clone();
    assert_eq!(reason(write(&gate, "application/json").answer()), "too-many-holds");
    assert_eq!(gate.metric("oakgate_limits_reached_total{limit=\"max_holds_per_caller\"}"), 1.0);
    // A minute may turn between two calls; then it takes as many again.
    let limited = (0..8).any(|_| reason(write(&gate, "application/json").answer()) == "too-many-approvals");
    assert!(limited);
}

#[test]
fn a_page_instead_of_a_message_is_not_put_into_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page");
    std::fs::write(&page, "<html>bad gateway</html>").unwrap();
    let page = page.to_str().unwrap();
    let backend = Backend::raw(&["--status", "502", "--content-type", "text/html", "--body-file", page]);
    let gate = Gate::mcp_with_approvals(&backend.url, POLICY, "");
    let mut waiting = write(&gate, "application/json, text/event-stream");
    gate.approvals(&["approve", &gate.pending()]);
    let message = waiting.answer().message();
    assert_eq!(
        message["result"]["_meta"]["oakgate.dev/verdict"]["reason"], "backend-no-message",
        "{message}"
    );
    assert_eq!(calls(&backend), 1);
}
