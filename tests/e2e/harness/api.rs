//! The control plane alone, with one organisation: a key of each tier, and a person.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use test_postgres::{Collation, Server};

use super::description::{Description, Operation};
use super::program::{Program, oakgate, oakgate_command};
use super::{Answer, request, wait_for};

/// The organisation.
const ORG: &str = "acme";

/// Where a control plane keeps everything. It goes away with its test.
pub(crate) enum Database {
    Sqlite(TempDir),
    Postgres(test_postgres::Database),
}

/// A running control plane.
pub(crate) struct Api {
    pub(crate) program: Program,
    /// `127.0.0.1:port` of its API.
    pub(crate) address: String,
    pub(crate) description: Description,
    /// By their names in the description.
    credentials: BTreeMap<&'static str, String>,
    _folder: TempDir,
    _database: Database,
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().unwrap())
    }

    pub(crate) fn postgres() -> Self {
        Self::Postgres(Server::shared().database(Collation::People))
    }

    pub(super) fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite://{}", folder.path().join("oakgate.db").display()),
            Self::Postgres(database) => database.url(),
        }
    }
}

impl Api {
    /// `arguments` of the program come before its command.
    pub(crate) fn start(database: Database, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path(), &database);
        let management = printed_by(&["orgs", "add", ORG, "--config", &settings]);
        let session =
            printed_by(&["people", "add", ORG, "ada", "--level1", "--level2", "--config", &settings]);
        let mut command = oakgate_command();
        command.args(arguments).args(["control-plane", "--config", &settings]);
        let mut program = Program::start(&mut command);
        let address = wait_for("the control plane", || {
            program.assert_running("it listens");
            program.errors().iter().find_map(|line| address_in(line))
        });
        let document = request(&address, "GET", "/openapi.json", &[], b"");
        assert_eq!(document.status, 200);
        let mut credentials = keys(&address, &management);
        credentials.insert("session", session);
        let description = Description::new(document.json());
        Self { program, address, description, credentials, _folder: folder, _database: database }
    }

    pub(crate) fn operations(&self) -> Vec<Operation> {
        self.description.operations()
    }

    /// The value of `Authorization` that an operation wants; empty if it wants none, or none that is here.
    pub(crate) fn credential(&self, operation: &Operation) -> String {
        let known = operation.credentials.iter().find_map(|name| self.credentials.get(name.as_str()));
        known.map(|key| format!("Bearer {key}")).unwrap_or_default()
    }

    /// The credentials by their names.
    pub(crate) const fn credentials(&self) -> &BTreeMap<&'static str, String> {
        &self.credentials
    }

    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        request(&self.address, method, path, headers, body)
    }

    /// The most memory that it ever had, as the kernel counts it.
    pub(crate) fn resident_kib_max(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.program.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim_end_matches("kB").trim().parse().unwrap()
    }

    /// It lives, and its store answers.
    pub(crate) fn assert_well(&self) {
        let answer = self.request("GET", "/readyz", &[], b"");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// The one line that a command of the host's own operator prints.
fn printed_by(arguments: &[&str]) -> String {
    let (status, output, errors) = oakgate(arguments, "");
    assert_eq!(status, 0, "{errors}");
    output.trim().to_owned()
}

fn settings(folder: &Path, database: &Database) -> String {
    let file = folder.join("settings.json");
    std::fs::write(folder.join("receipts.jwks"), oakgate(&["keys", "receipts"], "").1).unwrap();
    let settings = json!({"control_plane": {
        "address": "127.0.0.1:0",
        "store": database.url(),
        "receipts": {"keys_file": "receipts.jwks"},
    }});
    std::fs::write(&file, settings.to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

/// The address in the line that says where it listens, in either format of the log.
fn address_in(line: &str) -> Option<String> {
    if let Ok(entry) = serde_json::from_str::<Value>(line) {
        return entry["address"].as_str().map(str::to_owned);
    }
    line.split("address=").nth(1)?.split(' ').next().map(str::to_owned)
}

/// A key of each tier, made with the first one.
fn keys(address: &str, management: &str) -> BTreeMap<&'static str, String> {
    let authorization = format!("Bearer {management}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let make = |path: &str, body: Value| {
        let answer = request(address, "POST", path, &headers, body.to_string().as_bytes());
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["key"].as_str().unwrap().to_owned()
    };
    BTreeMap::from([
        ("management", management.to_owned()),
        ("standard", make("/v1/keys", json!({"id": "runtime", "tier": "standard", "may_name_tenant": true}))),
        ("agent", make("/v1/agents", json!({"id": "agent-1"}))),
    ])
}
