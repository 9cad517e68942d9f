//! Byte for byte: plain HTTP with and without the proxy.

use serde_json::{Value, json};

use super::ALLOW_ALL;
use crate::harness::{Answer, Backend, Connection, Gate, KEY, wait_for};

/// Where a backend listens, `127.0.0.1:port`.
pub(super) fn address(backend: &Backend) -> &str {
    backend.url.trim_start_matches("http://").trim_end_matches("/mcp")
}

pub(super) fn open(
    address: &str,
    key: &str,
    session: Option<&str>,
    method: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Connection {
    let mut all = vec![
        ("x-api-key", key),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ];
    if let Some(session) = session {
        all.extend([("mcp-session-id", session), ("mcp-protocol-version", "2025-11-25")]);
    }
    all.extend(headers);
    let mut connection = Connection::open(address);
    connection.send(method, "/mcp", &all, body.as_bytes());
    connection
}

pub(super) fn post(address: &str, key: &str, session: Option<&str>, body: &str) -> Answer {
    open(address, key, session, "POST", &[], body).answer()
}

/// Opens a session of 2025-11-25; returns its id.
pub(super) fn session(address: &str, key: &str) -> String {
    let hello = json!({
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"},
    });
    let message = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello});
    let answer = post(address, key, None, &message.to_string());
    let session = answer.header("mcp-session-id").unwrap().to_owned();
    let ready = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(post(address, key, Some(&session), ready).status, 202);
    session
}

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"raw","version":"1"}}"#;

/// A request of 2026-07-28 with the headers that repeat its body.
fn modern(address: &str, key: &str, method: &str, name: Option<&str>, body: &str) -> Connection {
    let mut headers = vec![("mcp-protocol-version", "2026-07-28"), ("mcp-method", method)];
    headers.extend(name.map(|name| ("mcp-name", name)));
    open(address, key, None, "POST", &headers, body)
}

/// Calls `wait`, and returns once the backend has begun with it.
pub(super) fn waiting_call(
    backend: &Backend,
    (address, key): (&str, &str),
    session: Option<&str>,
    milliseconds: u32,
) -> Connection {
    let before = waits_begun(&backend.log());
    let arguments = json!({"milliseconds": milliseconds});
    let params = match session {
        None => format!(r#"{{{META},"name":"wait","arguments":{arguments}}}"#),
        Some(_) => format!(r#"{{"name":"wait","arguments":{arguments}}}"#),
    };
    let body = format!(r#"{{"jsonrpc":"2.0","id":"wait","method":"tools/call","params":{params}}}"#);
    let connection = match session {
        None => modern(address, key, "tools/call", Some("wait"), &body),
        Some(_) => open(address, key, session, "POST", &[], &body),
    };
    wait_for("a wait", || (waits_begun(&backend.log()) > before).then_some(()));
    connection
}

fn waits_begun(log: &[Value]) -> usize {
    log.iter().filter(|line| line["waits_ms"].is_number()).count()
}

/// How the last wait ended.
pub(super) fn end_of_wait(backend: &Backend) -> String {
    wait_for("the end of a wait", || {
        let log = backend.log();
        let begun = waits_begun(&log);
        let ended: Vec<&Value> = log.iter().filter(|line| line["wait"].is_string()).collect();
        (begun > 0 && ended.len() == begun).then(|| ended[begun - 1]["wait"].as_str().unwrap().to_owned())
    })
}

/// An answer as a client sees it, less what each run has of its own.
fn shape(answer: &Answer) -> (u16, Vec<String>, String) {
    let own = ["date", "oakgate-call", "connection", "transfer-encoding", "content-length", "mcp-session-id"];
    let mut headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| !own.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    headers.sort();
    (answer.status, headers, answer.text())
}

#[test]
fn what_the_proxy_does_not_know_passes_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results");
    let unknown = json!({
        "resultType": "io.example/later", "content": [], "io.example/field": {"a": [1.50, "ü", null]},
        "_meta": {"io.example/meta": true},
    });
    let all: serde_json::Map<String, Value> =
        ["resources/read", "tools/call", "server/discover", "tasks/get"]
            .iter()
            .map(|method| ((*method).to_owned(), unknown.clone()))
            .collect();
    std::fs::write(&results, Value::Object(all).to_string()).unwrap();
    let results = results.to_str().unwrap();
    for arguments in [vec!["--results", results], vec!["--results", results, "--sse", "--interval-ms", "1"]] {
        let backend = Backend::raw(&arguments);
        let gate = Gate::mcp(&backend.url, ALLOW_ALL);
        for (method, name, key) in [
            ("resources/read", Some("file:///a"), "uri"),
            ("tools/call", Some("raw"), "name"),
            ("server/discover", None, ""),
            ("tasks/get", Some("t-1"), "taskId"),
        ] {
            let named = name.map_or(String::new(), |name| format!(r#""{key}":"{name}","#));
            let body = format!(
                r#"{{ "jsonrpc":"2.0","id":1.0e2,"method":"{method}", "io.example/top":[1.50], "params":{{{named}"io.example/p":{{"x":"\u00fc"}},{META}}} }}"#
            );
            let [direct, through] = [(address(&backend), "direct"), (&gate.address, KEY)]
                .map(|(address, key)| shape(&modern(address, key, method, name, &body).answer()));
            assert_eq!(direct, through, "{method}");
            assert!(through.2.contains("io.example/field"), "{method}: {}", through.2);
            assert_eq!(backend.log_text().matches(&body).count(), 2, "{method}: the same bytes arrive");
        }
    }
}

#[test]
fn refusals_of_a_backend_pass_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let body = folder.path().join("body");
    let error = |code: i32, data: &Value| {
        json!({"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": "no", "data": data}}).to_string()
    };
    let versions = json!({"supported": ["2026-07-28"], "requested": "2027-01-01"});
    for (status, kind, text) in [
        ("400", "application/json", error(-32020, &json!({"header": "Mcp-Name"}))),
        ("400", "application/json", error(-32022, &versions)),
        ("400", "text/plain", "Bad Request: no session".to_owned()),
        ("404", "application/json", error(-32601, &Value::Null)),
        ("404", "application/json", String::new()),
        ("405", "application/json", " {\"odd\" : 1 }\n".to_owned()),
    ] {
        std::fs::write(&body, &text).unwrap();
        let file = body.to_str().unwrap();
        let backend = Backend::raw(&["--status", status, "--content-type", kind, "--body-file", file]);
        let gate = Gate::mcp(&backend.url, ALLOW_ALL);
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"raw"}}"#;
        let listed = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
        for (method, message) in [("POST", call), ("POST", listed), ("GET", ""), ("DELETE", "")] {
            let [direct, through] = [(address(&backend), "direct"), (&gate.address, KEY)]
                .map(|(address, key)| shape(&open(address, key, Some("s"), method, &[], message).answer()));
            assert_eq!(direct, through, "{status} {method} {message}");
            assert_eq!((through.0.to_string().as_str(), &through.2), (status, &text));
        }
    }
}

#[test]
fn sessions_and_streams_are_the_servers() {
    let backend = Backend::features(&[]);
    let gate = Gate::mcp(&backend.url, ALLOW_ALL);
    let seen = [(address(&backend), "direct"), (gate.address.as_str(), KEY)].map(|(address, key)| {
        let session = session(address, key);
        let poll = r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"poll","_meta":{"progressToken":"p"}}}"#;
        let cut = post(address, key, Some(&session), poll);
        // The stream begins with a priming event, says when to come back, and was closed by the server.
        let id = cut.text().lines().find_map(|line| line.strip_prefix("id: ").map(str::to_owned)).unwrap();
        let last = [("last-event-id", id.as_str())];
        let mut resumed = open(address, key, Some(&session), "GET", &last, "");
        let head = resumed.head();
        let mut rest = String::new();
        while !rest.contains("polled") {
            rest.push_str(&String::from_utf8(resumed.chunk().unwrap()).unwrap());
        }
        let list = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;
        let unknown = shape(&post(address, key, Some("no-such-session"), list));
        let ended = shape(&open(address, key, Some(&session), "DELETE", &[], "").answer());
        let dead = shape(&post(address, key, Some(&session), list));
        (without_ids(&cut.text()), shape(&head), without_ids(&rest), unknown, ended, dead)
    });
    assert_eq!(seen[0], seen[1]);
    let (cut, head, rest, unknown, ended, dead) = &seen[1];
    assert!(cut.contains("retry: 200") && cut.contains("before") && !cut.contains("polled"), "{cut}");
    assert!(rest.contains("while away"), "{rest}");
    assert_eq!((head.0, unknown.0, ended.0, dead.0), (200, 404, 200, 404));
}

/// A stream whose event ids, of which one server gives each once, are left out.
pub(super) fn without_ids(stream: &str) -> String {
    stream.lines().filter(|line| !line.starts_with("id: ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn subscriptions_are_acknowledged_and_tagged() {
    let backend = Backend::features(&[]);
    let gate = Gate::mcp(&backend.url, ALLOW_ALL);
    let seen = [(address(&backend), "direct"), (gate.address.as_str(), KEY)].map(|(address, key)| {
        let wanted = json!({"toolsListChanged": true, "resourceSubscriptions": ["note://first"]});
        let listen = format!(
            r#"{{"jsonrpc":"2.0","id":"sub-1","method":"subscriptions/listen","params":{{"notifications":{wanted},{META}}}}}"#
        );
        let mut listening = modern(address, key, "subscriptions/listen", None, &listen);
        let mut stream = shape(&listening.head()).1.join("\n");
        let mut until = |listening: &mut Connection, what: &str| {
            while !stream.contains(what) {
                stream.push_str(&String::from_utf8(listening.chunk().unwrap()).unwrap());
            }
            stream.clone()
        };
        until(&mut listening, "notifications/subscriptions/acknowledged");
        let announce = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"announce",{META}}}}}"#
        );
        let answer = modern(address, key, "tools/call", Some("announce"), &announce).answer();
        assert_eq!(answer.status, 200, "{}", answer.text());
        until(&mut listening, "notifications/resources/updated")
    });
    assert_eq!(seen[0], seen[1]);
    let tag = r#""io.modelcontextprotocol/subscriptionId":"sub-1""#;
    assert_eq!(seen[1].matches(tag).count(), 3, "{}", seen[1]);
    assert!(!seen[1].contains("prompts/list_changed"), "{}", seen[1]);
}
