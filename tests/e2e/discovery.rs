//! Tools that the policy does not list, from a real backend's list to the control plane's policy.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Answer, Backend, Client, Gate, GateOptions, PY2, request, tools, wait_for};

/// One tool is listed, and callers do not see one of those that are not.
const POLICY: &str = "
format: 1
org: acme
tools: [{name: echo, default: allowed}]
rules: [{id: drops, tool: drop_*, permission: disabled}]
";

/// Everything is allowed, so that only the draft clamp asks for a person.
const CLAMPED: &str = "{format: 1, org: acme, rules: [{id: all, permission: allowed}]}";

fn gate(backend: &Backend, policy: &str) -> Gate {
    Gate::mcp_with_approvals(&backend.url, policy, "hold_limit_seconds: 1")
}

/// A request to the control plane with the organisation's first management key.
fn api(gate: &Gate, method: &str, path: &str, body: &Value) -> Answer {
    let key = std::fs::read_to_string(gate.path("oakgate.management-key")).unwrap();
    let authorization = format!("Bearer {}", key.trim());
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    request(&gate.control_plane, method, path, &headers, body.as_bytes())
}

/// Every draft, page by page.
fn drafts(gate: &Gate) -> Vec<Value> {
    let (mut drafts, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api(gate, "GET", &format!("/v1/drafts?limit=200{cursor}"), &Value::Null).json();
        drafts.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return drafts,
        }
    }
}

fn names(drafts: &[Value]) -> Vec<&str> {
    let mut names: Vec<_> = drafts.iter().map(|draft| draft["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

fn wait_for_drafts(gate: &Gate, count: usize) -> Vec<Value> {
    wait_for(&format!("{count} drafts"), || Some(drafts(gate)).filter(|drafts| drafts.len() == count))
}

/// The value of a metric of the control plane; 0 if it is not there.
fn metric(gate: &Gate, name: &str) -> f64 {
    let text = request(&gate.control_plane, "GET", "/metrics", &[], b"").text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

fn restart(gate: Gate) -> Gate {
    let Gate { program, folder, .. } = gate;
    program.signal("-TERM");
    drop(program);
    Gate::start_in(folder, true)
}

#[test]
fn what_a_backend_lists_is_a_draft_once_whoever_sees_it() {
    let backend = Backend::mcp();
    let gate = gate(&backend, POLICY);
    let steps = json!([{"do": "list"}, {"do": "call", "tool": "echo", "arguments": {"payload": 1}}]);
    for client in Client::all() {
        let lines = client.run(&gate, "/mcp", &steps);
        let seen = lines[1]["tools"].to_string();
        assert!(seen.contains("read_note") && !seen.contains("drop_table"), "{client:?}: {lines:?}");
        assert_eq!(lines[2]["is_error"], false, "{client:?}: {lines:?}");
    }
    let listed = ["drop_table", "read_note", "slow_count", "with_output_schema", "write_note"];
    let before = wait_for_drafts(&gate, listed.len());
    assert_eq!(names(&before), listed, "also what callers do not see");
    let read_note = before.iter().find(|draft| draft["name"] == "read_note").unwrap();
    let says = &read_note["backend_says"];
    assert_eq!(says["description"], "Reads the note at a path.");
    assert_eq!(says["annotations"], json!({"read_only": true}));
    let schema: Value = serde_json::from_str(says["input_schema"].as_str().unwrap()).unwrap();
    assert_eq!(schema["required"], json!(["path"]));
    assert_eq!((&read_note["backend"], &read_note["seen_in"]), (&json!("tools"), &json!("list")));
    assert_eq!(gate.metric("oakgate_tools_discovered_total{backend=\"tools\",result=\"told\"}"), 5.0);

    let gate = restart(gate);
    PY2[1].run(&gate, "/mcp", &steps);
    wait_for("the proxy to tell again", || {
        let told = gate.metric("oakgate_tools_discovered_total{backend=\"tools\",result=\"told\"}");
        (told == 5.0).then_some(())
    });
    let again = wait_for("the drafts to be seen again", || {
        let later = |draft: &Value| draft["last_seen_at_unix_ms"] != draft["first_seen_at_unix_ms"];
        Some(drafts(&gate)).filter(|drafts| drafts.iter().all(later))
    });
    let first_seen = |drafts: &[Value]| -> Vec<(Value, Value)> {
        drafts.iter().map(|draft| (draft["name"].clone(), draft["first_seen_at_unix_ms"].clone())).collect()
    };
    assert_eq!(first_seen(&again), first_seen(&before), "nothing is stored twice");
    assert_eq!(metric(&gate, "oakgate_drafts_stored_total"), 0.0);
}

#[test]
fn a_draft_of_a_reference_server_is_accepted_into_the_policy() {
    let backend = Backend::everything();
    let gate = gate(&backend, "{format: 1, org: acme}");
    let listed = PY2[0].run(&gate, "/mcp", &json!([{"do": "list"}]));
    let listed = listed[1]["tools"].as_array().unwrap().len();
    assert!(listed > 5, "{listed}");
    let drafts = wait_for_drafts(&gate, listed);
    let echo = drafts.iter().find(|draft| draft["name"] == "echo").unwrap();
    assert!(echo["backend_says"]["description"].is_string(), "{echo}");
    let four = json!({"read_only": true, "destructive": false, "idempotent": true, "open_world": false});
    let body = json!({"annotations": four, "status": "approved", "pin_definition": true});
    let accepted = api(&gate, "POST", "/v1/drafts/echo/accept", &body);
    assert_eq!(accepted.status, 200, "{}", accepted.text());
    assert_eq!(accepted.json()["draft"]["state"], "accepted");
    let policy = api(&gate, "GET", "/v1/policy", &Value::Null).json();
    let pin = &echo["backend_says"]["definition_sha256"];
    let expected =
        json!([{"name": "echo", "status": "approved", "annotations": four, "definition_sha256": pin}]);
    assert_eq!(policy["tools"], expected);
    wait_for_drafts(&gate, listed - 1);

    // The proxy finds the backend's definition to be the accepted one.
    gate.change_policy(&policy.to_string());
    let steps = json!([{"do": "list"}, {"do": "call", "tool": "echo", "arguments": {"message": "hello"}}]);
    let lines = PY2[0].run(&gate, "/mcp", &steps);
    assert_eq!(lines[2]["is_error"], false, "{lines:?}");
    assert_eq!(gate.metric("oakgate_tools_changed"), 0.0);
}

/// A call, and what was decided on it.
fn verdict(gate: &Gate, tool: &str) -> Value {
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": {}},
    });
    let mut message = gate.post(&body.to_string()).message();
    let verdict = message["result"]["_meta"]["oakgate.dev/verdict"].take();
    assert!(verdict.is_object(), "{message}");
    json!([verdict["permission"], verdict["level"], verdict["rule"], verdict["reason"]])
}

/// Has the backend list these, and a caller ask for the list.
fn list(gate: &Gate, file: &std::path::Path, numbers: std::ops::Range<u32>) {
    let tools: Vec<_> = numbers.map(|number| json!({"name": format!("tool-{number}")})).collect();
    std::fs::write(file, json!({"tools/list": {"tools": tools}}).to_string()).unwrap();
    let answer = gate.post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    assert_eq!(answer.message()["result"]["tools"].as_array().unwrap().len(), tools.len());
}

/// Every draft is an hour older.
fn an_hour_passes(gate: &Gate) {
    let script = "import sqlite3, sys\nwith sqlite3.connect(sys.argv[1], timeout=30) as store:\n    \
                  store.execute('UPDATE drafts SET first_seen_at_unix_ms = first_seen_at_unix_ms - 3600000')";
    let mut python = Command::new(tools().join("py2/bin/python"));
    assert!(python.args(["-c", script]).arg(gate.path("oakgate.db")).status().unwrap().success());
}

#[test]
fn beyond_fifty_an_hour_and_five_hundred_in_all_only_the_verdict_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results.json");
    std::fs::write(&results, "{}").unwrap();
    let backend = Backend::raw(&["--results", results.to_str().unwrap()]);
    let gate = gate(&backend, CLAMPED);
    // Nobody has seen it before; then it is a draft.
    let before = verdict(&gate, "tool-0");
    assert_eq!(before, json!(["requires_approval", "org/any", "all", "approval-pending"]));
    wait_for_drafts(&gate, 1);
    assert_eq!(verdict(&gate, "tool-0"), before);
    list(&gate, &results, 0..60);
    let stored = wait_for_drafts(&gate, 50);
    let refused =
        |reason: &str| metric(&gate, &format!("oakgate_drafts_refused_total{{reason=\"{reason}\"}}"));
    wait_for("the others to be counted", || (refused("hour_full") == 10.0).then_some(()));
    assert!(!names(&stored).contains(&"tool-59"));
    assert_eq!(verdict(&gate, "tool-59"), before, "beyond what is stored in an hour");
    for round in 1..=10 {
        an_hour_passes(&gate);
        list(&gate, &results, round * 60..(round + 1) * 60);
        wait_for_drafts(&gate, 500.min(50 * (round as usize + 1)));
    }
    wait_for("the last ones to be counted", || (refused("org_full") == 70.0).then_some(()));
    assert_eq!(drafts(&gate).len(), 500);
    assert_eq!(verdict(&gate, "tool-659"), before, "beyond what is stored at all");
    assert_eq!(metric(&gate, "oakgate_drafts_stored_total"), 500.0);
}

#[test]
fn calls_are_believed_until_there_is_a_list_and_rest_never_is() {
    let backend = Backend::raw(&[]);
    let base = backend.url.trim_end_matches("/mcp");
    let backends = format!(
        "- {{name: tools, kind: mcp, path: /mcp, url: '{}'}}\n\
         - {{name: pay, kind: rest, path: /pay, url: '{base}', routes: [{{match: 'POST /refunds', tool: refund}}]}}",
        backend.url
    );
    let policy = "{format: 1, org: acme, rules: [{id: none, permission: disabled}]}";
    let gate = Gate::start(&GateOptions { backends, policy, approvals: true, ..GateOptions::default() });
    let call = |tool: &str| {
        let params = json!({"name": tool, "arguments": {}});
        gate.post(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string());
    };
    gate.send("POST", "/pay/refunds", &[("content-type", "application/json")], b"{}");
    call("raw");
    let [draft] = wait_for_drafts(&gate, 1).try_into().unwrap();
    assert_eq!(
        (&draft["name"], &draft["seen_in"], &draft["backend_says"]),
        (&json!("raw"), &json!("call"), &json!({}))
    );
    gate.post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    let draft =
        wait_for("its definition", || drafts(&gate).into_iter().find(|draft| draft["seen_in"] == "list"));
    assert_eq!(draft["backend_says"]["input_schema"], r#"{"type": "object"}"#);
    for number in 0..20 {
        call(&format!("invented-{number}"));
    }
    gate.send("POST", "/pay/refunds", &[("content-type", "application/json")], b"{}");
    assert_eq!(gate.metric("oakgate_tools_discovered_total{backend=\"tools\",result=\"told\"}"), 2.0);
    assert_eq!(gate.metric("oakgate_tools_discovered_total{backend=\"pay\",result=\"told\"}"), 0.0);
    assert_eq!(names(&drafts(&gate)), ["raw"]);
}
