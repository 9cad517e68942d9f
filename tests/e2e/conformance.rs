//! The official conformance suite gives through the proxy what it gives without: check for check, call for call.

use std::process::Command;

use crate::harness::{repository, tools};

/// Runs the suite both ways, and shows what differs.
fn no_difference(side: &str, revision: &str) {
    let output = Command::new(tools().join("py2/bin/python"))
        .arg(repository().join("tests/conformance/run.py"))
        .args([side, "--requirements", revision, "--oakgate", env!("CARGO_BIN_EXE_oakgate")])
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn servers_of_the_handshake_era() {
    no_difference("server", "2025-11-25");
}

#[test]
fn servers_of_the_stateless_era() {
    no_difference("server", "2026-07-28");
}

#[test]
fn clients_of_the_handshake_era() {
    no_difference("client", "2025-11-25");
}

#[test]
fn clients_of_the_stateless_era() {
    no_difference("client", "2026-07-28");
}
