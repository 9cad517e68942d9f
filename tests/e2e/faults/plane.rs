//! A control plane that is started again and again on one store, and what is in that store.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Connection as _, Row as _};
use tempfile::TempDir;

use crate::harness::{Program, oakgate_command};

pub(super) const KEY: &str = "oak_mgmt_0123456789012345678901234567890123456789012";

/// Where a control plane keeps everything, and its settings file.
pub(super) struct Place {
    pub(super) folder: TempDir,
    pub(super) url: String,
}

/// A running control plane.
pub(super) struct Plane {
    pub(super) program: Program,
    pub(super) url: String,
}

impl Place {
    pub(super) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("oakgate.db").display());
        Self { folder, url }
    }

    pub(super) fn postgres(database: &test_postgres::Database) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), url: database.url() }
    }

    pub(super) fn settings(&self) -> String {
        write_settings(self.folder.path(), &json!({"store": self.url}))
    }

    /// Starts a control plane and waits until it serves.
    pub(super) fn start(&self) -> Plane {
        Plane::start(oakgate_command().args(["control-plane", "--config", &self.settings()]))
    }

    /// Starts the first control plane on this store, with an organisation that has a policy.
    pub(super) fn start_with_org(&self) -> Plane {
        let plane = self.start();
        self.add_org();
        let (status, text) = plane.put_policy("first", "\"0\"");
        assert_eq!(status, 200, "{text}");
        plane
    }

    /// Makes an organisation with the management key [`KEY`].
    fn add_org(&self) {
        let sha256: String = Sha256::digest(KEY).iter().map(|byte| format!("{byte:02x}")).collect();
        for sql in [
            "INSERT INTO orgs (name, created_at_unix_ms) VALUES ('acme', 1)".to_owned(),
            "INSERT INTO holders (org, id, tier, may_name_tenant, version, created_at_unix_ms) \
             VALUES ('acme', 'admin', 'management', 0, 1, 1)"
                .to_owned(),
            format!(
                "INSERT INTO secrets (sha256, org, holder, prefix, created_at_unix_ms) \
                 VALUES ('{sha256}', 'acme', 'admin', 'oak_mgmt_012', 1)"
            ),
        ] {
            self.rows(&sql);
        }
    }

    /// Runs SQL in the store; each row is one text, its columns apart by `|`.
    pub(super) fn rows(&self, sql: &str) -> Vec<String> {
        sqlx::any::install_default_drivers();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = AnyConnection::connect(&self.url).await.unwrap();
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            rows.iter().map(text).collect()
        })
    }
}

pub(super) fn write_settings(folder: &Path, control_plane: &Value) -> String {
    let mut control_plane = control_plane.clone();
    control_plane["address"] = json!("127.0.0.1:0");
    let file = folder.join("settings.json");
    std::fs::write(&file, json!({"control_plane": control_plane}).to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

fn text(row: &AnyRow) -> String {
    let column = |column| {
        let number = row.try_get::<i64, _>(column).map(|number| number.to_string());
        number.unwrap_or_else(|_| row.get(column))
    };
    (0..row.len()).map(column).collect::<Vec<String>>().join("|")
}

impl Plane {
    pub(super) fn start(command: &mut Command) -> Self {
        let mut program = Program::start(command);
        let url = crate::harness::wait_for("a control plane", || {
            program.assert_running("it serves");
            let lines = program.errors();
            let entries = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let mut addresses = entries.filter_map(|entry| entry["address"].as_str().map(str::to_owned));
            addresses.next().map(|address| format!("http://{address}"))
        });
        Self { program, url }
    }

    /// Ends it as the kernel does when it wants to: at once, whatever it is doing.
    pub(super) fn kill(mut self) {
        self.program.child.kill().unwrap();
        self.program.child.wait().unwrap();
    }

    /// Status and code (or body) of a GET with the management key.
    pub(super) fn get(&self, path: &str) -> (u16, String) {
        let request =
            agent().get(format!("{}{path}", self.url)).header("Authorization", format!("Bearer {KEY}"));
        let mut response = request.call().unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        let code = serde_json::from_str::<Value>(&text)
            .ok()
            .and_then(|body| body["code"].as_str().map(str::to_owned));
        (response.status().as_u16(), code.unwrap_or(text))
    }

    /// The revision of the policy in force.
    pub(super) fn revision(&self) -> u64 {
        let request = agent().get(format!("{}/v1/policy", self.url));
        let response = request.header("Authorization", format!("Bearer {KEY}")).call().unwrap();
        response.headers()["etag"].to_str().unwrap().trim_matches('"').parse().unwrap()
    }

    fn put_policy(&self, rule: &str, if_match: &str) -> (u16, String) {
        let request = agent().put(format!("{}/v1/policy", self.url));
        let request = request.header("Authorization", format!("Bearer {KEY}")).header("If-Match", if_match);
        let mut response =
            request.header("Content-Type", "application/json").send(policy(rule).to_string()).unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).build().into()
}

/// A policy with one rule.
pub(super) fn policy(rule: &str) -> Value {
    json!({
        "format": 1, "org": "acme",
        "tools": [{"name": "refund"}],
        "rules": [{"id": rule, "tool": "refund", "permission": "allowed"}],
    })
}
