//! The admin address: what someone on call looks at first.

use serde_json::json;

use crate::harness::{Backend, Connection, Gate, request};

#[test]
fn it_tells_what_is_going_on() {
    let backend = Backend::raw(&[]);
    let policy = "{format: 1, org: acme, tools: [{name: echo, default: allowed}], rules: [{id: r, tool: drop, permission: disabled}]}";
    let gate = Gate::mcp(&backend.url, policy);
    gate.post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}"#);
    gate.post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"drop"}}"#);
    assert_eq!(gate.metric("oakgate_calls_total{backend=\"tools\",kind=\"mcp\",verdict=\"allowed\"}"), 1.0);
    assert_eq!(gate.metric("oakgate_calls_total{backend=\"tools\",kind=\"mcp\",verdict=\"disabled\"}"), 1.0);
    assert_eq!(gate.metric("oakgate_receipts_total"), 1.0);
    for phase in ["read", "decide", "record", "backend", "total"] {
        assert!(gate.metric(&format!("oakgate_phase_seconds_count{{phase=\"{phase}\"}}")) >= 1.0, "{phase}");
    }
    assert_eq!(gate.admin("/healthz").text(), "ok\n");
    assert_eq!(gate.admin("/policy").json()["org"], "acme");
    assert_eq!(gate.admin("/nothing").status, 404);
}

#[test]
fn it_answers_no_page_and_no_other_name() {
    let gate = Gate::mcp(&Backend::raw(&[]).url, "{format: 1, org: acme}");
    let asked = |path: &str, headers: &[(&str, &str)]| request(&gate.admin, "GET", path, headers, b"");
    for path in ["/metrics", "/policy", "/backends", "/tools", "/healthz", "/nothing"] {
        let origin = asked(path, &[("origin", "http://evil.example")]);
        assert_eq!(origin.status, 403, "{path}");
        assert!(origin.text().contains("`Origin`"), "{path}: {}", origin.text());
    }
    for (host, status) in [
        ("localhost", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:9090", 200),
        ("evil.example", 403),
        ("evil.example:9090", 403),
        ("localhost.evil.example", 403),
    ] {
        let mut connection = Connection::open(&gate.admin);
        connection.write(format!("GET /policy HTTP/1.1\r\nhost: {host}\r\n\r\n").as_bytes());
        let answer = connection.answer();
        assert_eq!(answer.status, status, "{host}");
        assert_eq!(
            answer.text().contains("answers to `localhost`"),
            status == 403,
            "{host}: {}",
            answer.text()
        );
    }
}

#[test]
fn it_explains_a_call_that_nobody_made() {
    let backend = Backend::raw(&[]);
    let gate = Gate::mcp(
        &backend.url,
        "{format: 1, org: acme, rules: [{id: r, tool: 'drop*', permission: disabled}]}",
    );
    let explain = |query: &str| request(&gate.admin, "POST", "/explain", &[], query.as_bytes());
    let explained = explain(r#"{"tool": "drop_table", "tenant": "eu"}"#).json();
    assert_eq!(explained["explanation"]["verdict"]["rule"], "r", "{explained}");
    assert_eq!(explained["explanation"]["verdict"]["level"], "org/tool");
    assert_eq!(explain(r#"{"tol": "drop_table"}"#).status, 400);
    assert_eq!(backend.log_text(), "");
    assert_eq!(gate.records(), Vec::<serde_json::Value>::new());
    assert_eq!(explained["policy"], gate.admin("/policy").json()["revision"]);
    assert_ne!(explained["policy"], json!(null));
}
