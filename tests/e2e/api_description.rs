//! The control plane's API against its own description: whatever schemathesis makes of it is answered as described.

use std::process::Command;

use crate::harness::{Api, Database, repository, tools};

/// Runs one of the tools that test an API by its description.
fn tool(name: &str) -> Command {
    Command::new(tools().join("api/bin").join(name))
}

/// Runs it to its end, which must be a good one.
fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{text}");
}

#[test]
fn the_description_is_an_openapi_document() {
    let control_plane = Api::start(Database::sqlite(), &[]);
    let document = control_plane.request("GET", "/openapi.json", &[], b"").text();
    assert!(document.contains("\"openapi\":\"3.1"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, document).unwrap();
    succeed(tool("openapi-spec-validator").args(["--schema", "3.1"]).arg(&file));
    let operations = control_plane.operations();
    for operation in &operations {
        let same = operations.iter().filter(|other| other.id == operation.id).count();
        assert_eq!(same, 1, "{} has the id of another: {}", operation.path, operation.id);
    }
}

#[test]
fn with_a_management_key_everything_is_answered_as_described() {
    answers_as_described("management");
}

#[test]
fn with_a_standard_key_everything_is_answered_as_described() {
    answers_as_described("standard");
}

#[test]
fn with_an_agents_key_everything_is_answered_as_described() {
    answers_as_described("agent");
}

#[test]
fn with_a_session_everything_is_answered_as_described() {
    answers_as_described("session");
}

/// Thousands of good and bad requests with one credential, the same ones each time.
fn answers_as_described(credential: &str) {
    let control_plane = Api::start(Database::sqlite(), &[]);
    let folder = tempfile::tempdir().unwrap();
    let own = repository().join("tests/schemathesis");
    let key = &control_plane.credentials()[credential];
    let mut command = tool("schemathesis");
    command.current_dir(folder.path()).env("SCHEMATHESIS_HOOKS", own.join("hooks.py"));
    command.arg("--config-file").arg(own.join("schemathesis.toml")).arg("run");
    command.arg(format!("http://{}/openapi.json", control_plane.address));
    command.args(["--no-color", "--header", &format!("Authorization: Bearer {key}")]);
    succeed(&mut command);
    control_plane.assert_well();
}
