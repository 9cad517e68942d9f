//! Every operation that the control plane describes has a command, and the command asks for that operation.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::command_line::folder;
use crate::harness::{ControlPlane, Relay, request};

/// Operations that are for other programs.
const WITHOUT_COMMAND: [(&str, &str); 3] = [
    ("GET /healthz", "asked by what keeps the process running"),
    ("GET /metrics", "read by Prometheus"),
    ("GET /readyz", "asked by load balancers"),
];

#[test]
fn every_operation_has_a_command() {
    let plane = ControlPlane::start();
    let address = plane.url.trim_start_matches("http://");
    let described = operations(&request(address, "GET", "/openapi.json", &[], b"").json());
    let relay = Relay::before(address);
    let table = std::fs::read_to_string(folder().join("operations.txt")).unwrap();
    let mut commanded: BTreeSet<String> =
        WITHOUT_COMMAND.iter().map(|(operation, _)| (*operation).to_owned()).collect();
    for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (operation, command) = line.split_once(": ").unwrap();
        let (command, expected) = command.split_once("  # ").unwrap_or((command, "0"));
        let (status, output, errors) = plane.shell(&format!("http://{}", relay.address), command);
        assert_eq!(status.to_string(), expected, "{command}: {output}{errors}");
        let asked = relay.requests();
        if let Some((method, path)) = operation.split_once(' ') {
            let is_asked = asked.iter().any(|(by, target)| by == method && is_of(target, path));
            assert!(is_asked, "`{command}` asked for {asked:?}, and not for {operation}");
            assert!(commanded.insert(operation.to_owned()), "{operation} comes twice");
        }
    }
    let lacking: Vec<_> = described.difference(&commanded).collect();
    assert!(lacking.is_empty(), "without a command, or a line in operations.txt: {lacking:#?}");
    let gone: Vec<_> = commanded.difference(&described).collect();
    assert!(gone.is_empty(), "no operations: {gone:#?}");
}

/// Every operation as `GET /v1/rules/{id}`.
fn operations(description: &Value) -> BTreeSet<String> {
    let paths = description["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys();
        methods.map(move |method| format!("{} {path}", method.to_ascii_uppercase()))
    });
    operations.collect()
}

/// Whether a request's target is of the path of an operation.
fn is_of(target: &str, path: &str) -> bool {
    let (mut segments, mut expected) = (target.split('?').next().unwrap().split('/'), path.split('/'));
    loop {
        match (segments.next(), expected.next()) {
            (None, None) => return true,
            (Some(segment), Some(expected)) if segment == expected || expected.starts_with('{') => {}
            _ => return false,
        }
    }
}
