use http::Request;

use super::*;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The handshake of RFC 6455, section 1.3, with header lines taken out by name and others put in.
fn handshake(without: &[&str], with: &[(&str, &str)]) -> Parts {
    let lines = [
        ("host", "server.example.com"),
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-key", KEY),
        ("sec-websocket-protocol", "chat, superchat"),
        ("sec-websocket-version", "13"),
    ];
    let kept = lines.iter().filter(|(name, _)| !without.contains(name)).chain(with);
    let request = kept.fold(Request::get("/chat"), |request, (name, value)| request.header(*name, *value));
    request.body(()).unwrap().into_parts().0
}

fn reason(head: &Parts, body: &[u8]) -> &'static str {
    match Handshake::read(head, body) {
        Ok(Some(_)) => "opens",
        Ok(None) => "none",
        Err(refusal) => refusal.name(),
    }
}

#[test]
fn the_example_of_the_standard() {
    let handshake = Handshake::read(&handshake(&[], &[]), b"").unwrap().unwrap();
    assert_eq!(handshake.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

#[test]
fn a_handshake_is_whole_or_refused() {
    let half = "websocket-handshake";
    for (without, with, expected) in [
        (&["upgrade"][..], &[("upgrade", "WebSocket")][..], "opens"),
        (&["connection"], &[("connection", "keep-alive, UPGRADE")], "opens"),
        (&["connection"], &[("connection", "keep-alive"), ("connection", "upgrade")], "opens"),
        // Something else is asked for, or nothing: the headers go no further.
        (&["upgrade"], &[], "none"),
        (&["upgrade"], &[("upgrade", "h2c")], "none"),
        // What another reader could take for a handshake.
        (&[], &[("upgrade", "websocket")], half),
        (&[], &[("upgrade", "h2c")], half),
        (&["upgrade"], &[("upgrade", "h2c, websocket")], half),
        (&["upgrade"], &[("upgrade", "websocket, websocket")], half),
        (&["upgrade"], &[("upgrade", "websocket/13")], half),
        (&["upgrade"], &[("upgrade", "xwebsocket")], half),
        (&["connection"], &[], half),
        (&["connection"], &[("connection", "keep-alive")], half),
        (&["connection"], &[("connection", "upgrade, sec-websocket-key")], half),
        (&["sec-websocket-key"], &[], half),
        (&["sec-websocket-key"], &[("sec-websocket-key", "")], half),
        (&["sec-websocket-key"], &[("sec-websocket-key", "dGhlIHNhbXBsZSBub25j")], half),
        (&["sec-websocket-key"], &[("sec-websocket-key", "not base64, not base64,")], half),
        (&[], &[("sec-websocket-key", KEY)], half),
        (&[], &[("sec_websocket_key", KEY)], half),
        (&["sec-websocket-version"], &[], half),
        (&[], &[("sec-websocket-version", "8")], half),
        (&["sec-websocket-version"], &[("sec-websocket-version", "8")], "websocket-version"),
    ] {
        assert_eq!(reason(&handshake(without, with), b""), expected, "without {without:?}, with {with:?}");
    }
}

#[test]
fn a_handshake_is_a_get_of_http_1_1_without_a_body() {
    let half = "websocket-handshake";
    assert_eq!(reason(&handshake(&[], &[]), b"x"), half);
    for method in [Method::POST, Method::HEAD, Method::CONNECT, Method::OPTIONS] {
        let mut head = handshake(&[], &[]);
        head.method = method;
        assert_eq!(reason(&head, b""), half, "{}", head.method);
    }
    for version in [Version::HTTP_10, Version::HTTP_2] {
        let mut head = handshake(&[], &[]);
        head.version = version;
        assert_eq!(reason(&head, b""), half, "{version:?}");
    }
}

#[test]
fn only_the_answer_to_this_handshake_opens() {
    let handshake = Handshake::read(&handshake(&[], &[]), b"").unwrap().unwrap();
    let accept = ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    let (upgrade, connection) = (("upgrade", "WebSocket"), ("connection", "upgrade"));
    for (lines, expected) in [
        (&[accept, upgrade, connection][..], true),
        (&[upgrade, connection], false),
        (&[accept, connection], false),
        (&[accept, upgrade], false),
        (&[accept, accept, upgrade, connection], false),
        (&[("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOO="), upgrade, connection], false),
        (&[accept, ("upgrade", "h2c"), connection], false),
        (&[accept, upgrade, ("upgrade", "h2c"), connection], false),
    ] {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        assert_eq!(handshake.is_answered_by(&headers), expected, "{lines:?}");
    }
}
