//! The control plane's API against its own description: whatever schemathesis makes of it is answered as described.

use std::process::Command;

use serde_json::{Value, json};

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

/// Something of everything, under the name that schemathesis tries first: `0`.
fn fill(control_plane: &Api) {
    let management = format!("Bearer {}", control_plane.credentials()["management"]);
    let put = |method: &str, path: &str, body: Value| {
        let fields = [("authorization", management.as_str()), ("content-type", "application/json")];
        let first = [("if-match", "\"0\"")];
        let all = [&fields[..], if path == "/v1/policy" { &first } else { &[] }].concat();
        let answer = control_plane.request(method, path, &all, body.to_string().as_bytes());
        assert!(matches!(answer.status, 200 | 201), "{path}: {}", answer.text());
    };
    let policy = json!({
        "format": 1, "org": "acme",
        "categories": [{"name": "0"}],
        "tools": [{"name": "0", "category": "0", "input_schema": {"type": "object"}}],
        "rules": [{"id": "0", "tool": "0", "permission": "allowed"}],
    });
    put("PUT", "/v1/policy", policy);
    for kind in ["tenants", "resources", "methods"] {
        put("PUT", &format!("/v1/{kind}/0"), json!({}));
    }
    put("POST", "/v1/keys", json!({"id": "0", "tier": "standard"}));
    put("POST", "/v1/proxies", json!({"id": "1"}));
}

/// Thousands of good and bad requests with one credential, the same ones each time.
fn answers_as_described(credential: &str) {
    let control_plane = Api::start(Database::sqlite(), &[]);
    fill(&control_plane);
    let folder = tempfile::tempdir().unwrap();
    let own = repository().join("tests/schemathesis");
    let key = &control_plane.credentials()[credential];
    let mut command = tool("schemathesis");
    command.current_dir(folder.path()).env("SCHEMATHESIS_HOOKS", own.join("hooks.py"));
    command.arg("--config-file").arg(own.join("schemathesis.toml")).arg("run");
    command.arg(format!("http://{}/openapi.json", control_plane.address));
    command.args(["--no-color", "--checks", "all", "--header", &format!("Authorization: Bearer {key}")]);
    succeed(&mut command);
    control_plane.assert_well();
}
