//! HTTP/1.1 on the wire, byte by byte: what could be cut into other requests is refused by name, and slow clients cost
//! nobody but themselves.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Backend, Connection, Gate, GateOptions, KEY, wait_for};

const POLICY: &str = "{format: 1, org: acme, tools: [{name: echo, default: allowed}, {name: write, default: requires_approval}]}";
const CALL: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{}}}"#;

fn gate(backend: &Backend, limits: &str) -> Gate {
    let backends = format!("- {{name: tools, kind: mcp, path: /mcp, url: '{}'}}", backend.url);
    let proxy = format!("limits: {{{limits}}}");
    Gate::start(&GateOptions { backends, policy: POLICY, proxy: &proxy, ..GateOptions::default() })
}

/// A request with these header lines, each ended, beside those that every call needs.
fn request(gate: &Gate, lines: &str, body: &str) -> String {
    let (host, kind) = (&gate.address, "content-type: application/json");
    format!("POST /mcp HTTP/1.1\r\nhost: {host}\r\nx-api-key: {KEY}\r\n{kind}\r\n{lines}\r\n{body}")
}

/// A call that is framed by its length.
fn call(gate: &Gate, name: &str) -> String {
    let body = CALL.replace("echo", name);
    request(gate, &format!("content-length: {}\r\n", body.len()), &body)
}

fn opened(gate: &Gate, bytes: &[u8]) -> Connection {
    let mut connection = Connection::open(&gate.address);
    connection.write(bytes);
    connection
}

fn refused(gate: &Gate, reason: &str) -> f64 {
    gate.metric(&format!("oakgate_refusals_total{{reason=\"{reason}\"}}"))
}

fn reached(gate: &Gate, limit: &str) -> f64 {
    gate.metric(&format!("oakgate_limits_reached_total{{limit=\"{limit}\"}}"))
}

/// `bytes` are refused for a reason, in words; the connection ends, and what follows them in it is not read.
fn assert_refused(gate: &Gate, bytes: &[u8], (status, reason): (u16, &str)) {
    let before = refused(gate, reason);
    let hidden = call(gate, "smuggled");
    let mut connection = opened(gate, &[bytes, hidden.as_bytes()].concat());
    let answer = connection.answer();
    let shown = String::from_utf8_lossy(bytes);
    assert_eq!((answer.status, &answer.json()["code"]), (status, &json!(reason)), "{shown:.300}");
    assert!(answer.json()["detail"].as_str().unwrap().starts_with("Not executed: "), "{}", answer.text());
    assert_eq!(answer.header("connection"), Some("close"), "{shown:.300}");
    assert_eq!(connection.everything(), b"", "{shown:.300}");
    assert_eq!(refused(gate, reason), before + 1.0, "{shown:.300}");
}

#[test]
fn requests_that_two_servers_could_cut_differently() {
    let backend = Backend::raw(&[]);
    let gate = gate(&backend, "");
    let chunked = format!("{:x}\r\n{CALL}\r\n0\r\n\r\n", CALL.len());
    let length = CALL.len();
    for (lines, body) in [
        (format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"), chunked.as_str()),
        ("transfer-encoding: chunked\r\ncontent-length: 4\r\n".to_owned(), &chunked),
        (format!("content-length: {length}\r\ncontent-length: {length}\r\n"), CALL),
        (format!("content-length: {length}, {length}\r\n"), CALL),
        (format!("content-length: +{length}\r\n"), CALL),
        (format!("content-length: {length}\r\ncontent_length: 0\r\n"), CALL),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n".to_owned(), &chunked),
        ("transfer-encoding: chunked, identity\r\n".to_owned(), &chunked),
    ] {
        assert_refused(&gate, request(&gate, &lines, body).as_bytes(), (400, "ambiguous-framing"));
    }
    let whole = call(&gate, "echo");
    for (bytes, refusal) in [
        (request(&gate, "transfer-encoding: gzip\r\n", ""), (501, "unknown-transfer-coding")),
        (request(&gate, "a : b\r\n", ""), (400, "bad-header")),
        (request(&gate, "a: b\0\r\n", ""), (400, "bad-header")),
        (request(&gate, "a: b\r\n c\r\n", ""), (400, "folded-header")),
        (whole.replace("\r\n", "\n"), (400, "bare-line-end")),
        (whole.replacen("\r\n", "\r", 1), (400, "bare-line-end")),
        (whole.replace("HTTP/1.1", "HTTP/1.2"), (505, "http-version")),
        (whole.replace("HTTP/1.1", ""), (400, "bad-request-line")),
        (whole.replace("/mcp", "mcp"), (400, "bad-target")),
        (whole.replace("POST /mcp", "CONNECT localhost:80"), (400, "bad-target")),
        (whole.replace("/mcp", &format!("/{}", "a".repeat(9000))), (414, "target-too-long")),
        (request(&gate, &"a: b\r\n".repeat(100), ""), (431, "too-many-headers")),
        (request(&gate, &format!("a: {}\r\n", "b".repeat(1_000_000)), ""), (431, "header-too-large")),
        ("\x16\x03\x01\x02".to_owned(), (400, "bad-request-line")),
    ] {
        assert_refused(&gate, bytes.as_bytes(), refusal);
    }
    let limits = ["max_target_bytes", "max_headers", "max_header_bytes"];
    assert_eq!(limits.map(|limit| reached(&gate, limit)), [1.0; 3]);
    assert_eq!(refused(&gate, "unreadable-request"), 0.0);
    assert_eq!(backend.log_text(), "");
}

#[test]
fn a_body_that_is_not_chunked_as_it_should_be() {
    let backend = Backend::raw(&[]);
    let gate = gate(&backend, "");
    let head = request(&gate, "transfer-encoding: chunked\r\n", "");
    for body in
        ["1 \r\na\r\n0\r\n\r\n", "1\na\r\n0\r\n\r\n", "1\r\nab\r\n0\r\n\r\n", "0\r\nA : b\r\n\r\n", "x"]
    {
        assert_refused(&gate, format!("{head}{body}").as_bytes(), (400, "bad-chunk"));
    }
    assert_eq!(backend.log_text(), "");
}

#[test]
fn requests_in_a_row_are_answered_in_a_row() {
    let backend = Backend::raw(&[]);
    let gate = gate(&backend, "");
    let chunks = {
        let (first, rest) = CALL.split_at(4);
        format!("4;a=b\r\n{first}\r\n{:x}\r\n{rest}\r\n0\r\nhost: c\r\n\r\n", rest.len())
    };
    let chunked = request(&gate, "transfer-encoding: chunked\r\n", &chunks);
    let (plain, bad) = (call(&gate, "echo"), request(&gate, "a : b\r\n", ""));
    let all = format!("{plain}{chunked}\r\n{plain}{bad}{plain}");
    for piece in [all.len(), 1000, 7] {
        let before = backend.log_text().len();
        let mut connection = Connection::open(&gate.address);
        all.as_bytes().chunks(piece).for_each(|piece| connection.write(piece));
        for _ in 0..3 {
            let answer = connection.answer();
            assert_eq!((answer.status, answer.header("connection")), (200, None), "{}", answer.text());
        }
        assert_eq!(connection.answer().json()["code"], "bad-header");
        assert_eq!(connection.everything(), b"");
        let log = backend.log_text().split_off(before).to_ascii_lowercase();
        let length = format!("content-length: {}", CALL.len());
        assert_eq!(
            ["post /mcp", &length, "host: c", "chunked"].map(|text| log.matches(text).count()),
            [3, 3, 0, 0],
            "{log}"
        );
    }
    // A head that comes in many reads and is nearly as large as it may be.
    let large = plain.replacen("\r\n", &format!("\r\na: {}\r\n", "b".repeat(65_000)), 1);
    assert_eq!(opened(&gate, large.as_bytes()).answer().status, 200);
    // More in a row than is read ahead.
    let mut connection = Connection::open(&gate.address);
    connection.write(plain.repeat(100).as_bytes());
    for _ in 0..100 {
        assert_eq!(connection.answer().status, 200);
    }
}

#[test]
fn the_older_version_and_urls_as_targets() {
    let backend = Backend::raw(&[]);
    let gate = gate(&backend, "");
    let old = call(&gate, "echo").replace("HTTP/1.1", "HTTP/1.0");
    let mut connection = opened(&gate, old.as_bytes());
    assert_eq!(connection.answer().status, 200);
    assert_eq!(connection.everything(), b"");
    let kept = old.replace("host:", "connection: keep-alive\r\nhost:");
    let mut connection = opened(&gate, kept.repeat(2).as_bytes());
    for _ in 0..2 {
        let answer = connection.answer();
        assert_eq!((answer.status, answer.header("connection")), (200, Some("keep-alive")));
    }
    for (target, status) in [(gate.url("/mcp"), 200), ("http://other.example/mcp".to_owned(), 403)] {
        let mut connection = opened(&gate, call(&gate, "echo").replace("/mcp", &target).as_bytes());
        assert_eq!(connection.answer().status, status, "{target}");
    }
}

#[test]
fn a_body_is_asked_for_only_when_it_may_come() {
    let backend = Backend::raw(&[]);
    let gate = gate(&backend, "max_body_bytes: 1000");
    let expecting =
        |length: usize| request(&gate, &format!("expect: 100-continue\r\ncontent-length: {length}\r\n"), "");
    for (head, status) in [
        (expecting(CALL.len()).replace(KEY, "oak_agent_wrong"), 401),
        (expecting(1001), 413),
        (expecting(10).replace("content-length: 10", "content-length: 10\r\ncontent-encoding: gzip"), 415),
    ] {
        let answer = opened(&gate, head.as_bytes()).answer();
        assert_eq!((answer.status, answer.header("connection")), (status, Some("close")));
    }
    let mut connection = opened(&gate, expecting(CALL.len()).as_bytes());
    assert_eq!(connection.head().status, 100);
    connection.write(CALL.as_bytes());
    assert_eq!(connection.answer().status, 200);
}

#[test]
fn a_client_that_leaves_while_its_call_is_held_is_noticed() {
    let backend = Backend::raw(&[]);
    let gate = Gate::mcp_with_approvals(&backend.url, POLICY, "");
    // What is sent after the call, and whether the client then hangs up, or only says that it sends no more.
    let leaving = [("GET / HT", true), ("", false), ("GET / HTTP/1.1\r\n\r\n", false)];
    for (count, (more, hangs_up)) in (1..).zip(leaving) {
        let mut connection = opened(&gate, call(&gate, "write").as_bytes());
        wait_for("the hold", || (gate.metric("oakgate_holds") == 1.0).then_some(()));
        connection.write(more.as_bytes());
        if !hangs_up {
            connection.send_no_more();
        }
        let _open = (!hangs_up).then_some(connection);
        wait_for("the hold's end", || (gate.metric("oakgate_holds") == 0.0).then_some(()));
        assert_eq!(gate.metric("oakgate_holds_ended_total{outcome=\"caller-left\"}"), f64::from(count));
    }
    assert_eq!(backend.log_text(), "");
}

#[test]
fn clients_that_are_silent_are_cut() {
    let backend = Backend::raw(&[]);
    let gate = gate(&backend, "header_timeout_seconds: 1, keep_alive_seconds: 2");
    // Not a byte: not a word either.
    assert!(Connection::open(&gate.address).closes_within(Duration::from_secs(10)));
    wait_for("its count", || (reached(&gate, "header_timeout_seconds") == 1.0).then_some(()));
    // Between requests there is more time than for a head; a part of one has to become whole.
    let mut idle = opened(&gate, call(&gate, "echo").as_bytes());
    assert_eq!(idle.answer().status, 200);
    let since = Instant::now();
    assert!(idle.closes_within(Duration::from_secs(10)));
    assert!(since.elapsed() > Duration::from_millis(1500), "{:?}", since.elapsed());
    assert_eq!(reached(&gate, "keep_alive_seconds"), 1.0);
    let mut partial = opened(&gate, call(&gate, "echo").as_bytes());
    assert_eq!(partial.answer().status, 200);
    partial.write(b"POST");
    let answer = partial.answer();
    assert_eq!((answer.status, &answer.json()["code"]), (408, &json!("header-timeout")));
    assert_eq!(answer.header("retry-after"), Some("5"));
    assert!(partial.closes_within(Duration::from_secs(10)));
    assert_eq!(reached(&gate, "header_timeout_seconds"), 2.0);
}

#[test]
fn a_thousand_slow_clients_hurt_nobody_and_are_cut() {
    const CLIENTS: u32 = 1000;
    let backend = Backend::raw(&[]);
    let gate = gate(&backend, "header_timeout_seconds: 4");
    let head = request(&gate, "", "");
    let mut slow: Vec<TcpStream> = (0..CLIENTS).map(|_| TcpStream::connect(&gate.address).unwrap()).collect();
    // A byte a second each, and calls of somebody else meanwhile.
    let since = Instant::now();
    for byte in head.bytes().take(12) {
        for client in &mut slow {
            let _may_be_cut = client.write_all(&[byte]);
        }
        let asked = Instant::now();
        assert_eq!(gate.post(CALL).status, 200);
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        std::thread::sleep(Duration::from_secs(1));
    }
    assert!(since.elapsed() >= Duration::from_secs(12));
    // The other side has ended all of them, whatever they still sent.
    wait_for("their end", || (reached(&gate, "header_timeout_seconds") == f64::from(CLIENTS)).then_some(()));
    for client in &mut slow {
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut answer = Vec::new();
        let _reset_is_an_end_too = client.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408 "), "{answer:?}");
    }
    drop(slow);
    // The one that asks for the metrics is not among them.
    wait_for("their places", || (gate.metric("oakgate_connections") == 0.0).then_some(()));
}

/// Results that are so long for a call of `echo`.
fn results(folder: &Path, bytes: usize) -> String {
    let path = folder.join("results.json");
    let text = "x".repeat(bytes);
    std::fs::write(&path, json!({"tools/call": {"content": [{"type": "text", "text": text}]}}).to_string())
        .unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_client_that_takes_nothing_of_its_answer_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let backend = Backend::raw(&["--results", &results(folder.path(), 32_000_000)]);
    let gate = gate(&backend, "write_timeout_seconds: 1");
    let _stalled = opened(&gate, call(&gate, "echo").as_bytes());
    wait_for("the limit", || (reached(&gate, "write_timeout_seconds") == 1.0).then_some(()));
    wait_for("its place", || (gate.metric("oakgate_connections") == 0.0).then_some(()));
    // One that takes all of it, if slowly, is not.
    let mut slow = opened(&gate, call(&gate, "echo").as_bytes());
    let length: usize = slow.head().header("content-length").unwrap().parse().unwrap();
    let mut left = length;
    while left > 0 {
        let piece = left.min(4_000_000);
        assert_eq!(slow.bytes(piece).len(), piece);
        left -= piece;
        std::thread::sleep(Duration::from_millis(300));
    }
    assert_eq!(reached(&gate, "write_timeout_seconds"), 1.0);
}

#[test]
fn a_stream_with_nothing_to_say_is_not_cut() {
    let backend = Backend::raw(&["--sse", "--events", "2", "--interval-ms", "2500"]);
    let gate = gate(&backend, "write_timeout_seconds: 1, keep_alive_seconds: 1, header_timeout_seconds: 1");
    let answer = gate.post(CALL);
    assert!(answer.status == 200 && answer.text().contains("data: "), "{}", answer.text());
}
