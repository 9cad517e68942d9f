//! Control planes that proxies can follow: one store, one policy key and one organisation, for any number of them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::api::Database;
use super::program::{Program, oakgate, oakgate_command};
use super::{Answer, request, wait_for};

/// The organisation.
const ORG: &str = "acme";

/// Everything that control planes of one organisation share.
pub(crate) struct Site {
    folder: TempDir,
    config: String,
    /// The public half of the policy key.
    pub(crate) policy_key: String,
    _database: Database,
}

/// One of its control planes, running.
pub(crate) struct Control {
    pub(crate) program: Program,
    /// `127.0.0.1:port` of its API and of its links.
    pub(crate) address: String,
    folder: PathBuf,
}

impl Site {
    pub(crate) fn new(database: Database) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("receipts.jwks"), done(&["keys", "receipts"])).unwrap();
        let policy_key = done(&["keys", "policy", text(&path("policy-key"))]);
        let settings = json!({"control_plane": {
            "address": "127.0.0.1:0",
            "store": database.url(),
            "receipts": {"keys_file": "receipts.jwks"},
            "policy_key_file": "policy-key",
        }});
        std::fs::write(path("settings.json"), settings.to_string()).unwrap();
        let config = text(&path("settings.json")).to_owned();
        std::fs::write(path("key"), done(&["orgs", "add", ORG, "--config", &config])).unwrap();
        let session = done(&["people", "add", ORG, "ada", "--level1", "--level2", "--config", &config]);
        std::fs::write(path("session"), session).unwrap();
        Self { folder, config, policy_key: policy_key.trim().to_owned(), _database: database }
    }

    /// Starts a control plane, and waits until it serves.
    pub(crate) fn start(&self) -> Control {
        let mut program = Program::start(oakgate_command().args(["control-plane", "--config", &self.config]));
        let address = wait_for("the control plane", || {
            program.assert_running("it listens");
            program.errors().iter().find_map(|line| {
                let entry: Value = serde_json::from_str(line).ok()?;
                Some(entry["address"].as_str()?.to_owned())
            })
        });
        Control { program, address, folder: self.folder.path().to_owned() }
    }
}

impl Control {
    /// Ends it as the kernel does when it wants to.
    pub(crate) fn kill(&mut self) {
        self.program.child.kill().unwrap();
        self.program.child.wait().unwrap();
    }

    /// A request with the management key.
    pub(crate) fn request(&self, method: &str, path: &str, fields: &[(&str, &str)], body: &Value) -> Answer {
        let authorization = format!("Bearer {}", self.read("key"));
        let mut all = vec![("authorization", authorization.as_str())];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        if !body.is_empty() {
            all.push(("content-type", "application/json"));
        }
        all.extend_from_slice(fields);
        request(&self.address, method, path, &all, body.as_bytes())
    }

    /// The answer to one that must be done.
    pub(crate) fn change(&self, method: &str, path: &str, body: &Value) -> Answer {
        let answer = self.request(method, path, &[], body);
        assert!(matches!(answer.status, 200 | 201), "{method} {path}: {}", answer.text());
        answer
    }

    /// Runs a command of the program with the management key; its standard output.
    pub(crate) fn command(&self, arguments: &[&str]) -> String {
        let (url, key) = (format!("http://{}", self.address), self.folder.join("key"));
        done(&[arguments, &["--url", &url, "--key-file", text(&key)]].concat())
    }

    /// Runs a command as a person; its standard output.
    pub(crate) fn command_of_person(&self, arguments: &[&str]) -> String {
        let (url, session) = (format!("http://{}", self.address), self.folder.join("session"));
        done(&[arguments, &["--url", &url, "--session-file", text(&session)]].concat())
    }

    /// Makes an agent; its key.
    pub(crate) fn agent(&self, id: &str) -> String {
        secret(&self.change("POST", "/v1/agents", &json!({"id": id})))
    }

    /// Makes a proxy; its relay token.
    pub(crate) fn proxy(&self, id: &str) -> String {
        secret(&self.change("POST", "/v1/proxies", &json!({"id": id})))
    }

    /// What it knows of a proxy.
    pub(crate) fn proxy_seen(&self, id: &str) -> Value {
        self.change("GET", &format!("/v1/proxies/{id}"), &Value::Null).json()
    }

    /// Puts the first policy.
    pub(crate) fn first_policy(&self, policy: &Value) {
        let answer = self.request("PUT", "/v1/policy", &[("if-match", "\"0\"")], policy);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// Puts a rule that says what `tool` may do; the revision that it came with.
    pub(crate) fn rule(&self, tool: &str, permission: &str) -> u64 {
        let rule = json!({"tool": tool, "permission": permission});
        let answer = self.change("PUT", &format!("/v1/rules/{tool}"), &rule);
        answer.header("etag").unwrap().trim_matches('"').parse().unwrap()
    }

    /// Waits until an approval is pending that is none of these; its reference.
    pub(crate) fn pending(&self, known: &[String]) -> String {
        wait_for("a pending approval", || {
            let list = self.command_of_person(&["approvals", "list", "--json"]);
            list.lines().find_map(|line| {
                let item: Value = serde_json::from_str(line).ok()?;
                Some(item["reference"].as_str()?.to_owned()).filter(|found| !known.contains(found))
            })
        })
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap().trim().to_owned()
    }
}

fn done(arguments: &[&str]) -> String {
    let (status, output, errors) = oakgate(arguments, "");
    assert_eq!(status, 0, "{arguments:?}: {output}{errors}");
    output
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn secret(made: &Answer) -> String {
    made.json()["key"].as_str().unwrap().to_owned()
}
