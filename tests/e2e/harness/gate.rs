//! The proxy under test, with settings, keys and a policy of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::program::{Program, oakgate, oakgate_command};
use super::{Answer, request, wait_for};

/// The API key of caller `agent-1`.
pub(crate) const KEY: &str = "oak_agent_0000000000000000000000000000000000000000000";

/// A running proxy, or proxy and control plane together.
pub(crate) struct Gate {
    pub(crate) program: Program,
    pub(crate) folder: TempDir,
    /// `127.0.0.1:port` of the listener `agents`.
    pub(crate) address: String,
    pub(crate) admin: String,
    /// `127.0.0.1:port` of the control plane; empty without one.
    pub(crate) control_plane: String,
}

/// What to start.
pub(crate) struct GateOptions<'a> {
    /// YAML of `backends`, a list item each, without indentation.
    pub(crate) backends: String,
    /// The policy document.
    pub(crate) policy: &'a str,
    /// Further keys of the listener, such as `hold_limit_seconds: 1`.
    pub(crate) listener: &'a str,
    /// Further keys of the proxy.
    pub(crate) proxy: &'a str,
    /// With a control plane beside it.
    pub(crate) approvals: bool,
}

impl Default for GateOptions<'_> {
    fn default() -> Self {
        Self {
            backends: String::new(),
            policy: "{format: 1, org: acme}",
            listener: "",
            proxy: "",
            approvals: false,
        }
    }
}

impl Gate {
    /// A proxy in front of one MCP backend, at `/mcp`.
    pub(crate) fn mcp(url: &str, policy: &str) -> Self {
        let backends = format!("- {{name: tools, kind: mcp, path: /mcp, url: '{url}'}}");
        Self::start(&GateOptions { backends, policy, ..GateOptions::default() })
    }

    /// The same, with approvals.
    pub(crate) fn mcp_with_approvals(url: &str, policy: &str, listener: &str) -> Self {
        let backends = format!("- {{name: tools, kind: mcp, path: /mcp, url: '{url}'}}");
        Self::start(&GateOptions { backends, policy, listener, approvals: true, ..GateOptions::default() })
    }

    pub(crate) fn start(options: &GateOptions<'_>) -> Self {
        Self::start_in(Self::folder(options), options.approvals)
    }

    /// A folder with all the files that a proxy needs.
    pub(crate) fn folder(options: &GateOptions<'_>) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("policy.yaml", options.policy);
        write("keys.yaml", &format!("- {{id: agent-1, kind: agent, sha256: {}}}\n", sha256(KEY)));
        write("receipts.jwks", &oakgate(&["keys", "receipts"], "").1);
        let indent = |text: &str, by: usize| {
            text.lines().map(|line| format!("{:by$}{line}\n", "")).collect::<String>()
        };
        let control = "control_plane: {address: '127.0.0.1:0', store: 'sqlite://oakgate.db'}\n";
        write(
            "oakgate.yaml",
            &format!(
                "proxy:\n  name: gate-1\n  admin: 127.0.0.1:0\n  workers: 2\n  listeners:\n    - name: agents\n      \
                 address: 127.0.0.1:0\n      auth: api-key\n{}  backends:\n{}  keys_file: keys.yaml\n  \
                 receipts: {{keys_file: receipts.jwks}}\n  audit: {{directory: audit}}\n  \
                 policy: {{file: policy.yaml}}\n  drain: {{announce_seconds: 0, limit_seconds: 10}}\n{}{}",
                indent(options.listener, 6),
                indent(&options.backends, 4),
                indent(options.proxy, 2),
                if options.approvals { control } else { "" }
            ),
        );
        folder
    }

    pub(crate) fn start_in(folder: TempDir, approvals: bool) -> Self {
        let config = folder.path().join("oakgate.yaml");
        let mut command = oakgate_command();
        command.arg(if approvals { "up" } else { "proxy" }).arg("--config").arg(config);
        Self::started(&mut command, folder, approvals)
    }

    pub(crate) fn started(command: &mut Command, folder: TempDir, approvals: bool) -> Self {
        let mut program = Program::start(command);
        let mut address = |message: &str| {
            wait_for(message, || {
                program.assert_running(message);
                logged(&program, message).map(|line| line["address"].as_str().unwrap().to_owned())
            })
        };
        let (admin, agents) = (address("admin address"), address("listening"));
        let control_plane = if approvals { address("control plane") } else { String::new() };
        Self { program, folder, address: agents, admin, control_plane }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// One request with the key.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut all = vec![("x-api-key", KEY)];
        all.extend_from_slice(headers);
        request(&self.address, method, path, &all, body)
    }

    /// One MCP message (2025-11-25, no session) with the key.
    pub(crate) fn post(&self, body: &str) -> Answer {
        let headers =
            [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
        self.send("POST", "/mcp", &headers, body.as_bytes())
    }

    pub(crate) fn admin(&self, path: &str) -> Answer {
        request(&self.admin, "GET", path, &[], b"")
    }

    /// The value of one metric, named as Prometheus shows it; 0 if it is not there.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.admin("/metrics").text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    /// All audit records, of all workers.
    pub(crate) fn records(&self) -> Vec<Value> {
        records_in(&self.path("audit"))
    }

    /// `oakgate approvals …` as the first person: exit status and output.
    pub(crate) fn approvals(&self, arguments: &[&str]) -> (i32, String) {
        let url = format!("http://{}", self.control_plane);
        let session = self.path("oakgate.session");
        let mut all = vec!["approvals", "--url", &url, "--session-file", session.to_str().unwrap()];
        all.extend_from_slice(arguments);
        let (status, output, errors) = oakgate(&all, "");
        (status, output + &errors)
    }

    /// Waits until exactly one approval is pending; returns its reference.
    pub(crate) fn pending(&self) -> String {
        wait_for("a pending approval", || {
            let (_, output) = self.approvals(&["list", "--json"]);
            let line = output.lines().next()?;
            let item: Value = serde_json::from_str(line).ok()?;
            Some(item["reference"].as_str()?.to_owned())
        })
    }

    /// Changes the policy file, and waits until the change is in force, or is refused.
    pub(crate) fn change_policy(&self, policy: &str) {
        let loads = |result: &str| {
            self.metric(&format!("oakgate_loads_total{{file=\"policy\",result=\"{result}\"}}"))
        };
        // The watcher's first look is a load of its own, and not the one that is waited for.
        let before = wait_for("the first look", || {
            Some(loads("loaded") + loads("refused")).filter(|loads| *loads > 0.0)
        });
        std::fs::write(self.path("policy.yaml"), policy).unwrap();
        wait_for("the new policy", || (loads("loaded") + loads("refused") > before).then_some(()));
    }
}

/// All audit records in a folder.
pub(crate) fn records_in(folder: &Path) -> Vec<Value> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let texts = files.map(|file| std::fs::read_to_string(file).unwrap());
    texts
        .flat_map(|text| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<_>>())
        .collect()
}

fn logged(program: &Program, message: &str) -> Option<Value> {
    let lines = program.errors();
    let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.into_iter().find(|line| line["message"] == message)
}

pub(super) fn sha256(text: &str) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
