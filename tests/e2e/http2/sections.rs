//! What RFC 9113 says of wrong frames, section by section: each is answered as it should be, and the connection ends
//! where it has to.

use super::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY, HEADERS,
    Heard, PADDED, PING, PRIORITISED, PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame,
    settings,
};
use super::malformed::{Case, GIVEN_UP, WHOLE, check, good};
use super::{counts, trusting};
use crate::harness::{Backend, Gate};

use Heard::{GoAway, Reset, Status};

const TOO_LARGE: Heard = GoAway(FRAME_SIZE_ERROR);
const WINDOW_MAX: [u8; 4] = [0x7f, 0xff, 0xff, 0xff];

/// A proxy with its backend, and the head of a good request to it.
struct Served {
    gate: Gate,
    head: Vec<u8>,
    _backend: Backend,
}

impl Served {
    fn new() -> Self {
        let backend = Backend::raw(&[]);
        let gate = trusting(&backend);
        Self { head: good(&gate), gate, _backend: backend }
    }

    /// A whole request.
    fn whole(&self, stream: u32) -> Vec<u8> {
        frame(HEADERS, WHOLE, stream, &self.head)
    }

    /// A request whose body is still to come, and what comes.
    fn open(&self, then: Vec<u8>) -> Vec<u8> {
        [frame(HEADERS, END_HEADERS, 1, &self.head), then].concat()
    }

    /// The beginning of a head, and what comes instead of its end.
    fn begun(&self, then: Vec<u8>) -> Vec<u8> {
        [frame(HEADERS, END_STREAM, 1, &self.head), then].concat()
    }

    /// Something, and a good request after it.
    fn before(&self, bytes: Vec<u8>) -> Vec<u8> {
        [bytes, self.whole(1)].concat()
    }

    fn counts(&self, scope: &str, code: &str, expected: f64) {
        let metric = format!("oakgate_http2_errors_total{{code=\"{code}\",scope=\"{scope}\"}}");
        counts(&self.gate, &metric, expected);
    }
}

#[test]
fn frames_that_do_not_belong_where_they_are() {
    let served = Served::new();
    let large = vec![0; 16_385];
    let unknown = |stream| frame(0xfa, 0xff, stream, b"unknown");
    let depends_on_1 = |stream| frame(PRIORITY, 0, stream, &[0, 0, 0, 0, 1]);
    let cases: Vec<Case> = vec![
        ("", "a good request", served.whole(1), Status(200)),
        ("4.1", "an unknown type is ignored", served.before(unknown(0)), Status(200)),
        ("4.1", "unknown flags are ignored", served.before(frame(PING, 0x16, 0, &[0; 8])), Status(200)),
        ("4.1", "the reserved bit is ignored", served.before(frame(PING, 0, 1 << 31, &[0; 8])), Status(200)),
        ("4.2", "DATA too large", served.open(frame(DATA, 0, 1, &large)), TOO_LARGE),
        ("4.2", "HEADERS too large", frame(HEADERS, WHOLE, 1, &large), TOO_LARGE),
        ("4.2", "an unknown type too large", frame(0xfa, 0, 0, &large), TOO_LARGE),
        ("4.3", "another frame inside of a head", served.begun(depends_on_1(1)), GIVEN_UP),
        ("4.3", "another head inside of a head", served.begun(served.whole(3)), GIVEN_UP),
        ("5.1", "idle: DATA", frame(DATA, END_STREAM, 1, b"x"), GIVEN_UP),
        ("5.1", "idle: RST_STREAM", frame(RST_STREAM, 0, 1, &[0; 4]), GIVEN_UP),
        ("5.1", "idle: WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]), GIVEN_UP),
        ("5.1", "idle: PRIORITY is allowed", served.before(depends_on_1(3)), Status(200)),
        ("5.1", "half-closed: DATA", [served.whole(1), frame(DATA, 1, 1, b"x")].concat(), GIVEN_UP),
        ("5.1", "half-closed: HEADERS", served.before(served.whole(1)), GIVEN_UP),
        ("5.1.1", "an even stream", served.whole(2), GIVEN_UP),
        ("5.1.1", "a lower stream", [served.whole(5), served.whole(3)].concat(), GIVEN_UP),
        ("5.5", "an unknown type inside of a head", served.begun(unknown(1)), GIVEN_UP),
    ];
    check(&served.gate, cases);
    served.counts("connection", "FRAME_SIZE_ERROR", 3.0);
}

#[test]
fn wrong_frames_of_a_stream() {
    let served = Served::new();
    let head = &served.head[..];
    let padded =
        |flags: u8, pad: u8, rest: &[&[u8]]| frame(HEADERS, flags, 1, &[&[pad], &rest.concat()[..]].concat());
    let data = |stream: u32, payload: &[u8]| frame(DATA, PADDED | END_STREAM, stream, payload);
    let priority = [0, 0, 0, 0, 9];
    let promise = frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2]);
    let cases: Vec<Case> = vec![
        ("6.1", "DATA of the connection", frame(DATA, 0, 0, b"x"), GIVEN_UP),
        ("6.1", "DATA with more padding than there is", served.open(data(1, b"\x09x")), GIVEN_UP),
        ("6.1", "DATA without the padding's length", served.open(data(1, b"")), GIVEN_UP),
        ("6.1", "DATA with padding", served.open(data(1, b"\x02{}\0\0")), Status(200)),
        ("6.2", "HEADERS of the connection", served.whole(0), GIVEN_UP),
        ("6.2", "HEADERS with more padding than there is", padded(WHOLE | PADDED, 255, &[head]), GIVEN_UP),
        (
            "6.2",
            "HEADERS with padding and priority",
            padded(WHOLE | PADDED | PRIORITISED, 1, &[&priority, head, b"\0"]),
            Status(200),
        ),
        ("6.3", "PRIORITY of the connection", frame(PRIORITY, 0, 0, &priority), GIVEN_UP),
        ("6.3", "PRIORITY of another length", frame(PRIORITY, 0, 1, &[0; 4]), GIVEN_UP),
        ("6.4", "RST_STREAM of the connection", frame(RST_STREAM, 0, 0, &[0; 4]), GIVEN_UP),
        ("6.4", "RST_STREAM of another length", served.open(frame(RST_STREAM, 0, 1, &[0; 3])), GIVEN_UP),
        ("6.6", "PUSH_PROMISE", served.open(promise), GIVEN_UP),
        ("6.10", "CONTINUATION of nothing", frame(CONTINUATION, END_HEADERS, 1, head), GIVEN_UP),
        ("6.10", "CONTINUATION of the connection", served.begun(frame(CONTINUATION, 4, 0, &[])), GIVEN_UP),
        ("6.10", "CONTINUATION of another stream", served.begun(frame(CONTINUATION, 4, 3, &[])), GIVEN_UP),
        ("6.10", "CONTINUATION after the end", served.open(frame(CONTINUATION, 4, 1, head)), GIVEN_UP),
        (
            "6.10",
            "a head in three frames",
            [
                frame(HEADERS, END_STREAM, 1, &head[..10]),
                frame(CONTINUATION, 0, 1, &head[10..11]),
                frame(CONTINUATION, END_HEADERS, 1, &head[11..]),
            ]
            .concat(),
            Status(200),
        ),
    ];
    check(&served.gate, cases);
}

#[test]
fn wrong_frames_of_the_connection() {
    let served = Served::new();
    let set = |name: u16, value: u32| frame(SETTINGS, 0, 0, &settings(&[(name, value)]));
    let window = |stream: u32, by: [u8; 4]| frame(WINDOW_UPDATE, 0, stream, &by);
    let overflowing = [window(1, [0x7f, 0xff, 0, 0]), set(4, 0x7fff_ffff)].concat();
    let too_large = GoAway(FLOW_CONTROL_ERROR);
    let cases: Vec<Case> = vec![
        ("6.5", "SETTINGS of a stream", frame(SETTINGS, 0, 1, &[]), GIVEN_UP),
        ("6.5", "SETTINGS of another length", frame(SETTINGS, 0, 0, &[0; 7]), GIVEN_UP),
        ("6.5", "acknowledgement with a payload", frame(SETTINGS, ACK, 0, &[0; 6]), GIVEN_UP),
        ("6.5.2", "ENABLE_PUSH of 2", set(2, 2), GIVEN_UP),
        ("6.5.2", "INITIAL_WINDOW_SIZE too large", set(4, 1 << 31), GIVEN_UP),
        ("6.5.2", "MAX_FRAME_SIZE too small", set(5, 16_383), GIVEN_UP),
        ("6.5.2", "MAX_FRAME_SIZE too large", set(5, 1 << 24), GIVEN_UP),
        ("6.5.2", "an unknown setting is ignored", served.before(set(0xff, 1)), Status(200)),
        ("6.7", "PING of a stream", frame(PING, 0, 1, &[0; 8]), GIVEN_UP),
        ("6.7", "PING of another length", frame(PING, 0, 0, &[0; 7]), GIVEN_UP),
        ("6.8", "GOAWAY of a stream", frame(GOAWAY, 0, 1, &[0; 8]), GIVEN_UP),
        ("6.9", "WINDOW_UPDATE by nothing", window(0, [0; 4]), GIVEN_UP),
        ("6.9", "a stream's WINDOW_UPDATE by nothing", served.open(window(1, [0; 4])), GIVEN_UP),
        ("6.9", "WINDOW_UPDATE of another length", frame(WINDOW_UPDATE, 0, 0, &[0; 3]), GIVEN_UP),
        ("6.9.1", "the connection's window too large", window(0, WINDOW_MAX), too_large),
        (
            "6.9.1",
            "a stream's window too large",
            served.open(window(1, WINDOW_MAX)),
            Reset(FLOW_CONTROL_ERROR),
        ),
        ("6.9.2", "a window too large by a setting", served.open(overflowing), too_large),
    ];
    check(&served.gate, cases);
    served.counts("connection", "FLOW_CONTROL_ERROR", 2.0);
    served.counts("stream", "FLOW_CONTROL_ERROR", 1.0);
    served.counts("connection", "PROTOCOL_ERROR", 13.0);
}

#[test]
fn settings_and_pings_are_acknowledged() {
    let served = Served::new();
    let mut client = super::frames::Client::open(&served.gate.address, &[]);
    client.send(PING, 0, 0, b"12345678");
    let mut acknowledged = false;
    loop {
        let frame = client.frame().unwrap();
        acknowledged |= frame.has(SETTINGS, ACK);
        if frame.has(PING, ACK) {
            assert_eq!(frame.payload, b"12345678");
            break;
        }
    }
    assert!(acknowledged, "RFC 9113, section 6.5.3");
}
