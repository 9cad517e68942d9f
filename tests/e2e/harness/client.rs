//! The official SDKs as clients, each a small program that runs steps in one session.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::gate::{Gate, KEY};
use super::program::{repository, tools};

/// Longest that a client takes for all its steps.
const CLIENT_LIMIT: Duration = Duration::from_secs(60);

/// One SDK.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Client {
    program: &'static str,
    script: &'static str,
    mode: Option<&'static str>,
    /// Whether it speaks HTTP+SSE, the transport of 2024-11-05.
    http_and_sse: bool,
    /// Whether it speaks HTTP/2, with prior knowledge.
    http2: bool,
    /// The revision it settles on with a server that speaks all of them.
    pub(crate) revision: &'static str,
}

const PY2_LEGACY: Client = Client {
    program: "py2/bin/python",
    script: "py2_client.py",
    mode: Some("legacy"),
    http_and_sse: false,
    http2: false,
    revision: "2025-11-25",
};
const PY2_MODERN: Client = Client { mode: Some("modern"), revision: "2026-07-28", ..PY2_LEGACY };
const TS2_LEGACY: Client = Client {
    program: "node/bin/node",
    script: "ts2_client.mjs",
    mode: Some("legacy"),
    http_and_sse: false,
    http2: false,
    revision: "2025-11-25",
};
const TS2_MODERN: Client = Client { mode: Some("modern"), revision: "2026-07-28", ..TS2_LEGACY };
/// PyPI `mcp` 1.30.
pub(crate) const PY1: Client =
    Client { program: "py1/bin/python", script: "py1_client.py", mode: None, ..PY2_LEGACY };
/// The same over HTTP/2.
pub(crate) const PY1_HTTP2: Client = Client { http2: true, ..PY1 };
/// npm `@modelcontextprotocol/sdk` 1.32.
pub(crate) const TS1: Client = Client { script: "ts1_client.mjs", mode: None, ..TS2_LEGACY };
/// PyPI `mcp` 2.3, both eras.
pub(crate) const PY2: [Client; 2] = [PY2_LEGACY, PY2_MODERN];
/// npm `@modelcontextprotocol/client` 2.4, both eras.
pub(crate) const TS2: [Client; 2] = [TS2_LEGACY, TS2_MODERN];

/// Clients that find out for themselves which era a server speaks.
pub(crate) const AUTO: [Client; 2] =
    [Client { mode: Some("auto"), ..PY2_LEGACY }, Client { mode: Some("auto"), ..TS2_LEGACY }];

/// The program of clients that are no program of their own.
const HERE: &str = "";
const RUST_LEGACY: Client = Client { program: HERE, script: "rmcp", ..PY2_LEGACY };
const RUST_MODERN: Client = Client { program: HERE, script: "rmcp", ..PY2_MODERN };
/// The Rust SDK, `rmcp` 3.11, both eras.
pub(crate) const RUST: [Client; 2] = [RUST_LEGACY, RUST_MODERN];
/// PyPI `mcp` 2.3, both eras, getting its own token by OAuth.
pub(crate) const OAUTH: [Client; 2] =
    [Client { script: "oauth_client.py", ..PY2_LEGACY }, Client { script: "oauth_client.py", ..PY2_MODERN }];

/// The same, and npm `@modelcontextprotocol/client` 2.4, both eras.
pub(crate) const SIGN_IN: [Client; 4] = [
    OAUTH[0],
    OAUTH[1],
    Client { script: "oauth_client.mjs", ..TS2_LEGACY },
    Client { script: "oauth_client.mjs", ..TS2_MODERN },
];

impl Client {
    /// Every SDK, in every era that it speaks.
    pub(crate) fn all() -> Vec<Self> {
        [PY1, TS1].into_iter().chain(PY2).chain(TS2).chain(RUST).collect()
    }

    /// Runs steps through a gate: a line each, after the one that says what was negotiated.
    pub(crate) fn run(self, gate: &Gate, path: &str, steps: &Value) -> Vec<Value> {
        self.run_with_key(gate, path, KEY, steps)
    }

    /// The same with another key, or, if that is empty, with none.
    pub(crate) fn run_with_key(self, gate: &Gate, path: &str, key: &str, steps: &Value) -> Vec<Value> {
        self.run_at(&gate.url(path), key, steps)
    }

    /// Whether it speaks 2026-07-28.
    pub(crate) fn is_modern(self) -> bool {
        self.revision == "2026-07-28"
    }

    /// The same SDK over HTTP+SSE, the transport of 2024-11-05.
    pub(crate) const fn over_http_and_sse(self) -> Self {
        Self { http_and_sse: true, ..self }
    }

    /// Runs steps at an address, with a proxy there or without.
    pub(crate) fn run_at(self, url: &str, key: &str, steps: &Value) -> Vec<Value> {
        self.run_trusting(None, url, key, steps)
    }

    /// The same over `https`, with the authority in a file (not for the Rust SDK).
    pub(crate) fn run_over_tls(self, authority: &Path, url: &str, key: &str, steps: &Value) -> Vec<Value> {
        self.run_trusting(Some(authority), url, key, steps)
    }

    fn run_trusting(self, authority: Option<&Path>, url: &str, key: &str, steps: &Value) -> Vec<Value> {
        if self.program == HERE {
            return super::rust_client::run(url, key, self.is_modern(), steps);
        }
        let mut command = Command::new(tools().join(self.program));
        command.arg(repository().join("tests/clients").join(self.script));
        command.args(["--url", url]);
        if !key.is_empty() {
            command.args(["--key", key]);
        }
        if let Some(authority) = authority {
            command.env("SSL_CERT_FILE", authority).env("NODE_EXTRA_CA_CERTS", authority);
        }
        if let Some(mode) = self.mode {
            command.args(["--mode", mode]);
        }
        if self.http_and_sse {
            command.args(["--transport", "sse"]);
        }
        if self.http2 {
            command.arg("--http2");
        }
        let (text, errors) = run_within(CLIENT_LIMIT, &mut command, &steps.to_string());
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(!lines.is_empty(), "{self:?}: {errors}");
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

/// Runs a program to its end, or until a limit: standard output and standard error.
fn run_within(limit: Duration, command: &mut Command, input: &str) -> (String, String) {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (output, errors) = (read(child.stdout.take().unwrap()), read(child.stderr.take().unwrap()));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let since = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if since.elapsed() > limit {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    (output.join().unwrap(), errors.join().unwrap())
}

fn read(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        from.read_to_string(&mut text).unwrap();
        text
    })
}
