//! Rates, and how much may be under way at once: what goes beyond is refused, told when to come again, and counted.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::batches::{call, raw, send, session};
use crate::harness::{Answer, Backend, Connection, Gate, GateOptions, KEY, request, wait_for};

const POLICY: &str = "
format: 1
org: acme
tools:
  - {name: a, default: allowed}
  - {name: b, default: allowed}
  - {name: held, default: requires_approval}
  - {name: off, default: disabled}
  - {name: POST /v1/a, default: allowed}
";
/// The key of a second caller.
const OTHER_KEY: &str = "oak_live_1111111111111111111111111111111111111111111";

fn gate(kind: &str, backend: &Backend, proxy: &str) -> Gate {
    let backends = format!("- {{name: tools, kind: {kind}, path: /mcp, url: '{}'}}", backend.url);
    Gate::start(&GateOptions {
        backends,
        policy: POLICY,
        proxy,
        listener: "list: 'off'",
        ..GateOptions::default()
    })
}

fn reached(gate: &Gate, limit: &str) -> f64 {
    gate.metric(&format!("oakgate_limits_reached_total{{limit=\"{limit}\"}}"))
}

fn refusals(gate: &Gate, reason: &str) -> f64 {
    gate.metric(&format!("oakgate_refusals_total{{reason=\"{reason}\"}}"))
}

fn post(gate: &Gate, tool: &str) -> Answer {
    gate.post(&call(1, tool, &json!({})).to_string())
}

/// The details of a tool result that says no; `None` of any other answer.
fn refused(answer: &Answer) -> Option<Value> {
    let message = answer.json();
    let details = message["result"]["_meta"].get("oakgate.dev/verdict")?.clone();
    assert_eq!((answer.status, &message["result"]["isError"]), (200, &json!(true)), "{message}");
    Some(details)
}

#[test]
fn a_caller_has_its_rate_and_everything_it_sends_counts() {
    let backend = Backend::raw(&[]);
    let folder = Gate::folder(&GateOptions {
        backends: format!("- {{name: tools, kind: mcp, path: /mcp, url: '{}'}}", backend.url),
        policy: POLICY,
        proxy: "rates: {caller: {calls: 4, per_seconds: 3600}}",
        ..GateOptions::default()
    });
    add_key(folder.path(), "second", OTHER_KEY);
    let gate = Gate::start_in(folder, false);
    assert!(gate.post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).json()["result"].is_object());
    assert!(gate.post(r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#).status == 200);
    assert_eq!(post(&gate, "off").json()["error"]["code"], -32602);
    assert_eq!(refused(&post(&gate, "a")), None);

    let over = post(&gate, "a");
    let details = refused(&over).unwrap();
    assert_eq!(details["reason"], "rate-limited-caller");
    let wait = details["retry_after_seconds"].as_u64().unwrap();
    assert!((880..=900).contains(&wait), "{details}");
    assert_eq!(over.header("retry-after").unwrap(), wait.to_string());
    let text = over.json()["result"]["content"][0]["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with("Not executed: this caller makes more calls than its rate allows."), "{text}");
    assert!(text.ends_with(&format!("It may be retried in {wait} s.")), "{text}");
    let list = gate.post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).json();
    let expected = (json!(-31403), json!("rate-limited-caller"));
    assert_eq!((&list["error"]["code"], &list["error"]["data"]["reason"]), (&expected.0, &expected.1));
    let stream = gate.send("GET", "/mcp", &[("accept", "text/event-stream")], b"");
    assert_eq!((stream.status, stream.json()["code"].as_str()), (429, Some("rate-limited-caller")));
    assert!(stream.header("retry-after").is_some());

    // Another caller is none the worse for it, and nobody without a key takes anything.
    let headers = [("x-api-key", OTHER_KEY), ("content-type", "application/json")];
    let body = call(1, "a", &json!({})).to_string();
    for _ in 0..4 {
        assert_eq!(request(&gate.address, "POST", "/mcp", &[], body.as_bytes()).status, 401);
        assert_eq!(refused(&request(&gate.address, "POST", "/mcp", &headers, body.as_bytes())), None);
    }
    assert_eq!(backend.log_text().matches("tools/call").count(), 5);
    assert_eq!((refusals(&gate, "rate-limited-caller"), reached(&gate, "rates.caller")), (3.0, 3.0));
}

/// Lets another caller in.
fn add_key(folder: &Path, id: &str, key: &str) {
    use sha2::Digest;
    let sha256: String = sha2::Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
    let file = folder.join("keys.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, format!("{text}- {{id: {id}, kind: standard, sha256: {sha256}}}\n")).unwrap();
}

#[test]
fn a_flood_does_not_fill_the_record() {
    let backend = Backend::raw(&[]);
    let gate = gate("mcp", &backend, "rates: {caller: {calls: 1, per_seconds: 3600}}");
    let since = Instant::now();
    let mut connection = Connection::open(&gate.address);
    let body = call(1, "a", &json!({})).to_string();
    for _ in 0..200 {
        connection.send(
            "POST",
            "/mcp",
            &[("x-api-key", KEY), ("content-type", "application/json")],
            body.as_bytes(),
        );
        assert_eq!(connection.answer().status, 200);
    }
    let seconds = since.elapsed().as_secs() + 2;
    let records = wait_for("a record", || {
        let records = gate.records();
        let count = records.iter().filter(|record| record["reason"] == "rate-limited-caller").count();
        (count > 0).then_some(count)
    });
    assert!(u64::try_from(records).unwrap() <= seconds, "{records} records in {seconds} s");
    assert_eq!(refusals(&gate, "rate-limited-caller"), 199.0);
    let unrecorded = gate.metric("oakgate_refusals_unrecorded_total");
    assert_eq!(unrecorded, 199.0 - f64::from(u32::try_from(records).unwrap()));
}

#[test]
fn who_waits_as_told_gets_through() {
    let backend = Backend::raw(&[]);
    let gate = gate("rest", &backend, "rates: {all: {calls: 1, per_seconds: 2}}");
    let ask = || gate.send("POST", "/mcp/v1/a", &[("content-type", "application/json")], b"{}");
    assert_eq!(ask().status, 200);
    let over = ask();
    assert_eq!((over.status, over.json()["code"].as_str()), (429, Some("rate-limited")));
    assert_eq!(over.header("content-type"), Some("application/problem+json"));
    let wait: u64 = over.header("retry-after").unwrap().parse().unwrap();
    assert!(wait == 1 || wait == 2, "{wait}");
    std::thread::sleep(Duration::from_secs(wait));
    assert_eq!(ask().status, 200);
    assert_eq!(reached(&gate, "rates.all"), 1.0);
}

#[test]
fn a_tool_has_its_rate_and_what_policy_refuses_takes_nothing_from_it() {
    let backend = Backend::raw(&[]);
    let hour = "per_seconds: 3600";
    let rates = format!(
        "rates: {{tool: {{calls: 1, {hour}}}, tools: {{b: {{calls: 2, {hour}}}}}, caller_tool: {{calls: 9, {hour}}}}}"
    );
    let gate = gate("mcp", &backend, &rates);
    for _ in 0..3 {
        assert_eq!(refused(&post(&gate, "off")).unwrap()["reason"], "denied");
    }
    let reasons = |tool: &str| {
        let details = refused(&post(&gate, tool));
        details.map_or("", |details| if details["reason"] == "rate-limited-tool" { "over" } else { "?" })
    };
    assert_eq!(["a", "a", "b", "b", "b"].map(reasons), ["", "over", "", "", "over"]);
    assert_eq!((reached(&gate, "rates.tool"), reached(&gate, "rates.tools")), (1.0, 1.0));
    assert_eq!(backend.log_text().matches("tools/call").count(), 3);
    let records = gate.records();
    let over: Vec<&Value> = records.iter().filter(|record| record["reason"] == "rate-limited-tool").collect();
    assert_eq!((&over[0]["tool"], &over[0]["permission"]), (&json!("a"), &json!("allowed")), "{over:?}");
}

#[test]
fn every_call_of_a_batch_counts() {
    let folder = tempfile::tempdir().unwrap();
    let backend = raw(folder.path());
    let gate = gate("mcp", &backend, "rates: {tool: {calls: 3, per_seconds: 3600}}");
    let session = session(&gate, "2025-03-26");
    let batch = |tools: &[&str]| {
        let calls: Vec<Value> = tools.iter().zip(1..).map(|(tool, id)| call(id, tool, &json!({}))).collect();
        send(&gate, &session, &json!(calls), &[])
    };
    let why = |answer: &Answer| {
        answer.json()[0]["result"]["_meta"]["oakgate.dev/verdict"]["reason"].as_str().map(str::to_owned)
    };
    assert_eq!(why(&batch(&["a", "a", "a", "a"])).as_deref(), Some("batch-over-rate"));
    batch(&["a", "b", "a"]);
    assert_eq!(why(&batch(&["a", "a"])).as_deref(), Some("rate-limited-tool"));
    assert_eq!(backend.log_text().matches("tools/call").count(), 3);
}

#[test]
fn every_message_of_a_batch_is_a_request_of_its_caller() {
    let folder = tempfile::tempdir().unwrap();
    let backend = raw(folder.path());
    let gate = gate("mcp", &backend, "rates: {caller: {calls: 10, per_seconds: 3600}}");
    let session = session(&gate, "2025-03-26");
    let pings = |count: u32| {
        let ping = |id| json!({"jsonrpc": "2.0", "id": id, "method": "ping"});
        let messages: Vec<Value> = (1..=count).map(ping).collect();
        send(&gate, &session, &json!(messages), &[]);
        backend.log_text().matches("\"ping\"").count()
    };
    assert_eq!(pings(6), 6);
    assert_eq!(pings(6), 6, "there is no room for so many");
}

#[test]
fn a_held_call_counts_once_and_nobody_is_asked_beyond_the_rate() {
    let backend = Backend::raw(&[]);
    let backends = format!("- {{name: tools, kind: mcp, path: /mcp, url: '{}'}}", backend.url);
    let gate = Arc::new(Gate::start(&GateOptions {
        backends,
        policy: POLICY,
        proxy: "rates: {tool: {calls: 1, per_seconds: 3600}}\nlimits: {max_calls_per_tool: 1}",
        approvals: true,
        ..GateOptions::default()
    }));
    let waiting = std::thread::spawn({
        let gate = Arc::clone(&gate);
        move || post(&gate, "held").message()
    });
    let reference = gate.pending();
    // It takes its tool's place while it waits.
    assert_eq!(refused(&post(&gate, "held")).unwrap()["reason"], "tool-full");
    assert_eq!(gate.approvals(&["approve", &reference]).0, 0);
    let message = waiting.join().unwrap();
    assert_eq!(message["result"]["isError"], false, "{message}");
    wait_for("its end", || (gate.metric("oakgate_calls_under_way") == 0.0).then_some(()));
    assert_eq!(refused(&post(&gate, "held")).unwrap()["reason"], "rate-limited-tool");
    assert_eq!(gate.metric("oakgate_holds"), 0.0);
    assert_eq!((reached(&gate, "max_calls_per_tool"), reached(&gate, "rates.tool")), (1.0, 1.0));
}

#[test]
fn there_are_only_so_many_calls_under_way() {
    let backend = Backend::raw(&["--hang"]);
    for (number, limit, reason, of_another) in
        [(1, "max_calls_per_tool", "tool-full", false), (2, "max_calls", "calls-full", true)]
    {
        let gate = gate("mcp", &backend, &format!("limits: {{{limit}: 1}}"));
        let mut first = Connection::open(&gate.address);
        let body = call(1, "a", &json!({})).to_string();
        first.send(
            "POST",
            "/mcp",
            &[("x-api-key", KEY), ("content-type", "application/json")],
            body.as_bytes(),
        );
        let calls = || backend.log_text().matches("tools/call").count();
        wait_for("the first", || (calls() == number).then_some(()));
        let answer = post(&gate, "a");
        assert_eq!(refused(&answer).unwrap()["reason"], reason);
        assert_eq!(reached(&gate, limit), 1.0);
        if of_another {
            assert_eq!(refused(&post(&gate, "b")).unwrap()["reason"], reason);
        }
        assert_eq!((calls(), gate.metric("oakgate_calls_under_way")), (number, 1.0));
        drop(first);
        wait_for("a free place", || (gate.metric("oakgate_calls_under_way") == 0.0).then_some(()));
    }
}

#[test]
fn one_address_does_not_take_all_connections() {
    let backend = Backend::raw(&[]);
    let gate = gate("mcp", &backend, "limits: {max_connections_per_address: 2}");
    let held: Vec<Connection> = (0..2).map(|_| Connection::open(&gate.address)).collect();
    wait_for("two connections", || (gate.metric("oakgate_connections") == 2.0).then_some(()));
    assert_eq!(Connection::open(&gate.address).everything(), b"");
    wait_for("the count", || (reached(&gate, "max_connections_per_address") == 1.0).then_some(()));
    assert_eq!(gate.metric("oakgate_connections_refused_total"), 1.0);
    drop(held);
    wait_for("free places", || (gate.metric("oakgate_connections") == 0.0).then_some(()));
    assert_eq!(refused(&post(&gate, "a")), None);
}

#[test]
fn what_is_read_of_responses_has_a_limit_in_all() {
    let folder = tempfile::tempdir().unwrap();
    let tools: Vec<Value> = (0..2000).map(|n| json!({"name": format!("tool-number-{n:050}")})).collect();
    let results = folder.path().join("results.json");
    std::fs::write(&results, json!({"tools/list": {"tools": tools}}).to_string()).unwrap();
    let results = ["--results", results.to_str().unwrap()];
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    for (further, max_bytes, passes) in [
        (&[][..], 65_536, false),
        (&[], 16_777_216, true),
        (&["--sse", "--events", "1", "--interval-ms", "1"], 65_536, false),
        (&["--sse", "--events", "1", "--interval-ms", "1"], 16_777_216, true),
    ] {
        let backend = Backend::raw(&[&results, further].concat());
        let backends = format!("- {{name: tools, kind: mcp, path: /mcp, url: '{}'}}", backend.url);
        let proxy = format!("limits: {{max_buffered_response_bytes: {max_bytes}}}");
        let policy = "{format: 1, org: acme, unlisted_tools: trust, rules: [{id: all, permission: allowed}]}";
        let gate = Gate::start(&GateOptions { backends, policy, proxy: &proxy, ..GateOptions::default() });
        let mut connection = Connection::open(&gate.address);
        let headers = [
            ("x-api-key", KEY),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("connection", "close"),
        ];
        connection.send("POST", "/mcp", &headers, list.as_bytes());
        let answer = String::from_utf8(connection.everything()).unwrap();
        assert_eq!(answer.contains("tool-number-"), passes, "{further:?} {max_bytes}");
        assert_eq!(answer.contains("no-room"), !passes && further.is_empty(), "{further:?} {max_bytes}");
        assert_eq!(reached(&gate, "max_buffered_response_bytes") > 0.0, !passes);
        assert_eq!(gate.metric("oakgate_buffered_response_bytes"), 0.0);
    }
}

#[test]
fn who_reads_slowly_holds_room() {
    let folder = tempfile::tempdir().unwrap();
    let long = "x".repeat(200_000);
    let tools: Vec<Value> =
        (0..60).map(|n| json!({"name": format!("tool-{n}"), "description": long})).collect();
    let results = folder.path().join("results.json");
    std::fs::write(&results, json!({"tools/list": {"tools": tools}}).to_string()).unwrap();
    let backend = Backend::raw(&["--results", results.to_str().unwrap()]);
    let gate = gate("mcp", &backend, "limits: {max_buffered_response_bytes: 16777216}");
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let mut slow = Connection::open(&gate.address);
    slow.send("POST", "/mcp", &[("x-api-key", KEY), ("content-type", "application/json")], list.as_bytes());
    assert_eq!(slow.head().status, 200);
    assert!(gate.metric("oakgate_buffered_response_bytes") > 12_000_000.0);
    assert_eq!(gate.post(list).json()["error"]["data"]["reason"], "list-unreadable");
    drop(slow);
    wait_for("room", || (gate.metric("oakgate_buffered_response_bytes") == 0.0).then_some(()));
    assert_eq!(gate.post(list).json()["result"]["tools"][59]["name"], "tool-59");
}
