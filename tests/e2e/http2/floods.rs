//! Clients that send, or leave unread, more than is good for others: each is stopped at a limit that is counted, and
//! another client is served all the while.

use std::time::{Duration, Instant};

use super::frames::{
    ACK, CANCEL, CONTINUATION, Client, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR,
    HEADERS, Heard, NO_ERROR, PING, PREFACE, PRIORITY, REFUSED_STREAM, RST_STREAM, SETTINGS, WINDOW_UPDATE,
    frame, settings,
};
use super::{counts, gate, limited, reached};
use crate::harness::{Backend, Gate, wait_for};

/// More than enough of anything.
const FLOOD: usize = 20_000;
/// What the proxy may use beside what it used before, whatever is sent.
const MEMORY_MAX_KB: u64 = 64 * 1024;
/// Connections that were given up because of a flood.
const CALMED: &str = "oakgate_http2_errors_total{code=\"ENHANCE_YOUR_CALM\",scope=\"connection\"}";
const SOON: Duration = Duration::from_secs(20);

fn is_served(gate: &Gate) {
    let answer = gate.send("POST", "/other", &[], b"");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// The most memory that the proxy ever used.
fn memory_kb(gate: &Gate) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gate.program.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Sends something again and again, until the other end takes no more.
fn flood(client: &mut Client, mut bytes: impl FnMut(u32) -> Vec<u8>) {
    for part in 0..100 {
        let count = FLOOD / 100;
        let part: Vec<u8> =
            (part * count..(part + 1) * count).flat_map(|n| bytes(u32::try_from(n).unwrap())).collect();
        if !client.try_write(&part) {
            return;
        }
    }
}

#[test]
fn requests_taken_back_at_once_end_the_connection() {
    let backend = Backend::raw(&[]);
    let gate = gate(&backend, "", "");
    let mut client = Client::open(&gate.address, &[]);
    let head = client.head("POST", "/flood", &[]);
    flood(&mut client, |n| {
        let stream = n * 2 + 1;
        [frame(HEADERS, END_HEADERS | END_STREAM, stream, &head), frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])]
            .concat()
    });
    assert!(client.closes_within(SOON));
    wait_for("the end", || (gate.metric("oakgate_http2_connections") == 0.0).then_some(()));
    counts(&gate, CALMED, 1.0);
    is_served(&gate);
    let through = backend.log_text().matches("/flood").count();
    assert!(through < 200, "{through}");
}

#[test]
fn requests_taken_back_once_they_are_under_way_are_limited_too() {
    let backend = Backend::raw(&["--only", "hang", "--hang"]);
    let gate = gate(&backend, "max_http2_control_frames: 20", "");
    let mut client = Client::open(&gate.address, &[]);
    let head = client.head("POST", "/flood", &[]);
    let mut taken_back = 0_u32;
    // Each is known to be under way when it is taken back: the PING behind it is answered.
    let answered =
        |client: &mut Client| std::iter::from_fn(|| client.frame()).any(|frame| frame.has(PING, ACK));
    loop {
        let stream = taken_back * 2 + 1;
        let body = br#"{"method": "hang", "id": 1}"#;
        let bytes = [
            frame(HEADERS, END_HEADERS, stream, &head),
            frame(DATA, END_STREAM, stream, body),
            frame(PING, 0, 0, &[0; 8]),
        ];
        if !client.try_write(&bytes.concat()) || !answered(&mut client) {
            break;
        }
        if !client.try_write(&frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])) {
            break;
        }
        taken_back += 1;
        assert!(taken_back < 1000, "it is never cut");
    }
    assert!((9..100).contains(&taken_back), "{taken_back}");
    limited(&gate, "max_http2_control_frames", 1.0);
    is_served(&gate);
}

#[test]
fn frames_that_ask_for_nothing_end_the_connection() {
    let backend = Backend::raw(&[]);
    let gate = gate(&backend, "", "");
    let cases: [(&str, Vec<u8>, &str); 8] = [
        ("PING", frame(PING, 0, 0, &[0; 8]), "max_http2_control_frames"),
        ("answers to no PING", frame(PING, ACK, 0, &[0; 8]), "max_http2_control_frames"),
        ("SETTINGS", frame(SETTINGS, 0, 0, &settings(&[(4, 65_535)])), "max_http2_control_frames"),
        ("empty SETTINGS", frame(SETTINGS, 0, 0, &[]), "max_http2_control_frames"),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1]), "max_http2_control_frames"),
        ("unknown", frame(0xfa, 0, 0, b"x"), "max_http2_control_frames"),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]), "max_http2_control_frames"),
        ("empty DATA", frame(DATA, 0, 1, b""), ""),
    ];
    for (name, bytes, limit) in cases {
        let before = (reached(&gate, limit), gate.metric(CALMED));
        let mut client = Client::open(&gate.address, &[]);
        if limit.is_empty() {
            let head = client.head("POST", "/flood", &[]);
            client.send(HEADERS, END_HEADERS, 1, &head);
        }
        flood(&mut client, |_| bytes.clone());
        assert!(client.closes_within(SOON), "{name}");
        wait_for("the end", || (gate.metric("oakgate_http2_connections") == 0.0).then_some(()));
        let after = (reached(&gate, limit), gate.metric(CALMED));
        let counted = after.0 - before.0 + after.1 - before.1;
        assert_eq!(counted, 1.0, "{name}");
        is_served(&gate);
    }
    assert!(memory_kb(&gate) < MEMORY_MAX_KB, "{}", memory_kb(&gate));
    assert!(!backend.log_text().contains("/flood"), "{}", backend.log_text());
}

#[test]
fn a_head_without_an_end_ends_the_connection() {
    let backend = Backend::raw(&[]);
    let gate = gate(&backend, "", "");
    let literal = [&[0, 1, b'a', 100][..], &[b'b'; 100]].concat();
    for piece in [&b""[..], &literal] {
        let mut client = Client::open(&gate.address, &[]);
        let head = client.head("POST", "/flood", &[]);
        client.send(HEADERS, END_STREAM, 1, &head);
        flood(&mut client, |_| frame(CONTINUATION, 0, 1, piece));
        assert!(client.closes_within(SOON), "{}", piece.len());
        is_served(&gate);
    }
    assert_eq!(gate.metric(CALMED) + reached(&gate, "max_http2_control_frames"), 2.0);
    assert!(memory_kb(&gate) < MEMORY_MAX_KB, "{}", memory_kb(&gate));
    assert!(!backend.log_text().contains("/flood"));
}

#[test]
fn a_head_that_grows_when_it_is_read_is_refused() {
    let backend = Backend::raw(&[]);
    let gate = gate(&backend, "", "");
    // One header of nearly the table's size, remembered, and then named by one byte each.
    let remembered = [&[0x40, 1, b'a', 0x7f, 0xa1, 0x1e][..], &[b'b'; 4000]].concat();
    let before = memory_kb(&gate);
    for (count, expected) in
        [(10, Heard::Status(200)), (20, Heard::Status(431)), (10_000, Heard::GoAway(ENHANCE_YOUR_CALM))]
    {
        let mut client = Client::open(&gate.address, &[]);
        let head = [client.head("POST", "/bomb", &[]), remembered.clone(), vec![0x80 | 62; count]].concat();
        client.send(HEADERS, END_HEADERS | END_STREAM, 1, &head);
        assert_eq!(client.heard(), expected, "{count}");
        is_served(&gate);
    }
    limited(&gate, "max_header_bytes", 1.0);
    counts(&gate, CALMED, 1.0);
    assert_eq!(backend.log_text().matches("/bomb").count(), 1);
    assert!(memory_kb(&gate) - before < MEMORY_MAX_KB);
}

#[test]
fn requests_beyond_the_limits_are_refused_one_by_one() {
    let backend = Backend::raw(&["--only", "hang", "--hang"]);
    let gate = gate(&backend, "max_http2_streams: 2, max_headers: 10, max_http2_error_resets: 5", "");
    let mut client = Client::open(&gate.address, &[]);
    // The limit holds once the client knows it.
    client.send(SETTINGS, ACK, 0, &[]);
    for stream in [1, 3, 5] {
        client.request(stream, "POST", "/a", br#"{"method": "hang", "id": 1}"#);
    }
    assert_eq!(client.heard(), Heard::Reset(REFUSED_STREAM));
    limited(&gate, "max_http2_streams", 1.0);
    client.send(RST_STREAM, 0, 1, &CANCEL.to_be_bytes());
    client.request(7, "POST", "/a", b"");
    assert_eq!(client.next(HEADERS).stream, 7, "there is room again");

    let mut client = Client::open(&gate.address, &[]);
    let names: Vec<String> = (0..10).map(|n| format!("x-{n}")).collect();
    let more: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    let head = client.head("POST", "/a", &more);
    client.send(HEADERS, END_HEADERS | END_STREAM, 1, &head);
    assert_eq!(client.heard(), Heard::Status(431));
    let problem: serde_json::Value = serde_json::from_slice(&client.body(1)).unwrap();
    assert_eq!(problem["code"], "too-many-headers");
    limited(&gate, "max_headers", 1.0);

    let mut client = Client::open(&gate.address, &[]);
    let malformed = client.head("POST", "/a", &[("connection", "close")]);
    flood(&mut client, |n| frame(HEADERS, END_HEADERS | END_STREAM, n * 2 + 1, &malformed));
    assert_eq!(client.goes_away(), Some(ENHANCE_YOUR_CALM));
    is_served(&gate);
}

#[test]
fn all_streams_of_a_connection_share_its_window() {
    let backend = Backend::raw(&[]);
    let limits = "http2_stream_window_bytes: 1048576, http2_connection_window_bytes: 100000, max_http2_frame_bytes: 16384";
    let gate = gate(&backend, limits, "");
    let mut client = Client::open(&gate.address, &[]);
    // A connection begins with 65535 bytes (RFC 9113, section 6.9.2), and is given the rest.
    let told = client.next(WINDOW_UPDATE);
    assert_eq!((told.stream, told.payload), (0, 34_465_u32.to_be_bytes().to_vec()));
    let head = client.head("POST", "/flood", &[]);
    let heads = [1, 3].map(|stream| frame(HEADERS, END_HEADERS, stream, &head)).concat();
    let data = [1, 3].map(|stream| frame(DATA, 0, stream, &[b'x'; 16_384])).concat();
    // Each of them would have room for what comes.
    client.try_write(&[heads, data.repeat(32)].concat());
    assert_eq!(client.goes_away(), Some(FLOW_CONTROL_ERROR));
    counts(&gate, "oakgate_http2_errors_total{code=\"FLOW_CONTROL_ERROR\",scope=\"connection\"}", 1.0);
    is_served(&gate);
    assert!(!backend.log_text().contains("/flood"));
}

#[test]
fn clients_are_told_the_limits_and_held_to_their_window() {
    let backend = Backend::raw(&[]);
    let limits = "max_http2_streams: 7, max_http2_frame_bytes: 20000, http2_stream_window_bytes: 16384, max_header_bytes: 9000";
    let gate = gate(&backend, limits, "");
    let mut client = Client::open(&gate.address, &[]);
    let told = client.next(SETTINGS).payload;
    for (setting, value) in [(3, 7), (4, 16_384), (5, 20_000), (6, 9000)] {
        let expected = settings(&[(setting, value)]);
        assert!(told.chunks(6).any(|setting| setting == expected), "{setting}: {told:?}");
    }
    // Far more at once than the stream has room for, and less than the connection has when it was given all of it.
    client.next(WINDOW_UPDATE);
    let head = client.head("POST", "/flood", &[]);
    let data = frame(DATA, 0, 1, &[b'x'; 16_384]);
    client.write(&[frame(HEADERS, END_HEADERS, 1, &head), data.repeat(15)].concat());
    assert_eq!(client.heard(), Heard::Reset(FLOW_CONTROL_ERROR));
    counts(&gate, "oakgate_http2_errors_total{code=\"FLOW_CONTROL_ERROR\",scope=\"stream\"}", 1.0);
    is_served(&gate);
    assert!(!backend.log_text().contains("/flood"));
}

#[test]
fn heads_that_do_not_come_close_the_connection() {
    let backend = Backend::raw(&[]);
    let gate = gate(&backend, "header_timeout_seconds: 1", "");
    let settings = frame(SETTINGS, 0, 0, &[]);
    let begun = &frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0; 100])[..50];
    let cases: [&[&[u8]]; 6] = [
        &[],
        &[&PREFACE[..10]],
        &[PREFACE],
        &[PREFACE, &settings[..5]],
        &[PREFACE, &settings],
        &[PREFACE, &settings, begun],
    ];
    for pieces in cases {
        let since = Instant::now();
        let mut client = Client::connect(&gate.address);
        client.write(&pieces.concat());
        assert!(client.closes_within(SOON), "{pieces:?}");
        assert!(since.elapsed() > Duration::from_millis(900), "{pieces:?}");
    }
    let mut client = Client::open(&gate.address, &[]);
    client.request(1, "POST", "/a", b"");
    assert_eq!(client.heard(), Heard::Status(200));
    let head = client.head("POST", "/a", &[]);
    client.send(HEADERS, END_STREAM, 3, &head);
    assert!(client.closes_within(SOON), "a later head without an end");
    limited(&gate, "header_timeout_seconds", 7.0);
    is_served(&gate);
}

#[test]
fn a_connection_without_a_request_is_asked_to_leave() {
    let backend = Backend::raw(&[]);
    let gate = gate(&backend, "keep_alive_seconds: 1, header_timeout_seconds: 2", "");
    let mut client = Client::open(&gate.address, &[]);
    client.request(1, "POST", "/a", b"");
    assert_eq!(client.heard(), Heard::Status(200));
    assert_eq!(client.heard(), Heard::GoAway(NO_ERROR));
    assert!(client.closes_within(SOON), "one that does not go is cut");
    limited(&gate, "keep_alive_seconds", 1.0);
}

#[test]
fn a_client_that_is_not_there_any_more_is_noticed() {
    let backend = Backend::raw(&["--hang"]);
    let gate = gate(&backend, "http2_ping_seconds: 1, http2_ping_timeout_seconds: 1", "");
    let mut client = Client::open(&gate.address, &[]);
    client.request(1, "POST", "/a", b"{}");
    // It never answers a PING.
    assert!(client.closes_within(SOON));
    wait_for("the end", || (gate.metric("oakgate_connections") == 0.0).then_some(()));
    limited(&gate, "http2_ping_timeout_seconds", 1.0);
    wait_for("its outcome", || gate.records().into_iter().find(|record| record["outcome"] == "unknown"));
}

#[test]
fn an_answer_that_is_not_taken_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body");
    std::fs::write(&file, vec![b'x'; 1_000_000]).unwrap();
    let backend = Backend::raw(&["--body-file", file.to_str().unwrap()]);
    let gate = gate(&backend, "write_timeout_seconds: 1, max_calls_per_caller: 1", "");
    let mut client = Client::open(&gate.address, &[(4, 0)]);
    client.request(1, "POST", "/a", b"");
    assert_eq!(client.heard(), Heard::Status(200));
    let busy = gate.send("POST", "/other", &[], b"");
    assert_eq!(busy.status, 429, "the call is under way for as long as its answer is: {}", busy.text());
    assert_eq!(client.heard(), Heard::Reset(CANCEL));
    limited(&gate, "write_timeout_seconds", 1.0);
    wait_for("the call's end", || (gate.send("POST", "/other", &[], b"").status == 200).then_some(()));
    // The connection is as good as before, and a client that takes what comes gets it whole.
    client.send(SETTINGS, 0, 0, &settings(&[(4, 65_535)]));
    client.request(3, "POST", "/a", b"");
    assert_eq!(client.body(3).len(), 1_000_000);
}
