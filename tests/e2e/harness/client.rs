//! The official SDKs as clients, each a small program that runs steps in one session.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::gate::{Gate, KEY};
use super::program::{repository, tools};

/// One SDK.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    program: &'static str,
    script: &'static str,
    mode: Option<&'static str>,
    /// The revision it settles on with a server that speaks all of them.
    pub(crate) revision: &'static str,
}

const PY2_LEGACY: Client = Client {
    program: "py2/bin/python",
    script: "py2_client.py",
    mode: Some("legacy"),
    revision: "2025-11-25",
};
const PY2_MODERN: Client = Client { mode: Some("modern"), revision: "2026-07-28", ..PY2_LEGACY };
const TS2_LEGACY: Client = Client {
    program: "node/bin/node",
    script: "ts2_client.mjs",
    mode: Some("legacy"),
    revision: "2025-11-25",
};
const TS2_MODERN: Client = Client { mode: Some("modern"), revision: "2026-07-28", ..TS2_LEGACY };
/// PyPI `mcp` 1.30.
pub(crate) const PY1: Client =
    Client { program: "py1/bin/python", script: "py1_client.py", mode: None, revision: "2025-11-25" };
/// npm `@modelcontextprotocol/sdk` 1.32.
pub(crate) const TS1: Client =
    Client { program: "node/bin/node", script: "ts1_client.mjs", mode: None, revision: "2025-11-25" };
/// PyPI `mcp` 2.3, both eras.
pub(crate) const PY2: [Client; 2] = [PY2_LEGACY, PY2_MODERN];
/// npm `@modelcontextprotocol/client` 2.4, both eras.
pub(crate) const TS2: [Client; 2] = [TS2_LEGACY, TS2_MODERN];

/// PyPI `mcp` 2.3, both eras, getting its own token by OAuth.
pub(crate) const OAUTH: [Client; 2] =
    [Client { script: "oauth_client.py", ..PY2_LEGACY }, Client { script: "oauth_client.py", ..PY2_MODERN }];

impl Client {
    /// Every SDK, in every era that it speaks.
    pub(crate) fn all() -> Vec<Self> {
        [PY1, TS1].into_iter().chain(PY2).chain(TS2).collect()
    }

    /// Runs steps through a gate: a line each, after the one that says what was negotiated.
    pub(crate) fn run(self, gate: &Gate, path: &str, steps: &Value) -> Vec<Value> {
        self.run_with_key(gate, path, KEY, steps)
    }

    pub(crate) fn run_with_key(self, gate: &Gate, path: &str, key: &str, steps: &Value) -> Vec<Value> {
        let mut command = Command::new(tools().join(self.program));
        command.arg(repository().join("tests/clients").join(self.script));
        command.args(["--url", &gate.url(path), "--key", key]);
        if let Some(mode) = self.mode {
            command.args(["--mode", mode]);
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(steps.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(!lines.is_empty(), "{self:?}: {}", String::from_utf8_lossy(&output.stderr));
        lines
    }

    /// One call in a session of its own.
    pub(crate) fn call(self, gate: &Gate, tool: &str, arguments: &Value) -> Value {
        let steps = json!([{"do": "call", "tool": tool, "arguments": arguments}]);
        let lines = self.run(gate, "/mcp", &steps);
        assert_eq!(lines[0]["negotiated"], self.revision, "{self:?}: {lines:?}");
        lines[1].clone()
    }
}
