//! Bodies without end, and JSON that is hard to read.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use serde_json::json;

use super::{assert_answered, fields, on_both, send};
use crate::harness::{Api, Database, Operation, PATIENCE};

/// A body that nobody may send.
const BODY_BYTES: usize = 100 * 1024 * 1024;

/// Of it the most that may leave the client before the answer: what the sockets of both sides hold, and some more.
const SENT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The same, beside the largest policy.
const SENT_BYTES_MAX_OF_POLICY: usize = 64 * 1024 * 1024;

/// What the process may grow by meanwhile.
const GROWTH_KIB_MAX: u64 = 32 * 1024;

/// The same where bodies are as large as the largest policy: one organisation sends four of them at once, no more.
const GROWTH_KIB_MAX_OF_POLICIES: u64 = 192 * 1024;

/// Such bodies at once.
const AT_ONCE: usize = 50;

/// How the body is framed.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Length,
    Chunked,
}

#[test]
fn a_body_without_end_is_refused_early_and_leaves_memory_as_it_was() {
    flood_all(|operation| !operation.path.starts_with("/v1/policy"), SENT_BYTES_MAX, GROWTH_KIB_MAX);
}

#[test]
fn policies_without_end_are_refused_and_take_bounded_memory() {
    let is_policy = |operation: &Operation| operation.path.starts_with("/v1/policy");
    flood_all(is_policy, SENT_BYTES_MAX_OF_POLICY, GROWTH_KIB_MAX_OF_POLICIES);
}

/// Floods every operation by itself, then those with a body many times at once.
fn flood_all(chosen: impl Fn(&Operation) -> bool, sent_bytes_max: usize, growth_kib_max: u64) {
    let control_plane = Api::start(Database::sqlite(), &[]);
    let operations: Vec<_> = control_plane.operations().into_iter().filter(chosen).collect();
    let with_body: Vec<_> = operations.iter().filter(|operation| operation.has_body()).collect();
    assert!(!with_body.is_empty());
    let before = control_plane.resident_kib_max();
    for operation in &operations {
        for framing in [Framing::Length, Framing::Chunked] {
            let (status, sent) = flood(&control_plane, operation, framing);
            let what = format!("{} {}, {framing:?}", operation.method, operation.path);
            assert!(sent < sent_bytes_max, "{what}: took {sent} bytes");
            // Where no body is wanted, it may not even be looked at.
            assert!(status == 413 || !operation.has_body() && status < 500, "{what}: {status}");
        }
    }
    thread::scope(|scope| {
        for place in 0..AT_ONCE {
            let operation = with_body[place % with_body.len()];
            let framing = if place % 2 == 0 { Framing::Length } else { Framing::Chunked };
            let control_plane = &control_plane;
            scope.spawn(move || {
                let (status, _) = flood(control_plane, operation, framing);
                // Policies that would be too many at once are told to come again.
                let is_turned_away = status == 503 && operation.path.starts_with("/v1/policy");
                assert!(status == 413 || is_turned_away, "{}: {status}", operation.path);
            });
        }
    });
    let grown = control_plane.resident_kib_max() - before;
    assert!(grown < growth_kib_max, "it grew by {grown} KiB");
    control_plane.assert_well();
}

/// Sends 100 MB, or as much of it as goes; what was answered, and how much went.
fn flood(control_plane: &Api, operation: &Operation, framing: Framing) -> (u16, usize) {
    let mut stream = TcpStream::connect(&control_plane.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let length = match framing {
        Framing::Length => format!("content-length: {BODY_BYTES}"),
        Framing::Chunked => "transfer-encoding: chunked".to_owned(),
    };
    let head = format!(
        "{} {} HTTP/1.1\r\nhost: localhost\r\nauthorization: {}\r\ncontent-type: application/json\r\nif-match: *\r\n{length}\r\n\r\n",
        operation.method,
        operation.path_with("a"),
        control_plane.credential(operation),
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut reader = stream.try_clone().unwrap();
    let answer = thread::spawn(move || {
        let mut bytes = Vec::new();
        let _reset_is_an_end_too = reader.read_to_end(&mut bytes);
        bytes
    });
    let piece = [b' '; 64 * 1024];
    let mut sent = 0;
    while sent < BODY_BYTES {
        let written = match framing {
            Framing::Length => stream.write_all(&piece),
            Framing::Chunked => write!(stream, "{:x}\r\n", piece.len())
                .and_then(|()| stream.write_all(&piece))
                .and_then(|()| stream.write_all(b"\r\n")),
        };
        if written.is_err() {
            break;
        }
        sent += piece.len();
    }
    let _it_may_be_closed = stream.shutdown(Shutdown::Write);
    let answer = String::from_utf8(answer.join().unwrap()).unwrap();
    let status = answer.split(' ').nth(1).unwrap_or_else(|| panic!("{}: no answer", operation.path));
    (status.parse().unwrap(), sent)
}

/// Bodies that some reader takes and another does not, or that take more to read than to write.
fn hard_bodies() -> Vec<(&'static str, Vec<u8>)> {
    let deep = |open: &str, count: usize| open.repeat(count).into_bytes();
    let many = (0..5000).map(|place| format!("\"field{place}\":1")).collect::<Vec<_>>().join(",");
    let digits = "9".repeat(20_000);
    vec![
        ("30,000 arrays", deep("[", 30_000)),
        ("100,000 arrays", deep("[", 100_000)),
        ("100,000 arrays, closed", format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes()),
        ("10,000 objects", deep("{\"a\":", 10_000)),
        ("many fields", format!("{{{many}}}").into_bytes()),
        ("a long number", digits.into_bytes()),
        ("a number beyond all", b"1e999999".to_vec()),
        ("not a number", b"NaN".to_vec()),
        ("two values", b"{} {}".to_vec()),
        ("a comma too many", b"{\"a\":1,}".to_vec()),
        ("a comment", b"/* */ {}".to_vec()),
        ("a mark before it", b"\xef\xbb\xbf{}".to_vec()),
        ("UTF-16", b"\xff\xfe{\0}\0".to_vec()),
        ("no UTF-8", b"{\"a\":\"\xc3\x28\"}".to_vec()),
        ("half a pair", b"{\"a\":\"\\ud800\"}".to_vec()),
        ("nothing", Vec::new()),
        ("null", b"null".to_vec()),
        ("an array", b"[]".to_vec()),
        ("a text", b"\"text\"".to_vec()),
        ("NUL", vec![0; 100]),
    ]
}

#[test]
fn json_that_is_hard_to_read_is_refused_by_name() {
    on_both(|control_plane| {
        for operation in control_plane.operations().iter().filter(|operation| operation.has_body()) {
            let path = operation.path_with("a");
            for (name, body) in hard_bodies() {
                let answer = send(control_plane, operation, &path, &body);
                let what = format!("{} {path}, {name}", operation.method);
                assert_answered(&answer, &what);
                let codes = ["body_not_json", "body_unexpected", "body_too_large", "policy_refused"];
                let is_refused = codes.contains(&answer.json()["code"].as_str().unwrap_or_default());
                assert!(is_refused || answer.status == 404, "{what}: {} {}", answer.status, answer.text());
            }
        }
    });
}

#[test]
fn a_member_that_comes_twice_and_one_that_nobody_knows_are_refused() {
    let control_plane = Api::start(Database::sqlite(), &[]);
    let mut twice = 0;
    for operation in control_plane.operations().iter().filter(|operation| operation.has_body()) {
        let body = control_plane.description.body(operation).unwrap();
        let path = operation.path_with("a");
        let mut strange = body.clone();
        let Some(members) = strange.as_object_mut() else { continue };
        members.insert("no_such_member".to_owned(), json!(1));
        let answer = send(&control_plane, operation, &path, strange.to_string().as_bytes());
        assert!((400..500).contains(&answer.status), "{path}: {} {}", answer.status, answer.text());
        let Some((name, value)) = body.as_object().unwrap().iter().next() else { continue };
        let text = body.to_string();
        let doubled = format!("{{{}:{value},{}", json!(name), text.trim_start_matches('{'));
        let answer = send(&control_plane, operation, &path, doubled.as_bytes());
        assert!((400..500).contains(&answer.status), "{path}: {} {}", answer.status, answer.text());
        twice += 1;
    }
    assert!(twice > 0);
    control_plane.assert_well();
}

/// Numbers at every place of a number, as text, since no value holds them.
const NUMBERS: [&str; 9] = [
    "-1",
    "1.5",
    "1e400",
    "-0",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "1e308",
    "0.00000000000000000000000000000000000000000001",
];

#[test]
fn numbers_of_any_size_are_taken_or_refused_by_name() {
    on_both(|control_plane| {
        for operation in control_plane.operations().iter().filter(|operation| operation.has_body()) {
            for place in control_plane.description.number_places(operation) {
                for number in NUMBERS {
                    let body = control_plane.description.body_with(operation, &place, &json!("NUMBER"));
                    let body = body.to_string().replace("\"NUMBER\"", number);
                    let answer = send(control_plane, operation, &operation.path_with("a"), body.as_bytes());
                    assert_answered(&answer, &format!("{} {place:?} {number}", operation.path));
                }
            }
        }
    });
}

#[test]
fn a_form_or_no_type_at_all_is_not_read_as_json() {
    let control_plane = Api::start(Database::sqlite(), &[]);
    for operation in control_plane.operations().iter().filter(|operation| operation.has_body()) {
        let body = control_plane.description.body(operation).unwrap().to_string();
        let credential = control_plane.credential(operation);
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
            let mut all = fields(&credential, &[]);
            all.retain(|(name, _)| *name != "content-type");
            all.extend((!kind.is_empty()).then_some(("content-type", kind)));
            let path = operation.path_with("a");
            let answer = control_plane.request(&operation.method, &path, &all, body.as_bytes());
            assert_eq!(answer.status, 415, "{path} as {kind:?}: {}", answer.text());
        }
    }
}
