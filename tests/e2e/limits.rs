//! Limits that no other file comes to: what goes beyond one is cut or refused, and counted.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use socket2::{Domain, Socket, Type};

use crate::batches::{call, raw, send, session};
use crate::harness::{Backend, Connection, Gate, GateOptions, KEY, wait_for};

const POLICY: &str = "{format: 1, org: acme, unlisted_tools: trust, rules: [{id: all, permission: allowed}]}";

fn gate(backend: &Backend, limits: &str) -> Gate {
    let backends = format!("- {{name: tools, kind: mcp, path: /mcp, url: '{}'}}", backend.url);
    let proxy = format!("limits: {{{limits}}}");
    Gate::start(&GateOptions { backends, policy: POLICY, proxy: &proxy, ..GateOptions::default() })
}

fn reached(gate: &Gate, limit: &str) -> f64 {
    gate.metric(&format!("oakgate_limits_reached_total{{limit=\"{limit}\"}}"))
}

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"raw","arguments":{}}}"#;

#[test]
fn only_so_many_idle_connections_are_kept() {
    for (limits, opened) in
        [("max_idle_backend_connections: 0", 5.0), ("max_idle_backend_connections: 1", 1.0)]
    {
        let backend = Backend::raw(&[]);
        let gate = gate(&backend, limits);
        let mut connection = Connection::open(&gate.address);
        for _ in 0..5 {
            let headers = [
                ("x-api-key", KEY),
                ("content-type", "application/json"),
                ("accept", "application/json, text/event-stream"),
            ];
            connection.send("POST", "/mcp", &headers, CALL.as_bytes());
            assert_eq!(connection.answer().message()["result"]["content"][0]["text"], "raw", "{limits}");
        }
        let connections = gate.metric("oakgate_backend_connections_total{backend=\"tools\"}");
        assert_eq!(connections, opened, "{limits}");
    }
}

#[test]
fn connecting_takes_only_so_long() {
    // Whoever comes when its queue is full gets no answer at all.
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let mut queue = Vec::new();
    while let Ok(waiting) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        queue.push(waiting);
        assert!(queue.len() < 100, "a queue without an end");
    }
    let backends = format!("- {{name: tools, kind: mcp, path: /mcp, url: 'http://{address}/mcp'}}");
    let proxy = "limits: {connect_timeout_seconds: 1}";
    let gate = Gate::start(&GateOptions { backends, policy: POLICY, proxy, ..GateOptions::default() });
    let since = Instant::now();
    let message = gate.post(CALL).message();
    let took = since.elapsed();
    assert_eq!(
        message["result"]["_meta"]["oakgate.dev/verdict"]["reason"], "backend-unreachable",
        "{message}"
    );
    assert!((1..4).contains(&took.as_secs()), "{took:?}");
}

/// Opens a stream of the old HTTP+SSE transport.
fn stream(gate: &Gate) -> Connection {
    let mut stream = asked(gate);
    assert_eq!(stream.head().status, 200);
    stream
}

fn asked(gate: &Gate) -> Connection {
    let mut stream = Connection::open(&gate.address);
    stream.send("GET", "/mcp", &[("x-api-key", KEY), ("accept", "text/event-stream")], b"");
    stream
}

/// Reads until the stream says where messages go.
fn until_open(stream: &mut Connection) {
    let first = String::from_utf8(stream.chunk().unwrap()).unwrap();
    assert!(first.starts_with("event: endpoint") && first.contains("oakgate_session="), "{first}");
}

#[test]
fn there_are_only_so_many_sessions_of_the_old_transport() {
    let backend = Backend::http_and_sse(&[]);
    for limit in ["max_sessions", "max_sessions_per_caller"] {
        only_one(&gate(&backend, &format!("{limit}: 1")), limit);
    }
}

fn only_one(gate: &Gate, limit: &str) {
    let mut first = stream(gate);
    until_open(&mut first);
    // It may be cut before its head is out.
    let cut = String::from_utf8(asked(gate).everything()).unwrap();
    assert!(!cut.contains("oakgate_session"), "{cut}");
    assert_eq!(reached(gate, limit), 1.0);
    assert_eq!(gate.metric("oakgate_http_sse_sessions"), 1.0);
    drop(first);
    wait_for("a free place", || (gate.metric("oakgate_http_sse_sessions") == 0.0).then_some(()));
    until_open(&mut stream(gate));
}

/// A backend of plain sockets with so many tools.
fn with_tools(count: usize, folder: &Path, further: &[&str]) -> Backend {
    let tools: Vec<_> = (0..count).map(|n| json!({"name": format!("tool-{n}")})).collect();
    let results = folder.join("results.json");
    std::fs::write(&results, json!({"tools/list": {"tools": tools}}).to_string()).unwrap();
    Backend::raw(&[&["--results", results.to_str().unwrap()], further].concat())
}

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;

#[test]
fn a_list_that_is_too_long_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (count, status) in [(1, 200), (100, 502)] {
        let backend = with_tools(count, folder.path(), &[]);
        let gate = gate(&backend, "max_tools_list_bytes: 1024");
        let answer = gate.post(LIST);
        assert_eq!(answer.status, status, "{}", answer.text());
        if status == 502 {
            assert_eq!(answer.json()["error"]["data"]["reason"], "list-unreadable");
            assert_eq!(gate.metric("oakgate_refusals_total{reason=\"list-unreadable\"}"), 1.0);
            assert_eq!(reached(&gate, "max_tools_list_bytes"), 1.0);
        } else {
            assert_eq!(answer.json()["result"]["tools"][0]["name"], "tool-0");
            assert_eq!(reached(&gate, "max_tools_list_bytes"), 0.0);
        }
    }
}

#[test]
fn an_event_that_is_too_long_cuts_its_stream() {
    let folder = tempfile::tempdir().unwrap();
    let sse = ["--sse", "--events", "1", "--interval-ms", "1"];
    let backend = with_tools(1, folder.path(), &sse);
    let answer = gate(&backend, "max_event_bytes: 1024").post(LIST);
    assert_eq!(answer.message()["result"]["tools"][0]["name"], "tool-0");
    let backend = with_tools(100, folder.path(), &sse);
    let gate = gate(&backend, "max_event_bytes: 1024");
    let mut connection = Connection::open(&gate.address);
    let headers = [
        ("x-api-key", KEY),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ];
    connection.send("POST", "/mcp", &headers, LIST.as_bytes());
    assert_eq!(connection.head().status, 200);
    let cut = String::from_utf8(connection.until_cut_off()).unwrap();
    assert!(!cut.contains("tool-"), "{cut}");
}

#[test]
fn a_session_that_is_idle_for_too_long_sends_no_batch() {
    let folder = tempfile::tempdir().unwrap();
    let backend = raw(folder.path());
    let gates =
        ["session_idle_seconds: 3600", "session_idle_seconds: 1"].map(|limits| gate(&backend, limits));
    let sessions = gates.each_ref().map(|gate| session(gate, "2025-03-26"));
    // To ask would be to use the session. Longer than this is as good.
    std::thread::sleep(Duration::from_millis(1100));
    let batch = json!([call(1, "a", &json!({})), call(2, "b", &json!({}))]);
    let [kept, forgotten] = [0, 1].map(|place| send(&gates[place], &sessions[place], &batch, &[]));
    assert_eq!(kept.status, 200, "{}", kept.text());
    assert_eq!(forgotten.status, 400, "{}", forgotten.text());
    assert_eq!(forgotten.json()["error"]["data"]["reason"], "batch");
    assert_eq!(backend.log_text().matches("tools/call").count(), 2);
}
