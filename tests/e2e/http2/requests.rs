//! What a request over HTTP/2 means: the same as over HTTP/1.1, to the backend and for every limit.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::frames::{
    ACK, CANCEL, Client, DATA, END_HEADERS, END_STREAM, HEADERS, Heard, NO_ERROR, PING, RST_STREAM, SETTINGS,
};
use super::{gate, limited, trusting};
use crate::harness::{Backend, Gate, wait_for};

const CALL: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"raw"}}"#;

#[test]
fn what_reaches_a_backend() {
    let backend = Backend::raw(&[]);
    let gate = trusting(&backend);
    let mut client = Client::open(&gate.address, &[]);
    let more = [("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers"), ("x-name", "v"), ("x-name", "w")];
    let head = client.head("POST", "/v1/x?c=d", &more);
    client.send(HEADERS, END_HEADERS, 1, &head);
    client.send(DATA, 0, 1, br#"{"a":"#);
    client.send(DATA, END_STREAM, 1, b"1}");
    assert_eq!(client.heard(), Heard::Status(200));
    let log = backend.log_text();
    let (head, body) = log.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<&str> = head.split("\r\n").collect();
    assert!(lines.iter().any(|line| line.starts_with("oakgate-receipt: ")), "{log}");
    lines.retain(|line| !line.starts_with("oakgate-receipt: "));
    lines[1..].sort_unstable();
    let host = format!("host: {}", backend.url.trim_start_matches("http://").trim_end_matches("/mcp"));
    let expected =
        ["POST /v1/x?c=d HTTP/1.1", "content-length: 7", "cookie: a=1; b=2", &host, "x-name: v", "x-name: w"];
    assert_eq!(lines, expected);
    assert_eq!(body, r#"{"a":1}"#);
}

#[test]
fn bodies_have_the_same_limits() {
    let backend = Backend::raw(&[]);
    let gate = gate(&backend, "max_body_bytes: 1000, body_timeout_seconds: 1", "");
    let large = [b'x'; 1001];
    let problem = |client: &mut Client| {
        let problem: Value = serde_json::from_slice(&client.body(1)).unwrap();
        problem["code"].as_str().unwrap().to_owned()
    };
    for (more, flags) in [(&[][..], END_STREAM), (&[("content-length", "1001")], END_STREAM), (&[], 0)] {
        let mut client = Client::open(&gate.address, &[]);
        let head = client.head("POST", "/a", more);
        client.send(HEADERS, END_HEADERS, 1, &head);
        client.send(DATA, flags, 1, &large);
        assert_eq!(client.heard(), Heard::Status(413), "{more:?}");
        assert_eq!(problem(&mut client), "body-too-large");
        if flags == 0 {
            // The rest of it is not wanted (RFC 9113, section 8.1).
            assert_eq!(client.heard(), Heard::Reset(NO_ERROR));
        }
        let mut other = Client::open(&gate.address, &[]);
        other.request(1, "POST", "/b", b"{}");
        assert_eq!(other.heard(), Heard::Status(200));
    }
    limited(&gate, "max_body_bytes", 3.0);
    // Too large by its own word: refused before it is sent.
    let mut client = Client::open(&gate.address, &[]);
    let head = client.head("POST", "/a", &[("content-length", "1001"), ("expect", "100-continue")]);
    client.send(HEADERS, END_HEADERS, 1, &head);
    assert_eq!(client.heard(), Heard::Status(413));
    // Not whole in time.
    let mut client = Client::open(&gate.address, &[]);
    let head = client.head("POST", "/a", &[]);
    client.send(HEADERS, END_HEADERS, 1, &head);
    client.send(DATA, 0, 1, b"{");
    assert_eq!(client.heard(), Heard::Status(408));
    assert_eq!(problem(&mut client), "body-timeout");
    assert!(!backend.log_text().contains("/a HTTP"), "{}", backend.log_text());
}

#[test]
fn a_connection_is_one_however_many_calls_it_has() {
    let backend = Backend::raw(&["--hang"]);
    let gate = gate(&backend, "max_connections: 1, max_calls_per_caller: 2", "");
    let mut client = Client::open(&gate.address, &[]);
    for stream in [1, 3, 5] {
        client.request(stream, "POST", "/a", b"{}");
    }
    assert_eq!(client.heard(), Heard::Status(429), "the third call of one caller");
    limited(&gate, "max_calls_per_caller", 1.0);
    assert_eq!(gate.metric("oakgate_connections"), 1.0);
    let mut second = Client::connect(&gate.address);
    assert!(second.closes_within(crate::harness::PATIENCE), "the second connection");
    limited(&gate, "max_connections", 1.0);
    drop(client);
    wait_for("its end", || (gate.metric("oakgate_connections") == 0.0).then_some(()));
    wait_for("the outcomes", || {
        let records = gate.records();
        let unknown = records.iter().filter(|record| record["outcome"] == "unknown").count();
        (unknown == 2).then_some(())
    });
}

#[test]
fn a_call_that_is_taken_back_ends() {
    let policy = "{format: 1, org: acme, tools: [{name: raw, default: allowed}, {name: write, default: requires_approval}]}";
    let backend = Backend::raw(&["--only", "tools/call", "--hang"]);
    let gate = Gate::mcp_with_approvals(&backend.url, policy, "");
    let mut client = Client::open(&gate.address, &[]);
    client.request(1, "POST", "/mcp", CALL);
    wait_for("the call", || backend.log_text().contains("tools/call").then_some(()));
    client.send(RST_STREAM, 0, 1, &CANCEL.to_be_bytes());
    wait_for("its outcome", || gate.records().into_iter().find(|record| record["outcome"] == "unknown"));
    let held = String::from_utf8_lossy(CALL).replace("raw", "write");
    for (stream, accept) in [(3, "application/json"), (5, "application/json, text/event-stream")] {
        let head = client.head("POST", "/mcp", &[("content-type", "application/json"), ("accept", accept)]);
        client.send(HEADERS, END_HEADERS, stream, &head);
        client.send(DATA, END_STREAM, stream, held.as_bytes());
        wait_for("the hold", || (gate.metric("oakgate_holds") == 1.0).then_some(()));
        client.send(RST_STREAM, 0, stream, &CANCEL.to_be_bytes());
        wait_for("its end", || (gate.metric("oakgate_holds") == 0.0).then_some(()));
    }
    assert_eq!(gate.metric("oakgate_holds_ended_total{outcome=\"caller-left\"}"), 2.0);
    wait_for("their records", || {
        let left = gate.records().into_iter().filter(|record| record["reason"] == "caller-left").count();
        (left == 2).then_some(())
    });
    // The connection is as good as before.
    client.request(7, "POST", "/mcp", br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    while client.next(HEADERS).stream != 7 {}
    assert!(!client.body(7).is_empty());
}

#[test]
fn a_proxy_that_stops_says_so_and_lets_calls_finish() {
    let backend = Backend::raw(&["--sse", "--events", "10", "--interval-ms", "100"]);
    let policy = "{format: 1, org: acme, tools: [{name: raw, default: allowed}]}";
    let mut gate = Gate::mcp(&backend.url, policy);
    let [mut busy, mut idle] = [0; 2].map(|_| Client::open(&gate.address, &[]));
    let head = busy.head("POST", "/mcp", &[("accept", "application/json, text/event-stream")]);
    busy.send(HEADERS, END_HEADERS, 1, &head);
    busy.send(DATA, END_STREAM, 1, CALL);
    assert_eq!(busy.heard(), Heard::Status(200));
    wait_for("both", || (gate.metric("oakgate_http2_connections") == 2.0).then_some(()));
    gate.program.signal("-TERM");
    let mut text = Vec::new();
    let mut told = 0;
    loop {
        let frame = busy.frame().unwrap();
        match frame.kind {
            PING if frame.flags & ACK == 0 => busy.send(PING, ACK, 0, &frame.payload),
            SETTINGS if frame.flags & ACK == 0 => busy.send(SETTINGS, ACK, 0, &[]),
            DATA => text.extend_from_slice(&frame.payload),
            super::frames::GOAWAY => told += 1,
            _ => {}
        }
        if frame.has(DATA, END_STREAM) {
            break;
        }
    }
    assert!(told >= 1, "it says that it goes away");
    assert!(String::from_utf8(text).unwrap().contains(r#""result""#), "the answer came whole");
    assert_eq!(idle.goes_away(), Some(NO_ERROR));
    drop((busy, idle));
    let since = Instant::now();
    let status = wait_for("the end", || gate.program.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0), "{}", gate.program.errors().join("\n"));
    assert!(since.elapsed() < Duration::from_secs(5), "it does not wait out its limit when nothing is left");
}
