//! Replays the fuzzers' seeds under `fuzz/corpus`. A seed `good-…` is accepted, a seed `bad-…` is refused, and the
//! invariants of its target hold on every one.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failed invariant is a failed test"
)]

mod http1_framing;
mod jsonrpc;
mod openapi;
mod rest_path;
mod sse;

use std::fs;
use std::path::Path;

/// At least so many seeds of each kind, so that an empty folder is noticed.
const SEEDS_MIN: usize = 5;

fn replay(target: &str, holds: fn(&[u8]) -> bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let (mut good, mut bad) = (0, 0);
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let accepted = holds(&fs::read(&path).unwrap());
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with("good-") {
            assert!(accepted, "{target}: `{name}` is refused");
            good += 1;
        } else if name.starts_with("bad-") {
            assert!(!accepted, "{target}: `{name}` is accepted");
            bad += 1;
        }
    }
    assert!(good >= SEEDS_MIN && bad >= SEEDS_MIN, "{target}: {good} good and {bad} bad seeds");
}

#[test]
fn http1_framing_seeds_hold() {
    replay("http1_framing", http1_framing::holds);
}

#[test]
fn jsonrpc_seeds_hold() {
    replay("jsonrpc", jsonrpc::holds);
}

#[test]
fn openapi_seeds_hold() {
    replay("openapi", openapi::holds);
}

#[test]
fn rest_path_seeds_hold() {
    replay("rest_path", rest_path::holds);
}

#[test]
fn sse_seeds_hold() {
    replay("sse", sse::holds);
}
