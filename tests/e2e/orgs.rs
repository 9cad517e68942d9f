//! Organisations, their first keys and their people: made on the host with the real binary, used over the API.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Answer, Program, oakgate, oakgate_command, request, wait_for};

/// A control plane on an empty store, with its settings.
struct Running {
    program: Program,
    address: String,
    config: String,
    folder: tempfile::TempDir,
}

impl Running {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("oakgate.yaml");
        let settings = "control_plane:\n  address: 127.0.0.1:0\n  store: sqlite://oakgate.db\n";
        std::fs::write(&config, settings).unwrap();
        let config = config.to_str().unwrap().to_owned();
        let program = Program::start(oakgate_command().args(["control-plane", "--config", &config]));
        let address = wait_for("the address", || {
            let lines = program.errors();
            let mut lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.find_map(|line| line["address"].as_str().map(str::to_owned))
        });
        Self { program, address, config, folder }
    }

    /// What a command prints, if it does what it is told.
    fn host(&self, arguments: &[&str]) -> String {
        let (status, output, errors) = self.try_host(arguments);
        assert_eq!(status, 0, "{arguments:?}: {errors}");
        output
    }

    fn try_host(&self, arguments: &[&str]) -> (i32, String, String) {
        oakgate(&[arguments, &["--config", &self.config]].concat(), "")
    }

    fn get(&self, path: &str, credential: &str) -> Answer {
        request(&self.address, "GET", path, &[("Authorization", &format!("Bearer {credential}"))], b"")
    }

    /// Sends JSON, and expects that status.
    fn send(&self, method: &str, path: &str, key: &str, body: &Value, status: u16) -> Value {
        let bearer = format!("Bearer {key}");
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        let answer = request(&self.address, method, path, &headers, body.to_string().as_bytes());
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        answer.json()
    }
}

#[test]
fn the_host_makes_organisations_and_the_api_the_rest() {
    let running = Running::start();
    wait_for("what to type next", || {
        let wanted = format!("oakgate orgs add NAME --config {}", running.config);
        running.program.errors().iter().any(|line| line.contains(&wanted)).then_some(())
    });
    let admin = running.host(&["orgs", "add", "acme"]);
    let (admin, north) = (admin.trim_end(), running.host(&["orgs", "add", "north", "--id", "boss"]));
    assert_eq!(running.host(&["orgs", "list"]), "acme\nnorth\n");
    let listed: Value =
        serde_json::from_str(running.host(&["orgs", "list", "--json"]).lines().next().unwrap()).unwrap();
    assert_eq!((&listed["name"], &listed["revision"]), (&json!("acme"), &json!(0)));

    let made =
        running.send("POST", "/v1/agents", admin, &json!({"id": "agent-7", "description": "files"}), 201);
    assert!(made["key"].as_str().unwrap().starts_with("oak_agent_"));
    assert_eq!(running.get("/v1/agents/agent-7", admin).json()["description"], "files");
    assert_eq!(running.get("/v1/agents/agent-7", north.trim_end()).status, 404);

    // A lost key is replaced, and ends at once in the program that runs.
    let second = running.host(&["orgs", "key", "acme"]);
    assert_eq!(running.get("/v1/keys", admin).status, 401);
    let keys = running.get("/v1/keys", second.trim_end()).json();
    assert_eq!(keys["items"][0]["id"], "admin");
    assert_eq!(keys["items"][0]["secrets"].as_array().unwrap().len(), 1);
    for path in std::fs::read_dir(running.folder.path()).unwrap().map(|entry| entry.unwrap().path()) {
        let bytes = std::fs::read(&path).unwrap();
        let secret = second.trim_end().strip_prefix("oak_mgmt_").unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{}", path.display());
    }
}

#[test]
fn people_are_added_renewed_and_ended_on_the_host() {
    let running = Running::start();
    running.host(&["orgs", "add", "acme"]);
    let add = ["people", "add", "acme", "ada", "--level1", "--level2", "--name", "Ada Lovelace"];
    let first = running.host(&add);
    assert_eq!(running.get("/v1/approvals", first.trim_end()).status, 200);
    // A person may look at keys, and make none.
    assert_eq!(running.get("/v1/keys", first.trim_end()).status, 200);
    running.send("POST", "/v1/keys", first.trim_end(), &json!({"id": "k", "tier": "standard"}), 403);
    assert_eq!(running.host(&["people", "list", "acme"]), "ada  Ada Lovelace  level 1 and 2\n");

    let second = running.host(&["people", "renew", "acme", "ada", "--session-days", "1"]);
    assert_eq!(running.get("/v1/approvals", first.trim_end()).status, 401);
    assert_eq!(running.get("/v1/approvals", second.trim_end()).status, 200);
    running.host(&["people", "end", "acme", "ada"]);
    assert_eq!(running.get("/v1/approvals", second.trim_end()).status, 401);
}

#[test]
fn mistakes_are_named_and_change_nothing() {
    let running = Running::start();
    running.host(&["orgs", "add", "acme"]);
    running.host(&["people", "add", "acme", "ada", "--level1"]);
    for (arguments, words) in [
        (vec!["orgs", "add", "acme"], "`acme`: there is an organisation of that name already"),
        (vec!["orgs", "add", ""], "name must have 1 to 256 bytes"),
        (vec!["orgs", "add", "x", "--id", "spiffe://x"], "must not begin with `jwt:` or `spiffe:`"),
        (vec!["orgs", "key", "amce"], "`amce`: there is no organisation of that name"),
        (vec!["people", "add", "amce", "eve"], "`amce`: there is no organisation of that name"),
        (vec!["people", "list", "amce"], "`amce`: there is no organisation of that name"),
        (vec!["people", "add", "acme", "ada"], "`ada`: there is a person of that id already"),
        (vec!["people", "renew", "acme", "eve"], "`eve`: there is no person of that id"),
        (vec!["people", "end", "acme", "eve"], "`eve`: there is no person of that id"),
        (vec!["people", "renew", "acme", "ada", "--session-days", "91"], "91 is not in 1..=90"),
    ] {
        let (status, output, errors) = running.try_host(&arguments);
        assert_eq!((status, output.as_str()), (2, ""), "{arguments:?}: {errors}");
        assert!(errors.contains(words), "{arguments:?}: {errors}");
    }
    assert_eq!(running.host(&["orgs", "list"]), "acme\n");
    let missing = Path::new(&running.config).with_file_name("missing.yaml");
    let (status, _, errors) = oakgate(&["orgs", "list", "--config", missing.to_str().unwrap()], "");
    assert_eq!(status, 64, "{errors}");
}
