//! Clients that are slow, silent or many.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use super::fields;
use crate::harness::{Api, Connection, Database};

/// Addresses of clients, and connections of each: together more than the API takes at once.
const ADDRESSES: u8 = 5;
const CONNECTIONS: usize = 120;

/// Until a slow client is cut: the API's limits are 15 s for a head and for a body, 20 s for a request.
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
    assert_eq!(answer.json()["code"], "body_timeout", "{}", answer.text());
    control_plane.assert_well();
}

#[test]
fn silent_connections_keep_nobody_out_for_long() {
    let control_plane = Api::start(Database::sqlite(), &[]);
    let before = control_plane.resident_kib_max();
    let silent: Vec<_> = (2..2 + ADDRESSES)
        .flat_map(|address| (0..CONNECTIONS).map(move |_| Ipv4Addr::new(127, 0, 0, address)))
        .map(|source| Connection::open_from(source, &control_plane.address))
        .collect();
    let since = Instant::now();
    while !is_answered(&control_plane.address) {
        assert!(since.elapsed() < CUT_WITHIN);
        std::thread::sleep(Duration::from_millis(100));
    }
    let grown = control_plane.resident_kib_max() - before;
    assert!(grown < 16 * 1024, "it grew by {grown} KiB");
    drop(silent);
    control_plane.assert_well();
}

/// Whether there is a place for one more connection.
fn is_answered(address: &str) -> bool {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut answer = String::new();
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let read = stream.write_all(request).and_then(|()| stream.read_to_string(&mut answer));
    read.is_ok() && answer.starts_with("HTTP/1.1 200 ")
}

#[test]
fn hundreds_at_once_are_all_answered() {
    let control_plane = Api::start(Database::sqlite(), &[]);
    std::thread::scope(|scope| {
        for source in (2..6).map(|address| Ipv4Addr::new(127, 0, 0, address)) {
            for _ in 0..CONNECTIONS {
                let address = &control_plane.address;
                scope.spawn(move || {
                    let mut connection = Connection::open_from(source, address);
                    connection.send("GET", "/readyz", &[("connection", "close")], b"");
                    assert_eq!(connection.answer().status, 200);
                });
            }
        }
    });
    control_plane.assert_well();
}
