//! What can't be decided never reaches a backend: nothing of it, and with a reason that has a name.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Backend, Connection, Gate, GateOptions, KEY, wait_for};

const POLICY: &str =
    "{format: 1, org: acme, tools: [{name: echo, default: allowed}, {name: t, default: allowed}]}";
const CALL: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{}}}"#;

#[test]
fn bodies_that_two_readers_could_read_differently() {
    let backend = Backend::raw(&[]);
    let gate = Gate::mcp(&backend.url, POLICY);
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{{"a":{}1{}}}}}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    let cases: &[(&str, &[u8])] = &[
        ("duplicate-key", br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","name":"drop"}}"#),
        ("duplicate-key", br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","n\u0061me":"drop"}}"#),
        ("duplicate-key", br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"a":[{"b":1,"b":2}]}}}"#),
        ("case-variant-key", br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","Name":"drop"}}"#),
        ("case-variant-key", br#"{"jsonrpc":"2.0","id":1,"Method":"tools/call","method":"ping"}"#),
        ("case-variant-key", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"param\u{17f}\":{},\"params\":{\"name\":\"echo\"}}".as_bytes()),
        ("nul-in-key", br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","name\u0000":"drop"}}"#),
        ("nul-in-name", br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"drop\u0000x"}}"#),
        ("escaped-key", br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"n\u0061me":"echo"}}"#),
        ("too-deep", deep.as_bytes()),
        ("trailing-bytes", br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}} {}"#),
        ("byte-order-mark", b"\xef\xbb\xbf{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}"),
        ("invalid-utf8", b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"\xff\"}}"),
        ("call-without-name", br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#),
        ("call-without-id", br#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"echo"}}"#),
        ("batch", br#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}]"#),
        ("not-json", b"name=echo"),
        ("not-json", b""),
    ];
    for (reason, body) in cases {
        for content_type in ["application/json", "text/plain"] {
            let before = gate.metric(&format!("oakgate_refusals_total{{reason=\"{reason}\"}}"));
            let answer = gate.send("POST", "/mcp", &[("content-type", content_type)], body);
            let text = String::from_utf8_lossy(body).into_owned();
            assert_eq!(answer.status, 400, "{text}: {}", answer.text());
            let error = answer.json()["error"].clone();
            assert_eq!(error["data"]["reason"], json!(reason), "{text}: {error}");
            assert!([-32700, -32600, -32602].map(|code| json!(code)).contains(&error["code"]), "{error}");
            assert_eq!(gate.metric(&format!("oakgate_refusals_total{{reason=\"{reason}\"}}")), before + 1.0);
            let records =
                gate.records().into_iter().filter(|record| record["reason"] == json!(reason)).count();
            assert_eq!(f64::from(u32::try_from(records).unwrap()), before + 1.0);
        }
    }
    // UTF-7 would make `/etc/passwd` of this.
    let wide = CALL.replace("{}", r#"{"path":"+AC8-etc/passwd"}"#);
    for headers in [
        &[("content-type", "application/json; charset=utf-7")][..],
        &[("content-type", "application/json"), ("content-type", "text/plain")],
    ] {
        let error = gate.send("POST", "/mcp", headers, wide.as_bytes()).json()["error"].clone();
        assert_eq!(error["data"]["reason"], "charset", "{headers:?}");
    }
    let long = CALL.replace("echo", &"x".repeat(4000));
    assert_eq!(gate.post(&long).json()["error"]["data"]["reason"], "coordinates-too-long");
    assert_eq!(backend.log_text(), "");
}

#[test]
fn headers_that_say_something_else_than_the_body() {
    let backend = Backend::raw(&[]);
    let gate = Gate::mcp(&backend.url, POLICY);
    let modern = CALL
        .replace(r#""name""#, r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"},"name""#);
    for (headers, reason) in [
        (&[("mcp-method", "tools/list")][..], "method-header-mismatch"),
        (&[("mcp-name", "read")], "name-header-mismatch"),
        (&[("mcp-name", "=?base64?cmVhZA==?=")], "name-header-mismatch"),
        (&[("mcp-name", "=?base64?!?=")], "name-header-mismatch"),
        (&[("mcp_name", "read")], "name-header-mismatch"),
        (&[("mcp-protocol-version", "2025-11-25")], "version-header-mismatch"),
    ] {
        let answer = gate.send("POST", "/mcp", headers, modern.as_bytes());
        assert_eq!(answer.status, 400, "{headers:?}");
        let error = &answer.json()["error"];
        assert_eq!(
            (&error["code"], &error["data"]["reason"]),
            (&json!(-32020), &json!(reason)),
            "{headers:?}"
        );
    }
    assert_eq!(backend.log_text(), "");
    let matching = [
        ("mcp-method", "tools/call"),
        ("mcp-name", "=?base64?ZWNobw==?="),
        ("mcp-protocol-version", "2026-07-28"),
    ];
    assert_eq!(gate.send("POST", "/mcp", &matching, modern.as_bytes()).status, 200);
}

#[test]
fn a_dimension_that_is_there_but_is_not_text() {
    let backend = Backend::raw(&[]);
    let backends = format!(
        "- {{name: tools, kind: mcp, path: /mcp, url: '{}', resource: {{argument: /path}}, method: {{header: x-mode}}}}",
        backend.url
    );
    let gate = Gate::start(&GateOptions { backends, policy: POLICY, ..GateOptions::default() });
    let call = |arguments: &str, headers: &[(&str, &str)]| {
        let answer = gate.send("POST", "/mcp", headers, CALL.replace("{}", arguments).as_bytes());
        answer.json()["error"]["data"]["reason"].clone()
    };
    assert_eq!(call(r#"{"path":7}"#, &[]), "argument-not-text");
    assert_eq!(call(r#"{"path":["/a"]}"#, &[]), "argument-not-text");
    assert_eq!(call(r#"{"Path":"/a"}"#, &[]), "argument-case-variant");
    assert_eq!(call("{}", &[("x-mode", "a"), ("x-mode", "b")]), "bad-dimension-header");
    assert_eq!(call("{}", &[("x-mode", "a"), ("X_Mode", "b")]), "bad-dimension-header");
    assert_eq!(call("{}", &[("x-mode", "a"), ("connection", "x-mode")]), "bad-dimension-header");
    assert_eq!(backend.log_text(), "");
    assert!(call(r#"{"path":"/a"}"#, &[("x-mode", "a")]).is_null());
    let intent = gate.records().into_iter().find(|record| record["forward"] == true).unwrap();
    assert_eq!((&intent["resource"], &intent["method"]), (&json!("/a"), &json!("a")));
}

#[test]
fn hosts_origins_and_paths_of_others() {
    let backend = Backend::raw(&[]);
    let backends = format!("- {{name: tools, kind: mcp, path: /mcp, url: '{}'}}", backend.url);
    let listener = "hosts: [gate.example]\norigins: ['https://app.example']";
    let gate = Gate::start(&GateOptions { backends, policy: POLICY, listener, ..GateOptions::default() });
    let own = format!("http://{}", gate.address);
    let port = gate.address.rsplit(':').next().unwrap().to_owned();
    for (headers, status) in [
        (vec![("host", "evil.example")], 403),
        (vec![("host", "localhost")], 200),
        (vec![("host", "GATE.example")], 200),
        (vec![("origin", "https://evil.example")], 403),
        (vec![("origin", "null")], 403),
        (vec![("origin", "https://app.example")], 200),
        (vec![("origin", own.as_str())], 200),
    ] {
        assert_eq!(gate.send("POST", "/mcp", &headers, CALL.as_bytes()).status, status, "{headers:?}");
    }
    let named = format!("gate.example:{port}");
    assert_eq!(gate.send("POST", "/mcp", &[("host", &named)], CALL.as_bytes()).status, 200);
    for path in ["/", "/mcp/", "/mcp/x", "/MCP", "/mcp%2f"] {
        assert_eq!(gate.send("POST", path, &[], CALL.as_bytes()).status, 404, "{path}");
    }
    for (target, status) in [
        (format!("{own}/mcp"), 200),
        ("http://evil.example/mcp".to_owned(), 403),
        (format!("https://{}/mcp", gate.address), 403),
    ] {
        assert_eq!(gate.send("POST", &target, &[], CALL.as_bytes()).status, status, "{target}");
    }
    assert_eq!(gate.send("PUT", "/mcp", &[], CALL.as_bytes()).status, 405);
}

#[test]
fn bodies_that_are_too_large_or_never_come() {
    let backend = Backend::raw(&[]);
    let backends = format!("- {{name: tools, kind: mcp, path: /mcp, url: '{}'}}", backend.url);
    let proxy = "limits: {max_body_bytes: 1000, max_buffered_body_bytes: 1500, body_timeout_seconds: 1, header_timeout_seconds: 1}";
    let gate = Gate::start(&GateOptions { backends, policy: POLICY, proxy, ..GateOptions::default() });
    let large = CALL.replace("{}", &format!(r#"{{"x":"{}"}}"#, "y".repeat(2000)));
    assert_eq!(gate.post(&large).status, 413);
    // A client that sends all of it before it reads still gets its answer.
    let huge = vec![b'x'; 8_000_000];
    assert_eq!(gate.send("POST", "/mcp", &[], &huge).status, 413);
    let mut chunked = Connection::open(&gate.address);
    chunked.write(
        format!(
            "POST /mcp HTTP/1.1\r\nhost: {}\r\nx-api-key: {KEY}\r\ntransfer-encoding: chunked\r\n\r\n",
            gate.address
        )
        .as_bytes(),
    );
    chunked.write(b"7d0\r\n");
    chunked.write(&[b'x'; 2000]);
    assert_eq!(chunked.head().status, 413);
    let mut slow = Connection::open(&gate.address);
    slow.send("POST", "/mcp", &[("x-api-key", KEY), ("content-length", "10")], b"{");
    assert_eq!(slow.head().status, 408);
    let mut slower = Connection::open(&gate.address);
    slower.write(b"POST /mcp HTT");
    assert_eq!(slower.answer().json()["code"], "header-timeout");
    assert!(slower.closes_within(Duration::from_secs(10)));
    // Two bodies of 900 bytes at once are more than may wait.
    let mut first = Connection::open(&gate.address);
    first.send("POST", "/mcp", &[("x-api-key", KEY), ("content-length", "950")], &[b' '; 900]);
    wait_for("the first body", || (gate.metric("oakgate_buffered_body_bytes") == 900.0).then_some(()));
    assert_eq!(gate.send("POST", "/mcp", &[], &[b' '; 900]).status, 503);
    assert_eq!(gate.metric("oakgate_limits_reached_total{limit=\"max_body_bytes\"}"), 3.0);
    assert_eq!(gate.metric("oakgate_limits_reached_total{limit=\"max_buffered_body_bytes\"}"), 1.0);
    assert_eq!(backend.log_text(), "");
}

#[test]
fn backends_that_fail() {
    let gate_of = |arguments: &[&str]| {
        let backend = Backend::raw(arguments);
        let backends = format!("- {{name: tools, kind: mcp, path: /mcp, url: '{}'}}", backend.url);
        let proxy = "limits: {response_timeout_seconds: 1}";
        let gate = Gate::start(&GateOptions { backends, policy: POLICY, proxy, ..GateOptions::default() });
        (backend, gate)
    };
    for (arguments, reason, outcome) in
        [(&["--hang"][..], "backend-timeout", "unknown"), (&["--reset"], "backend-broken", "unknown")]
    {
        let (backend, gate) = gate_of(arguments);
        let result = gate.post(CALL).message()["result"].clone();
        assert_eq!(result["_meta"]["oakgate.dev/verdict"]["reason"], reason);
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(text.starts_with("It is not known whether this was executed"), "{text}");
        assert_eq!(backend.log_text().matches("tools/call").count(), 1, "sent once, whatever came of it");
        let records = wait_for("the outcome", || Some(gate.records()).filter(|records| records.len() == 2));
        assert_eq!(records[1]["outcome"], outcome);
    }
    let (mut backend, gate) = gate_of(&[]);
    assert_eq!(gate.post(CALL).status, 200);
    backend.stop();
    let result = gate.post(CALL).message()["result"].clone();
    assert_eq!(result["_meta"]["oakgate.dev/verdict"]["reason"], "backend-unreachable", "{result}");
    assert_eq!(gate.metric("oakgate_backend_errors_total{backend=\"tools\",error=\"unreachable\"}"), 1.0);
    // What a backend answers passes as it is, also what is no success.
    let (_backend, gate) = gate_of(&["--status", "418"]);
    assert_eq!(gate.post(CALL).status, 418);
}

#[test]
fn a_list_that_cannot_be_read_is_not_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body");
    let list = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"echo"},{"name":"drop"}]}}"#;
    let policy =
        "{format: 1, org: acme, tools: [{name: echo, default: allowed}, {name: drop, default: disabled}]}";
    let ask = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let cases = [
        (list.to_owned(), "application/json", Some(1)),
        (list.to_owned(), "text/plain", Some(1)),
        (format!("event: message\ndata: {list}\n\n"), "text/event-stream", Some(1)),
        (list.replace("tools", "t\\u006fols"), "application/json", Some(1)),
        (list.replace(r#""name":"drop""#, r#""name":"echo","name":"drop""#), "application/json", None),
        (list.replace(r#"{"name":"drop"}"#, r#"{"title":"drop"}"#), "application/json", None),
        (list.chars().take(40).collect(), "application/json", None),
    ];
    for (body, content_type, tools) in cases {
        std::fs::write(&file, &body).unwrap();
        let backend = Backend::raw(&["--body-file", file.to_str().unwrap(), "--content-type", content_type]);
        let gate = Gate::mcp(&backend.url, policy);
        let answer = gate.post(ask);
        let text = answer.text();
        assert!(!text.contains("drop"), "{content_type} {body}: {text}");
        match tools {
            Some(count) => assert_eq!(
                answer.message()["result"]
                    .as_object()
                    .unwrap()
                    .values()
                    .next()
                    .unwrap()
                    .as_array()
                    .unwrap()
                    .len(),
                count
            ),
            None => assert_eq!(answer.json()["error"]["data"]["reason"], "list-unreadable", "{text}"),
        }
    }
}

/// A list as some client would read it, and which this proxy would not see as one.
#[test]
fn a_list_that_only_some_client_can_read_is_not_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body");
    let list = r#"{"jsonrpc":"2.0","id":1,"result":{"+AHQ-ools":[{"name":"drop"}]}}"#;
    let call = CALL.replace("echo", "t");
    let ask = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    for (content_type, header) in [
        ("text/event-stream; charset=utf-7", "x-a: b"),
        ("application/json; charset=utf-7", "x-a: b"),
        ("text/event-stream", "content-encoding: identity\r\ncontent-encoding: gzip"),
        ("text/event-stream", "content-type: text/event-stream; charset=iso-2022-jp"),
    ] {
        let is_stream = content_type.starts_with("text/event-stream");
        let body = if is_stream { format!("data: {list}\n\n") } else { list.to_owned() };
        std::fs::write(&file, body).unwrap();
        let file = file.to_str().unwrap();
        let backend =
            Backend::raw(&["--body-file", file, "--content-type", content_type, "--header", header]);
        let gate = Gate::mcp(&backend.url, POLICY);
        for (body, reason) in [(ask, "list-unreadable"), (&call, "backend-no-message")] {
            // Only a stream is looked into where no list is due.
            if body == call && !is_stream {
                continue;
            }
            let answer = gate.post(body);
            assert!(!answer.text().contains("ools\":"), "{content_type} {header}: {}", answer.text());
            assert!(answer.text().contains(reason), "{content_type} {header}: {}", answer.text());
        }
    }
}

#[test]
fn a_backend_leads_nobody_elsewhere() {
    let backend = Backend::raw(&["--status", "307", "--header", "Location: http://127.0.0.1:1/mcp"]);
    let gate = Gate::mcp(&backend.url, POLICY);
    for body in [CALL, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#] {
        let answer = gate.post(body);
        assert!(answer.text().contains("backend-redirects"), "{}", answer.text());
        assert!(answer.header("location").is_none());
    }
}
