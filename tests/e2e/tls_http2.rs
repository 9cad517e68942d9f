//! HTTP/2 over TLS on a listener: agreed on in the handshake (ALPN), and under the same certificates as HTTP/1.1.

use std::time::Duration;

use serde_json::json;

use crate::harness::certificates::Authority;
use crate::harness::tls::TlsClient;
use crate::harness::{Backend, Connection, KEY, wait_for};
use crate::http2::clients::node_over_tls;
use crate::http2::frames::{
    ACK, Client, DATA, END_HEADERS, END_STREAM, HEADERS, Heard, NO_ERROR, PING, PREFACE, block,
};
use crate::mtls::{AGENT, Mtls};
use crate::tls::{CALL, NAMES, gate, gate_with, handshakes};

const BOTH: [&str; 2] = ["http/1.1", "h2"];

#[test]
fn who_offers_it_speaks_it() {
    let (backend, root) = (Backend::raw(&[]), Authority::new("root"));
    let gate = gate(&backend, "", &root.issue(&NAMES));
    let client = TlsClient::new(&root, None);
    for offered in [&BOTH[..], &["h2"]] {
        let stream = client.clone().offering(offered).connect(&gate.address).unwrap();
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"h2"[..]), "{offered:?}");
        let mut connection = Client::over(stream);
        for stream in [1, 3] {
            connection.request(stream, "POST", "/mcp", CALL.as_bytes());
            assert_eq!(connection.heard(), Heard::Status(200), "{offered:?}");
            assert!(connection.body(stream).starts_with(b"{\"jsonrpc\""), "{offered:?}");
        }
    }
    let authority = root.write(gate.folder.path(), "root");
    let headers = json!({"x-api-key": KEY, "content-type": "application/json",
        "accept": "application/json, text/event-stream"});
    let request = json!({"method": "POST", "path": "/mcp", "headers": headers, "body": CALL});
    let url = format!("https://{}", gate.address.replace("127.0.0.1", "localhost"));
    let lines = node_over_tls(&authority, &url, &json!([request, request, request]));
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line["status"] == 200), "{lines:?}");
    assert_eq!(backend.log_text().matches("tools/call").count(), 7);
}

#[test]
fn who_does_not_offer_it_speaks_http1_whatever_it_sends() {
    let (backend, root) = (Backend::raw(&[]), Authority::new("root"));
    let gate = gate(&backend, "", &root.issue(&NAMES));
    for offered in [&[][..], &["http/1.1"]] {
        let client = TlsClient::new(&root, None).offering(offered);
        let mut connection = Connection::over(client.connect(&gate.address).unwrap());
        connection.write(PREFACE);
        let answer = String::from_utf8(connection.everything()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 4"), "{offered:?}: {answer}");
    }
    assert_eq!(backend.log_text(), "");
}

#[test]
fn a_listener_without_it_does_not_offer_it() {
    let (backend, root) = (Backend::raw(&[]), Authority::new("root"));
    let gate = gate_with(&backend, "", "http2: false", &root.issue(&NAMES));
    let client = TlsClient::new(&root, None);
    let stream = client.clone().offering(&BOTH).connect(&gate.address).unwrap();
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut connection = Connection::over(stream);
    let headers = [("x-api-key", KEY), ("content-type", "application/json")];
    connection.send("POST", "/mcp", &headers, CALL.as_bytes());
    assert_eq!(connection.answer().status, 200);

    let refused = client.offering(&["h2"]).connect(&gate.address).unwrap_err().to_string();
    assert!(refused.contains("NoApplicationProtocol"), "{refused}");
    wait_for("its count", || (handshakes(&gate, "unsupported") == 1.0).then_some(()));
}

#[test]
fn a_caller_is_decided_on_its_id_until_its_authority_is_gone() {
    let mtls = Mtls::start("mtls");
    mtls.wait_for_first_look();
    let client = mtls.client(Some(&mtls.clients.issue(&[AGENT]))).offering(&["h2"]);
    let mut connection = Client::over(client.connect(&mtls.gate.address).unwrap());
    call(&mut connection, 1);
    assert_eq!(connection.heard(), Heard::Status(200));
    assert_eq!(mtls.callers(), [(AGENT.to_owned(), "prod".to_owned())]);

    Authority::new("successor").write(mtls.gate.folder.path(), "clients");
    assert_eq!(connection.goes_away(), Some(NO_ERROR));
    // Until it answers the `PING` that follows, it may not have heard of that, and call again.
    let ping = connection.next(PING);
    call(&mut connection, 3);
    assert_eq!(connection.heard(), Heard::Status(401));
    connection.send(PING, ACK, 0, &ping.payload);
    assert!(connection.closes_within(Duration::from_secs(10)));
    assert_eq!(mtls.callers().len(), 1);
    assert_eq!(mtls.gate.metric("oakgate_refusals_total{reason=\"certificate-refused\"}"), 1.0);
}

/// A call by nobody but the connection's certificate.
fn call(connection: &mut Client, stream: u32) {
    let authority = connection.authority.clone();
    let head = block(&[
        (":method", "POST"),
        (":scheme", "https"),
        (":path", "/mcp"),
        (":authority", &authority),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ]);
    connection.send(HEADERS, END_HEADERS, stream, &head);
    connection.send(DATA, END_STREAM, stream, CALL.as_bytes());
}
