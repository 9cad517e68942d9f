//! Programs that run beside a test: killed when it ends, their output kept.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;

use super::wait_for;

/// The repository's folder.
pub(crate) fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The folder that `tests/install` fills.
pub(crate) fn tools() -> PathBuf {
    let tools = repository().join("target/test-tools");
    assert!(tools.join("py2/bin/python").exists(), "run `make test`, or tests/install before `cargo test`");
    tools
}

/// The program under test.
pub(crate) fn oakgate_command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_oakgate"))
}

/// Runs the program under test to its end: exit status, standard output, standard error.
pub(crate) fn oakgate(arguments: &[&str], input: &str) -> (i32, String, String) {
    let mut child = oakgate_command()
        .args(arguments)
        .env("POD_NAME", "gate-1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || {
        // A program that reads no further is no fault of the test.
        let _closed = stdin.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A running program.
pub(crate) struct Program {
    pub(crate) child: Child,
    output: Arc<Mutex<Vec<String>>>,
    errors: Arc<Mutex<Vec<String>>>,
}

impl Program {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let output = collect(child.stdout.take().unwrap());
        let errors = collect(child.stderr.take().unwrap());
        Self { child, output, errors }
    }

    /// Lines of standard output so far.
    pub(crate) fn output(&self) -> Vec<String> {
        self.output.lock().unwrap().clone()
    }

    /// Lines of standard error so far.
    pub(crate) fn errors(&self) -> Vec<String> {
        self.errors.lock().unwrap().clone()
    }

    /// Waits for a line of standard output.
    pub(crate) fn wait_for_output<T>(&mut self, what: &str, mut look: impl FnMut(&str) -> Option<T>) -> T {
        wait_for(what, || {
            let found = self.output().iter().find_map(|line| look(line));
            if found.is_none() {
                self.assert_running(what);
            }
            found
        })
    }

    pub(crate) fn assert_running(&mut self, what: &str) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("ended with {status} before {what}: {}", self.errors().join("\n"));
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

fn collect(from: impl Read + Send + 'static) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&lines);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            into.lock().unwrap().push(line);
        }
    });
    lines
}

/// A real backend, and the log of what reached it.
pub(crate) struct Backend {
    program: Program,
    /// Its own address, with the path if it is an MCP server.
    pub(crate) url: String,
    log: PathBuf,
    _folder: TempDir,
}

impl Backend {
    /// The Python SDK's server.
    pub(crate) fn mcp() -> Self {
        Self::python("mcp_server.py", &[])
    }

    /// The same, on a port of its own or with other descriptions.
    pub(crate) fn mcp_with(arguments: &[&str]) -> Self {
        Self::python("mcp_server.py", arguments)
    }

    /// A backend that demands receipts signed by the keys in a file.
    pub(crate) fn rest(keys: &Path, audience: &str) -> Self {
        Self::python("rest_server.py", &["--keys", keys.to_str().unwrap(), "--audience", audience])
    }

    /// Plain sockets, misbehaving as told.
    pub(crate) fn raw(arguments: &[&str]) -> Self {
        Self::python("raw_server.py", arguments)
    }

    /// The Python SDK's server as an OAuth resource server, with its authorization server.
    pub(crate) fn oauth(arguments: &[&str]) -> Self {
        Self::python("oauth_server.py", arguments)
    }

    /// An authorization server whose user agrees to everything: npm `oidc-provider`.
    pub(crate) fn authorization_server(arguments: &[&str]) -> Self {
        Self::script("node/bin/node", "authorization_server.mjs", arguments)
    }

    /// An issuer's key set, and tokens signed to order.
    pub(crate) fn issuer(arguments: &[&str]) -> Self {
        Self::python("issuer_server.py", arguments)
    }

    /// A web server of the files in a folder.
    pub(crate) fn files(folder: &Path, arguments: &[&str]) -> Self {
        let folder = ["--folder", folder.to_str().unwrap()];
        Self::python("files_server.py", &[&folder[..], arguments].concat())
    }

    /// HTTP/2, frame by frame, misbehaving as told.
    pub(crate) fn raw_http2(arguments: &[&str]) -> Self {
        Self::python("raw_http2_server.py", arguments)
    }

    /// Opens WebSockets.
    pub(crate) fn websocket() -> Self {
        Self::websocket_with(&[])
    }

    /// The same, over TLS.
    pub(crate) fn websocket_with(arguments: &[&str]) -> Self {
        Self::python("websocket_server.py", arguments)
    }

    /// The official filesystem server.
    pub(crate) fn filesystem(directory: &Path) -> Self {
        Self::python("filesystem_server.py", &["--directory", directory.to_str().unwrap()])
    }

    /// The official "everything" server.
    pub(crate) fn everything() -> Self {
        let mut command = Command::new(tools().join("node/bin/node"));
        command.arg(repository().join("tests/backends/everything_server.mjs"));
        Self::start(command, None)
    }

    /// A server that asks, notifies, pages and resumes: on the Python SDK 2.x.
    pub(crate) fn features(arguments: &[&str]) -> Self {
        Self::python("features_server.py", arguments)
    }

    /// The same on the TypeScript SDK v1.
    pub(crate) fn features_typescript(arguments: &[&str]) -> Self {
        Self::script("node/bin/node", "features_server.mjs", arguments)
    }

    /// A server of HTTP+SSE on the Python SDK 1.x.
    pub(crate) fn http_and_sse(arguments: &[&str]) -> Self {
        Self::script("py1/bin/python", "sse_server.py", arguments)
    }

    fn python(script: &str, arguments: &[&str]) -> Self {
        Self::script("py2/bin/python", script, arguments)
    }

    fn script(program: &str, script: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(tools().join(program));
        command.arg(repository().join("tests/backends").join(script)).args(arguments);
        command.arg("--log").arg(folder.path().join("log"));
        Self::start(command, Some(folder))
    }

    fn start(mut command: Command, folder: Option<TempDir>) -> Self {
        let folder = folder.unwrap_or_else(|| tempfile::tempdir().unwrap());
        let mut program = Program::start(&mut command);
        let url = program
            .wait_for_output("a backend", |line| line.strip_prefix("listening on ").map(str::to_owned));
        Self { program, url, log: folder.path().join("log"), _folder: folder }
    }

    /// Its `host:port`.
    pub(crate) fn address(&self) -> &str {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        rest.split('/').next().unwrap_or(rest)
    }

    /// Its port.
    pub(crate) fn port(&self) -> &str {
        self.address().rsplit(':').next().unwrap()
    }

    /// Every byte that reached it (`raw`), or its lines.
    pub(crate) fn log_text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// The calls that reached it.
    pub(crate) fn log(&self) -> Vec<Value> {
        self.log_text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Ends it, so that its address refuses connections.
    pub(crate) fn stop(&mut self) {
        self.program.child.kill().unwrap();
        self.program.child.wait().unwrap();
    }
}
