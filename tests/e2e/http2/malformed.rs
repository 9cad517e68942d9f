//! What RFC 9113 says of wrong frames and wrong requests, section by section: each is answered as it should be, and
//! nothing that is malformed reaches the backend.

use super::frames::{
    ACK, CONTINUATION, Client, DATA, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY,
    HEADERS, Heard, PADDED, PING, PREFACE, PRIORITISED, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, block, frame, settings,
};
use super::{counts, gate, trusting};
use crate::harness::{Backend, Gate, KEY};

use Heard::{GoAway, Reset, Status};

const WHOLE: u8 = END_HEADERS | END_STREAM;
const MAX: [u8; 4] = [0x7f, 0xff, 0xff, 0xff];

/// Where the RFC names another code, or one stream only, the `h2` crate gives up the connection with this one, as it may
/// (section 5.4.1).
const GIVEN_UP: Heard = GoAway(PROTOCOL_ERROR);

/// Section, what is sent after the preface and settings, and what is heard first.
type Case = (&'static str, &'static str, Vec<u8>, Heard);

fn check(gate: &Gate, cases: Vec<Case>) {
    let mut wrong = Vec::new();
    for (section, what, bytes, expected) in cases {
        let mut client = Client::open(&gate.address, &[]);
        client.write(&bytes);
        let heard = client.heard();
        if heard != expected {
            wrong.push(format!("{section} {what}: {heard:?}, not {expected:?}"));
        } else if matches!(expected, GoAway(_)) && client.frame().is_some() {
            wrong.push(format!("{section} {what}: it stays open"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A good request's head.
fn good(gate: &Gate) -> Vec<u8> {
    block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/a"),
        (":authority", &gate.address),
        ("x-api-key", KEY),
    ])
}

#[test]
fn wrong_frames_end_the_connection_or_the_stream() {
    let backend = Backend::raw(&[]);
    let gate = gate(&backend, "", "");
    let good = good(&gate);
    let get = |stream| frame(HEADERS, WHOLE, stream, &good);
    let post = |stream| frame(HEADERS, END_HEADERS, stream, &good);
    let then_get = |bytes: Vec<u8>| [bytes, get(1)].concat();
    let padded = |pad: u8, rest: &[u8]| [&[pad], rest].concat();
    let too_large = vec![0; 16_385];
    let cases: Vec<Case> = vec![
        ("", "a good request", get(1), Status(200)),
        ("4.1", "an unknown type is ignored", then_get(frame(0xfa, 0xff, 0, b"unknown")), Status(200)),
        ("4.1", "unknown flags are ignored", then_get(frame(PING, 0x16, 0, &[0; 8])), Status(200)),
        ("4.1", "the reserved bit is ignored", then_get(frame(PING, 0, 1 << 31, &[0; 8])), Status(200)),
        (
            "4.2",
            "DATA too large",
            [post(1), frame(DATA, 0, 1, &too_large)].concat(),
            GoAway(FRAME_SIZE_ERROR),
        ),
        ("4.2", "HEADERS too large", frame(HEADERS, WHOLE, 1, &too_large), GoAway(FRAME_SIZE_ERROR)),
        ("4.2", "an unknown type too large", frame(0xfa, 0, 0, &too_large), GoAway(FRAME_SIZE_ERROR)),
        (
            "4.3",
            "another frame inside of a head",
            [frame(HEADERS, END_STREAM, 1, &good), frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1])].concat(),
            GoAway(PROTOCOL_ERROR),
        ),
        (
            "4.3",
            "another head inside of a head",
            [frame(HEADERS, 0, 1, &good), get(3)].concat(),
            GoAway(PROTOCOL_ERROR),
        ),
        ("5.1", "idle: DATA", frame(DATA, END_STREAM, 1, b"x"), GoAway(PROTOCOL_ERROR)),
        ("5.1", "idle: RST_STREAM", frame(RST_STREAM, 0, 1, &[0; 4]), GoAway(PROTOCOL_ERROR)),
        ("5.1", "idle: WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]), GoAway(PROTOCOL_ERROR)),
        ("5.1", "idle: PRIORITY is allowed", then_get(frame(PRIORITY, 0, 3, &[0, 0, 0, 0, 1])), Status(200)),
        ("5.1", "half-closed: DATA", [get(1), frame(DATA, END_STREAM, 1, b"x")].concat(), GIVEN_UP),
        ("5.1", "half-closed: HEADERS", [get(1), get(1)].concat(), GIVEN_UP),
        ("5.1.1", "an even stream", get(2), GoAway(PROTOCOL_ERROR)),
        ("5.1.1", "a lower stream", [get(5), get(3)].concat(), GoAway(PROTOCOL_ERROR)),
        (
            "5.5",
            "an unknown type inside of a head",
            [frame(HEADERS, END_STREAM, 1, &good), frame(0xfa, 0, 1, b"")].concat(),
            GoAway(PROTOCOL_ERROR),
        ),
        ("6.1", "DATA of the connection", frame(DATA, 0, 0, b"x"), GoAway(PROTOCOL_ERROR)),
        (
            "6.1",
            "DATA of padding only and more",
            [post(1), frame(DATA, PADDED, 1, &padded(9, b"x"))].concat(),
            GoAway(PROTOCOL_ERROR),
        ),
        (
            "6.1",
            "DATA with padding",
            [post(1), frame(DATA, PADDED | END_STREAM, 1, &padded(2, b"{}\0\0"))].concat(),
            Status(200),
        ),
        ("6.2", "HEADERS of the connection", get(0), GoAway(PROTOCOL_ERROR)),
        (
            "6.2",
            "HEADERS of padding only and more",
            frame(HEADERS, WHOLE | PADDED, 1, &padded(255, &good)),
            GoAway(PROTOCOL_ERROR),
        ),
        (
            "6.2",
            "HEADERS with padding and priority",
            frame(
                HEADERS,
                WHOLE | PADDED | PRIORITISED,
                1,
                &padded(1, &[&[0, 0, 0, 0, 9], &good[..], b"\0"].concat()),
            ),
            Status(200),
        ),
        (
            "6.3",
            "PRIORITY of the connection",
            frame(PRIORITY, 0, 0, &[0, 0, 0, 0, 1]),
            GoAway(PROTOCOL_ERROR),
        ),
        ("6.3", "PRIORITY of another length", frame(PRIORITY, 0, 1, &[0; 4]), GIVEN_UP),
        ("6.4", "RST_STREAM of the connection", frame(RST_STREAM, 0, 0, &[0; 4]), GoAway(PROTOCOL_ERROR)),
        (
            "6.4",
            "RST_STREAM of another length",
            [post(1), frame(RST_STREAM, 0, 1, &[0; 3])].concat(),
            GIVEN_UP,
        ),
        ("6.5", "SETTINGS of a stream", frame(SETTINGS, 0, 1, &[]), GoAway(PROTOCOL_ERROR)),
        ("6.5", "SETTINGS of another length", frame(SETTINGS, 0, 0, &[0; 7]), GIVEN_UP),
        ("6.5", "acknowledgement with a payload", frame(SETTINGS, ACK, 0, &[0; 6]), GIVEN_UP),
        ("6.5.2", "ENABLE_PUSH of 2", frame(SETTINGS, 0, 0, &settings(&[(2, 2)])), GoAway(PROTOCOL_ERROR)),
        (
            "6.5.2",
            "INITIAL_WINDOW_SIZE too large",
            frame(SETTINGS, 0, 0, &settings(&[(4, 1 << 31)])),
            GIVEN_UP,
        ),
        (
            "6.5.2",
            "MAX_FRAME_SIZE too small",
            frame(SETTINGS, 0, 0, &settings(&[(5, 16_383)])),
            GoAway(PROTOCOL_ERROR),
        ),
        (
            "6.5.2",
            "MAX_FRAME_SIZE too large",
            frame(SETTINGS, 0, 0, &settings(&[(5, 1 << 24)])),
            GoAway(PROTOCOL_ERROR),
        ),
        (
            "6.5.2",
            "an unknown setting is ignored",
            then_get(frame(SETTINGS, 0, 0, &settings(&[(0xff, 1)]))),
            Status(200),
        ),
        (
            "6.6",
            "PUSH_PROMISE",
            [post(1), frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])].concat(),
            GoAway(PROTOCOL_ERROR),
        ),
        ("6.7", "PING of a stream", frame(PING, 0, 1, &[0; 8]), GoAway(PROTOCOL_ERROR)),
        ("6.7", "PING of another length", frame(PING, 0, 0, &[0; 7]), GIVEN_UP),
        ("6.8", "GOAWAY of a stream", frame(GOAWAY, 0, 1, &[0; 8]), GoAway(PROTOCOL_ERROR)),
        ("6.9", "WINDOW_UPDATE by nothing", frame(WINDOW_UPDATE, 0, 0, &[0; 4]), GoAway(PROTOCOL_ERROR)),
        (
            "6.9",
            "a stream's WINDOW_UPDATE by nothing",
            [post(1), frame(WINDOW_UPDATE, 0, 1, &[0; 4])].concat(),
            GIVEN_UP,
        ),
        ("6.9", "WINDOW_UPDATE of another length", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), GIVEN_UP),
        (
            "6.9.1",
            "the connection's window too large",
            frame(WINDOW_UPDATE, 0, 0, &MAX),
            GoAway(FLOW_CONTROL_ERROR),
        ),
        (
            "6.9.1",
            "a stream's window too large",
            [post(1), frame(WINDOW_UPDATE, 0, 1, &MAX)].concat(),
            Reset(FLOW_CONTROL_ERROR),
        ),
        (
            "6.9.2",
            "a window too large by a setting",
            [
                post(1),
                frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0, 0]),
                frame(SETTINGS, 0, 0, &settings(&[(4, 0x7fff_ffff)])),
            ]
            .concat(),
            GoAway(FLOW_CONTROL_ERROR),
        ),
        (
            "6.10",
            "CONTINUATION of nothing",
            frame(CONTINUATION, END_HEADERS, 1, &good),
            GoAway(PROTOCOL_ERROR),
        ),
        (
            "6.10",
            "CONTINUATION of the connection",
            [frame(HEADERS, END_STREAM, 1, &good), frame(CONTINUATION, END_HEADERS, 0, &[])].concat(),
            GoAway(PROTOCOL_ERROR),
        ),
        (
            "6.10",
            "CONTINUATION of another stream",
            [frame(HEADERS, END_STREAM, 1, &good), frame(CONTINUATION, END_HEADERS, 3, &[])].concat(),
            GoAway(PROTOCOL_ERROR),
        ),
        (
            "6.10",
            "CONTINUATION after the end",
            [post(1), frame(CONTINUATION, END_HEADERS, 1, &good)].concat(),
            GoAway(PROTOCOL_ERROR),
        ),
        (
            "6.10",
            "a head in three frames",
            [
                frame(HEADERS, END_STREAM, 1, &good[..10]),
                frame(CONTINUATION, 0, 1, &good[10..11]),
                frame(CONTINUATION, END_HEADERS, 1, &good[11..]),
            ]
            .concat(),
            Status(200),
        ),
    ];
    assert!(cases.len() >= 50);
    check(&gate, cases);
    for (code, scope, count) in [
        ("FRAME_SIZE_ERROR", "connection", 3.0),
        ("FLOW_CONTROL_ERROR", "connection", 2.0),
        ("FLOW_CONTROL_ERROR", "stream", 1.0),
    ] {
        let metric = format!("oakgate_http2_errors_total{{code=\"{code}\",scope=\"{scope}\"}}");
        counts(&gate, &metric, count);
    }
}

#[test]
fn heads_that_no_table_explains_end_the_connection() {
    let backend = Backend::raw(&[]);
    let gate = gate(&backend, "", "");
    let good = good(&gate);
    let head = |block: &[u8]| frame(HEADERS, WHOLE, 1, block);
    let after_good = |more: &[u8]| head(&[&good, more].concat());
    let cases: Vec<Case> = vec![
        ("7541 6.1", "index 0", after_good(&[0x80]), GIVEN_UP),
        ("7541 2.3.3", "an index beyond the tables", after_good(&[0xff, 0x80, 0x01]), GIVEN_UP),
        ("7541 2.3.3", "a name beyond the tables", after_good(&[0x7f, 0x80, 0x01, 1, b'a']), GIVEN_UP),
        (
            "7541 4.2",
            "a size update beyond the setting",
            head(&[&[0x3f, 0xe2, 0x1f], &good[..]].concat()),
            GIVEN_UP,
        ),
        ("7541 4.2", "a size update after a header", after_good(&[0x20]), GIVEN_UP),
        (
            "7541 5.1",
            "an integer without an end",
            after_good(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            GIVEN_UP,
        ),
        ("7541 5.2", "text that breaks off", after_good(&[0x00, 1, b'a', 9, b'a']), GIVEN_UP),
        ("7541 5.2", "a code's padding of zeros", after_good(&[0x00, 1, b'a', 0x81, 0b0001_1000]), GIVEN_UP),
        (
            "7541 5.2",
            "a code's padding of more than 7 bits",
            after_good(&[0x00, 1, b'a', 0x82, 0x1f, 0xff]),
            GIVEN_UP,
        ),
        (
            "7541 5.2",
            "the end of a code inside of it",
            after_good(&[0x00, 1, b'a', 0x84, 0xff, 0xff, 0xff, 0xff]),
            GIVEN_UP,
        ),
        ("7541 4.2", "a size update at the beginning", head(&[&[0x20], &good[..]].concat()), Status(200)),
        (
            "7541 5.2",
            "a value in Huffman's code",
            after_good(&[0x00, 1, b'a', 0x81, 0b0001_1111]),
            Status(200),
        ),
    ];
    check(&gate, cases);
    assert_eq!(backend.log_text().matches("POST /a ").count(), 2);
}

#[test]
fn malformed_requests_are_refused() {
    let backend = Backend::raw(&[]);
    let gate = gate(&backend, "", "");
    let address = gate.address.as_str();
    let pseudo = [(":method", "POST"), (":scheme", "http"), (":path", "/a"), (":authority", address)];
    let head = |headers: &[(&str, &str)]| {
        frame(HEADERS, WHOLE, 1, &block(&[headers, &[("x-api-key", KEY)]].concat()))
    };
    let with = |name: &'static str, value: &'static str| head(&[&pseudo[..], &[(name, value)]].concat());
    let without =
        |name: &str| head(&pseudo.iter().filter(|(other, _)| *other != name).copied().collect::<Vec<_>>());
    let changed = |name: &str, value: &str| {
        head(&pseudo.iter().map(|(n, v)| (*n, if *n == name { value } else { v })).collect::<Vec<_>>())
    };
    let posted = |length: &str, pieces: &[&[u8]]| {
        let headers = [&pseudo[..], &[("x-api-key", KEY), ("content-length", length)]].concat();
        let last = pieces.len() - 1;
        let flags = |place| if place == last { END_STREAM } else { 0 };
        let data = pieces.iter().enumerate().flat_map(|(n, piece)| frame(DATA, flags(n), 1, piece));
        [frame(HEADERS, END_HEADERS, 1, &block(&headers)), data.collect()].concat()
    };
    let trailed = |flags: u8, trailers: &[(&str, &str)]| {
        let head = block(&[&pseudo[..], &[("x-api-key", KEY)]].concat());
        [
            frame(HEADERS, END_HEADERS, 1, &head),
            frame(DATA, 0, 1, b"{}"),
            frame(HEADERS, flags, 1, &block(trailers)),
        ]
        .concat()
    };
    let reset = Reset(PROTOCOL_ERROR);
    let userinfo = format!("me@{address}");
    let cases: Vec<Case> = vec![
        ("", "a good request", head(&pseudo), Status(200)),
        ("8.1", "trailers are discarded", trailed(WHOLE, &[("x-trailer", "1")]), Status(200)),
        ("8.1", "trailers that do not end it", trailed(END_HEADERS, &[("x-trailer", "1")]), reset),
        ("8.1", "a pseudo-header in trailers goes nowhere", trailed(WHOLE, &[(":path", "/b")]), Status(200)),
        ("8.1.1", "the length that was said", posted("2", &[b"{}"]), Status(200)),
        ("8.1.1", "less than was said", posted("3", &[b"{}"]), reset),
        ("8.1.1", "more than was said", posted("2", &[b"{}", b"x"]), reset),
        ("8.1.1", "a length and no body", with("content-length", "1"), reset),
        ("8.1.1", "a length that is none", posted("2x", &[b"{}"]), reset),
        ("8.2", "a name in capitals", with("X-Name", "a"), GIVEN_UP),
        ("8.2.1", "a name with a space", with("x name", "a"), GIVEN_UP),
        ("8.2.1", "a name with a colon", with("x:name", "a"), GIVEN_UP),
        ("8.2.1", "no name", with("", "a"), GIVEN_UP),
        ("8.2.1", "a value with a line feed", with("x-name", "a\nb: c"), GIVEN_UP),
        ("8.2.1", "a value with a carriage return", with("x-name", "a\rb"), GIVEN_UP),
        ("8.2.1", "a value with a zero", with("x-name", "a\0"), GIVEN_UP),
        ("8.2.1", "a value that begins with a space", with("x-name", " a"), Status(400)),
        ("8.2.1", "a value that ends with a tab", with("x-name", "a\t"), Status(400)),
        ("8.2.2", "Connection", with("connection", "close"), reset),
        ("8.2.2", "Keep-Alive", with("keep-alive", "1"), reset),
        ("8.2.2", "Proxy-Connection", with("proxy-connection", "close"), reset),
        ("8.2.2", "Transfer-Encoding", with("transfer-encoding", "chunked"), reset),
        ("8.2.2", "Upgrade", with("upgrade", "websocket"), reset),
        ("8.2.2", "TE", with("te", "gzip"), reset),
        ("8.2.2", "TE of trailers", with("te", "trailers"), Status(200)),
        ("8.3", "an unknown pseudo-header", with(":unknown", "a"), GIVEN_UP),
        ("8.3", "a response's pseudo-header", with(":status", "200"), reset),
        (
            "8.3",
            "a pseudo-header after others",
            head(&[&pseudo[..3], &[("a", "b")], &pseudo[3..]].concat()),
            reset,
        ),
        ("8.3", "a second :method", with(":method", "DELETE"), reset),
        ("8.3", "a second :path", with(":path", "/b"), reset),
        ("8.3", "a second :scheme", with(":scheme", "http"), reset),
        ("8.3", "a second :authority", with(":authority", "other"), reset),
        ("8.3.1", "no :method", without(":method"), reset),
        ("8.3.1", "no :scheme", without(":scheme"), reset),
        ("8.3.1", "no :path", without(":path"), reset),
        ("8.3.1", "an empty :path", changed(":path", ""), reset),
        ("8.3.1", "a :path that is none", changed(":path", "/a b"), reset),
        ("8.3.1", "a :method that is none", changed(":method", "GE T"), GIVEN_UP),
        ("8.3.1", "an :authority that is none", changed(":authority", "a/b"), reset),
        ("8.3.1", "another :scheme", changed(":scheme", "https"), Status(403)),
        ("8.3.1", "another :authority", changed(":authority", "evil.example"), Status(403)),
        ("8.3.1", "an :authority with a user", changed(":authority", &userinfo), Status(403)),
        ("8.3.1", "neither :authority nor Host", without(":authority"), Status(403)),
        ("8.3.1", "another Host", with("host", "evil.example"), Status(403)),
        ("8.3.1", "Host alone", head(&[&pseudo[..3], &[("host", address)]].concat()), Status(200)),
        ("8.3.1", "the same Host", head(&[&pseudo[..], &[("host", address)]].concat()), Status(200)),
        (
            "8.3.1",
            "two Hosts",
            head(&[&pseudo[..], &[("host", address), ("host", address)]].concat()),
            Status(403),
        ),
        ("8.5", "CONNECT", head(&[(":method", "CONNECT"), (":authority", address)]), Status(405)),
        ("8.5", "CONNECT with a path", changed(":method", "CONNECT"), reset),
        (
            "8441 4",
            "extended CONNECT",
            head(&[&pseudo[1..], &[(":method", "CONNECT"), (":protocol", "websocket")]].concat()),
            reset,
        ),
    ];
    assert!(cases.len() >= 48);
    let good = cases.iter().filter(|case| case.3 == Status(200)).count();
    let malformed = cases.iter().filter(|case| matches!(case.3, Reset(_) | GoAway(_) | Status(400))).count();
    check(&gate, cases);
    assert_eq!(backend.log_text().matches(" /a HTTP/1.1").count(), good, "{}", backend.log_text());
    counts(&gate, "oakgate_refusals_total{reason=\"unreadable-request\"}", malformed as f64);
}

#[test]
fn a_wrong_beginning_is_not_taken_for_http2() {
    let backend = Backend::raw(&[]);
    let gate = trusting(&backend);
    let cases: [&[u8]; 3] = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX",
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        b"PRI / HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    for bytes in cases {
        let mut connection = crate::harness::Connection::open(&gate.address);
        connection.write(bytes);
        let answer = String::from_utf8_lossy(&connection.everything()).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let mut client = Client::connect(&gate.address);
    client.write(PREFACE);
    client.write(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(client.heard(), GoAway(FRAME_SIZE_ERROR), "no frame");
    assert_eq!(backend.log_text(), "");
}
