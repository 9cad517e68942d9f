//! What RFC 9113 and RFC 7541 say of requests that are malformed: they are refused, and never reach the backend.

use super::frames::{
    Client, DATA, END_HEADERS, END_STREAM, FRAME_SIZE_ERROR, HEADERS, Heard, PREFACE, PROTOCOL_ERROR, block,
    frame,
};
use super::trusting;
use crate::harness::{Backend, Gate, KEY, wait_for};

use Heard::{GoAway, Reset, Status};

pub(super) const WHOLE: u8 = END_HEADERS | END_STREAM;

/// Where the RFC names another code, or one stream only, the `h2` crate gives up the connection with this one, as it may
/// (section 5.4.1).
pub(super) const GIVEN_UP: Heard = GoAway(PROTOCOL_ERROR);

const RESET: Heard = Reset(PROTOCOL_ERROR);

/// Section, what is sent after the preface and settings, and what is heard first.
pub(super) type Case = (&'static str, &'static str, Vec<u8>, Heard);

pub(super) fn check(gate: &Gate, cases: Vec<Case>) {
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
pub(super) fn good(gate: &Gate) -> Vec<u8> {
    block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/a"),
        (":authority", &gate.address),
        ("x-api-key", KEY),
    ])
}

#[test]
fn heads_that_no_table_explains_end_the_connection() {
    let backend = Backend::raw(&[]);
    let gate = trusting(&backend);
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

/// The pseudo-headers of a good request.
fn pseudo(gate: &Gate) -> [(&'static str, &str); 4] {
    [(":method", "POST"), (":scheme", "http"), (":path", "/a"), (":authority", &gate.address)]
}

/// A request of headers only, with the key.
fn head(headers: &[&[(&str, &str)]]) -> Vec<u8> {
    let headers = [&headers.concat()[..], &[("x-api-key", KEY)]].concat();
    frame(HEADERS, WHOLE, 1, &block(&headers))
}

/// Refused requests are counted, and what is left is all that reaches the backend.
fn check_requests(gate: &Gate, backend: &Backend, cases: Vec<Case>) {
    let good = cases.iter().filter(|case| case.3 == Status(200)).count();
    let malformed = cases.iter().filter(|case| matches!(case.3, Reset(_) | GoAway(_) | Status(400))).count();
    check(gate, cases);
    assert_eq!(backend.log_text().matches(" /a HTTP/1.1").count(), good, "{}", backend.log_text());
    wait_for("the counts of what is malformed", || {
        let count = |reason| gate.metric(&format!("oakgate_refusals_total{{reason=\"{reason}\"}}"));
        let all = ["unreadable-request", "unclear-host", "ambiguous-framing"].map(count);
        (all.iter().sum::<f64>() == malformed as f64).then_some(())
    });
}

#[test]
fn malformed_headers_are_refused() {
    let backend = Backend::raw(&[]);
    let gate = trusting(&backend);
    let pseudo = pseudo(&gate);
    let with = |name: &'static str, value: &'static str| head(&[&pseudo, &[(name, value)]]);
    let cases: Vec<Case> = vec![
        ("8.2.2", "what some read as a coding", with("transfer_encoding", "chunked"), Status(400)),
        ("8.2.2", "what some read as a length", with("content_length", "3"), Status(400)),
        ("8.2", "a name in capitals", with("X-Name", "a"), GIVEN_UP),
        ("8.2.1", "a name with a space", with("x name", "a"), GIVEN_UP),
        ("8.2.1", "a name with a colon", with("x:name", "a"), GIVEN_UP),
        ("8.2.1", "no name", with("", "a"), GIVEN_UP),
        ("8.2.1", "a value with a line feed", with("x-name", "a\nb: c"), GIVEN_UP),
        ("8.2.1", "a value with a carriage return", with("x-name", "a\rb"), GIVEN_UP),
        ("8.2.1", "a value with a zero", with("x-name", "a\0"), GIVEN_UP),
        ("8.2.1", "a value that begins with a space", with("x-name", " a"), Status(400)),
        ("8.2.1", "a value that ends with a tab", with("x-name", "a\t"), Status(400)),
        ("8.2.1", "a value without anything", with("x-name", ""), Status(200)),
        ("8.2.2", "Connection", with("connection", "close"), RESET),
        ("8.2.2", "Keep-Alive", with("keep-alive", "1"), RESET),
        ("8.2.2", "Proxy-Connection", with("proxy-connection", "close"), RESET),
        ("8.2.2", "Transfer-Encoding", with("transfer-encoding", "chunked"), RESET),
        ("8.2.2", "Upgrade", with("upgrade", "websocket"), RESET),
        ("8.2.2", "TE", with("te", "gzip"), RESET),
        ("8.2.2", "TE of trailers", with("te", "trailers"), Status(200)),
        ("8.3", "an unknown pseudo-header", with(":unknown", "a"), GIVEN_UP),
        ("8.3", "a response's pseudo-header", with(":status", "200"), RESET),
        ("8.3", "a pseudo-header after others", head(&[&pseudo[..3], &[("a", "b")], &pseudo[3..]]), RESET),
        ("8.3", "a second :method", with(":method", "DELETE"), RESET),
        ("8.3", "a second :path", with(":path", "/b"), RESET),
        ("8.3", "a second :scheme", with(":scheme", "http"), RESET),
        ("8.3", "a second :authority", with(":authority", "other"), RESET),
    ];
    check_requests(&gate, &backend, cases);
}

#[test]
fn malformed_targets_are_refused() {
    let backend = Backend::raw(&[]);
    let gate = trusting(&backend);
    let pseudo = pseudo(&gate);
    let address = gate.address.as_str();
    let without =
        |name: &str| head(&[&pseudo.iter().filter(|(other, _)| *other != name).copied().collect::<Vec<_>>()]);
    let changed = |name: &str, value: &str| {
        head(&[&pseudo.map(|(other, old)| (other, if other == name { value } else { old }))])
    };
    let and_host =
        |hosts: &[&str]| head(&[&pseudo, &hosts.iter().map(|host| ("host", *host)).collect::<Vec<_>>()]);
    let websocket = [(":method", "CONNECT"), (":protocol", "websocket")];
    let cases: Vec<Case> = vec![
        ("", "a good request", head(&[&pseudo]), Status(200)),
        ("8.3.1", "no :method", without(":method"), RESET),
        ("8.3.1", "no :scheme", without(":scheme"), RESET),
        ("8.3.1", "no :path", without(":path"), RESET),
        ("8.3.1", "an empty :path", changed(":path", ""), RESET),
        ("8.3.1", "a :path that is none", changed(":path", "/a b"), RESET),
        ("8.3.1", "a :method that is none", changed(":method", "PO ST"), GIVEN_UP),
        ("8.3.1", "an :authority that is none", changed(":authority", "a/b"), RESET),
        ("8.3.1", "the :scheme of the first hop", changed(":scheme", "https"), Status(200)),
        ("8.3.1", "another :scheme", changed(":scheme", "ftp"), Status(403)),
        ("8.3.1", "another :authority", changed(":authority", "evil.example"), Status(403)),
        ("8.3.1", "an :authority with a user", changed(":authority", &format!("me@{address}")), Status(403)),
        ("8.3.1", "neither :authority nor Host", without(":authority"), Status(400)),
        ("8.3.1", "another Host", and_host(&["evil.example"]), Status(403)),
        ("8.3.1", "two Hosts", and_host(&[address, address]), Status(400)),
        ("8.3.1", "the same Host", and_host(&[address]), Status(200)),
        ("8.3.1", "Host alone", head(&[&pseudo[..3], &[("host", address)]]), Status(200)),
        ("8.5", "CONNECT", head(&[&[(":method", "CONNECT"), (":authority", address)]]), Status(405)),
        ("8.5", "CONNECT with a path", changed(":method", "CONNECT"), RESET),
        ("8441 4", "extended CONNECT", head(&[&pseudo[1..], &websocket]), RESET),
    ];
    check_requests(&gate, &backend, cases);
}

#[test]
fn malformed_bodies_are_refused() {
    let backend = Backend::raw(&[]);
    let gate = trusting(&backend);
    let pseudo = pseudo(&gate);
    let posted = |lengths: &[&str], pieces: &[&[u8]]| {
        let lengths: Vec<_> = lengths.iter().map(|length| ("content-length", *length)).collect();
        let head = block(&[&pseudo[..], &[("x-api-key", KEY)], &lengths].concat());
        let last = pieces.len() - 1;
        let flags = |place| if place == last { END_STREAM } else { 0 };
        let data = pieces.iter().enumerate().flat_map(|(place, piece)| frame(DATA, flags(place), 1, piece));
        [frame(HEADERS, END_HEADERS, 1, &head), data.collect()].concat()
    };
    let trailed = |flags: u8, trailers: &[(&str, &str)]| {
        let head = block(&[&pseudo[..], &[("x-api-key", KEY)]].concat());
        let trailers = frame(HEADERS, flags, 1, &block(trailers));
        [frame(HEADERS, END_HEADERS, 1, &head), frame(DATA, 0, 1, b"{}"), trailers].concat()
    };
    let cases: Vec<Case> = vec![
        ("8.1", "trailers are discarded", trailed(WHOLE, &[("x-trailer", "1")]), Status(200)),
        ("8.1", "a pseudo-header in trailers goes nowhere", trailed(WHOLE, &[(":path", "/b")]), Status(200)),
        ("8.1", "trailers that do not end it", trailed(END_HEADERS, &[("x-trailer", "1")]), RESET),
        ("8.1.1", "the length that was said", posted(&["2"], &[b"{}"]), Status(200)),
        ("8.1.1", "less than was said", posted(&["3"], &[b"{}"]), RESET),
        ("8.1.1", "more than was said", posted(&["2"], &[b"{}", b"x"]), RESET),
        ("8.1.1", "a length and no body", head(&[&pseudo, &[("content-length", "1")]]), RESET),
        ("8.1.1", "a length that is none", posted(&["2x"], &[b"{}"]), RESET),
        ("8.1.1", "two lengths", posted(&["2", "3"], &[b"{}"]), RESET),
        ("8.1.1", "the same length twice", posted(&["2", "2"], &[b"{}"]), Status(400)),
    ];
    check_requests(&gate, &backend, cases);
    assert!(!backend.log_text().contains("x-trailer"));
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
        let is_refused = answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.1 505 ");
        assert!(answer.is_empty() || is_refused, "{answer}");
    }
    let mut client = Client::connect(&gate.address);
    client.write(PREFACE);
    client.write(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(client.heard(), GoAway(FRAME_SIZE_ERROR), "no frame");
    assert_eq!(backend.log_text(), "");
}
