//! The bypass kit (`tests/bypass`): nothing of it gets through, and each of its cases could.

use std::net::TcpListener;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Gate, GateOptions, KEY, repository, tools};

/// Everything is allowed but what the kit expects to be forbidden, also under names that nobody has listed.
const POLICY: &str = "\
format: 1
org: kit
unlisted_tools: trust
tools:
  - {name: drop_table}
  - {name: pay}
  - {name: tables.delete}
rules:
  - {id: everything-else, permission: allowed}
  - {id: drop, tool: drop_table, permission: disabled}
  - {id: treasury, tool: pay, resource: treasury, permission: disabled}
  - {id: delete, tool: tables.delete, permission: disabled}
";

/// Where the kit's backend listens.
const HOST: &str = "127.0.0.2";

/// Runs the kit to its end; whether its exit status was 0, and its output.
fn kit(arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(tools().join("py2/bin/python"));
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(repository().join("tests/bypass/run")).args(arguments);
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.success(), text.concat())
}

#[test]
fn nothing_of_the_kit_gets_through() {
    // The backend is the kit's, so its port is chosen before either starts. Nothing else listens at that address.
    let port = TcpListener::bind((HOST, 0)).unwrap().local_addr().unwrap().port().to_string();
    let backends = format!(
        "- {{name: kit, kind: mcp, path: /mcp, url: 'http://{HOST}:{port}/mcp', resource: {{argument: /ledger}}}}\n\
         - {{name: kit-rest, kind: rest, path: /rest, url: 'http://{HOST}:{port}/rest', \
         routes: [{{match: 'DELETE /tables/{{name}}', tool: tables.delete}}]}}"
    );
    let gate = Gate::start(&GateOptions { backends, policy: POLICY, ..GateOptions::default() });
    let (mcp, rest, key) = (gate.url("/mcp"), gate.url("/rest"), format!("X-API-Key: {KEY}"));
    let to = ["--gateway", &mcp, "--rest", &rest, "--header", &key];
    let backend = ["--backend-address", HOST, "--backend-port", &port];
    let (passed, output) = kit(&[&to[..], &backend, &["--json", "--verbose"]].concat());
    let lines: Vec<Value> = output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    // Status and bytes of what is not as it should be.
    let good = [r#""status": "stopped""#, r#""status": "worked""#];
    let bad: Vec<&str> =
        output.lines().filter(|line| !good.iter().any(|status| line.contains(status))).collect();
    assert!(passed, "{}", bad.join("\n"));
    let summary = lines.last().unwrap();
    let [stopped, worked, cases] = ["stopped", "worked", "cases"].map(|key| summary[key].as_u64().unwrap());
    assert!(worked > 0 && stopped + worked == cases, "{summary}");
}

#[test]
fn each_case_of_the_kit_can_fail() {
    let (passed, output) = kit(&["--self-test"]);
    assert!(passed, "{output}");
}
