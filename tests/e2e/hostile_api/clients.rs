//! Clients that are slow, silent or many.

use std::io::Write;
use std::time::{Duration, Instant};

use super::fields;
use crate::harness::{Api, Connection, Database};

/// More than the API takes at once.
const CONNECTIONS: usize = 300;

/// Until a slow client is cut: the API's limits are 15 s for a head, 20 s for a request.
const CUT_WITHIN: Duration = Duration::from_secs(60);

#[test]
fn a_body_that_comes_a_byte_a_second_is_cut() {
    let control_plane = Api::start(Database::sqlite(), &[]);
    let operations = control_plane.operations();
    let operation = operations.iter().find(|operation| operation.has_body()).unwrap();
    let mut connection = Connection::open(&control_plane.address);
    let credential = control_plane.credential(operation);
    let length = fields(&credential, &[("content-length", "1000")]);
    connection.send(&operation.method, &operation.path_with("a"), &length, b"");
    let since = Instant::now();
    let answer = std::thread::scope(|scope| {
        let mut writer = connection.writer();
        scope.spawn(move || {
            while since.elapsed() < CUT_WITHIN && writer.write_all(b" ").is_ok() {
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        let answer = connection.answer();
        assert!(connection.closes_within(CUT_WITHIN), "it was left open");
        answer
    });
    assert!(since.elapsed() < CUT_WITHIN);
    assert_eq!(answer.json()["code"], "timed_out", "{}", answer.text());
    control_plane.assert_well();
}

#[test]
fn three_hundred_silent_connections_keep_nobody_out_for_long() {
    let control_plane = Api::start(Database::sqlite(), &[]);
    let before = control_plane.resident_kib_max();
    let silent: Vec<_> = (0..CONNECTIONS).map(|_| Connection::open(&control_plane.address)).collect();
    let since = Instant::now();
    let mut connection = Connection::open(&control_plane.address);
    connection.send("GET", "/healthz", &[], b"");
    assert_eq!(connection.answer().status, 200);
    assert!(since.elapsed() < CUT_WITHIN);
    let grown = control_plane.resident_kib_max() - before;
    assert!(grown < 16 * 1024, "it grew by {grown} KiB");
    drop(silent);
    control_plane.assert_well();
}

#[test]
fn three_hundred_at_once_are_all_answered() {
    let control_plane = Api::start(Database::sqlite(), &[]);
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut connection = Connection::open(&control_plane.address);
                connection.send("GET", "/readyz", &[("connection", "close")], b"");
                assert_eq!(connection.answer().status, 200);
            });
        }
    });
    control_plane.assert_well();
}
