//! A control plane of its own for each test, and the program's commands against it.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::program::{Program, oakgate, oakgate_command, repository, tools};
use super::{Issued, wait_for};

/// A running control plane on SQLite, with one organisation, `acme`.
pub(crate) struct ControlPlane {
    pub(crate) program: Program,
    pub(crate) url: String,
    folder: TempDir,
}

impl ControlPlane {
    pub(crate) fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), "http", "")
    }

    /// The same, with its API over TLS.
    pub(crate) fn over_tls(certificate: &Issued) -> Self {
        let folder = tempfile::tempdir().unwrap();
        certificate.write(folder.path(), "api");
        Self::start_in(folder, "https", ", tls: {cert_file: api.pem, key_file: api.key}")
    }

    fn start_in(folder: TempDir, scheme: &str, more: &str) -> Self {
        let config = folder.path().join("control-plane.yaml");
        let settings = format!(
            "control_plane: {{address: '127.0.0.1:0', store: 'sqlite://oakgate.db', receipts: {{keys_file: \
             receipts.jwks}}{more}}}\n"
        );
        std::fs::write(&config, settings).unwrap();
        std::fs::write(folder.path().join("receipts.jwks"), oakgate(&["keys", "receipts"], "").1).unwrap();
        let config = config.to_str().unwrap();
        let (status, key, errors) = oakgate(&["orgs", "add", "acme", "--config", config], "");
        assert_eq!(status, 0, "{errors}");
        std::fs::write(folder.path().join("key"), key).unwrap();
        let program = Program::start(oakgate_command().args(["control-plane", "--config", config]));
        let url = wait_for("the control plane", || {
            program.errors().iter().chain(&program.output()).find_map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).ok()?;
                Some(format!("{scheme}://{}", line["address"].as_str()?))
            })
        });
        Self { program, url, folder }
    }

    /// A file in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file in its folder; its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs a command as the organisation's first management key: exit status, standard output, standard error.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        oakgate(&[arguments, &self.credential().each_ref().map(String::as_str)].concat(), "")
    }

    /// The same of a command that must do it: its standard output.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let (status, output, errors) = self.run(arguments);
        assert_eq!(status, 0, "{arguments:?}: {output}{errors}");
        output
    }

    /// Runs a command of a shell in its folder, where `oakgate` is the program and asks this control plane, or what is
    /// before it at that URL, as the organisation's first management key: exit status, standard output, standard error.
    pub(crate) fn shell(&self, url: &str, command: &str) -> (i32, String, String) {
        let program = PathBuf::from(oakgate_command().get_program());
        let folders = [program.parent().unwrap().to_owned(), "/usr/bin".into(), "/bin".into()];
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", command]).current_dir(self.folder.path()).stdin(Stdio::null());
        shell.env_clear().env("PATH", std::env::join_paths(folders).unwrap());
        shell.env("OAKGATE_URL", url).env("OAKGATE_KEY_FILE", "key").env("OAKGATE_SESSION_FILE", "session");
        let output = shell.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Runs a command in a terminal.
    pub(crate) fn in_terminal(&self, columns: u16, arguments: &[&str]) -> Terminal {
        let mut command = Command::new(tools().join("py2/bin/python"));
        command.arg(repository().join("tests/clients/terminal.py")).arg(columns.to_string());
        command.arg(oakgate_command().get_program()).args(arguments).args(self.credential());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        Terminal { keyboard: child.stdin.take(), child, screen: String::new() }
    }

    fn credential(&self) -> [String; 4] {
        let key = self.path("key").to_str().unwrap().to_owned();
        ["--url".to_owned(), self.url.clone(), "--key-file".to_owned(), key]
    }
}

/// A command in a terminal.
pub(crate) struct Terminal {
    child: Child,
    keyboard: Option<std::process::ChildStdin>,
    screen: String,
}

impl Terminal {
    /// Waits until this is on the screen.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let output = self.child.stdout.as_mut().unwrap();
        while !self.screen.contains(text) {
            let mut byte = [0];
            assert_eq!(output.read(&mut byte).unwrap(), 1, "ended before {text}: {}", self.screen);
            self.screen.push(char::from(byte[0]));
        }
    }

    /// Types something.
    pub(crate) fn type_line(&mut self, line: &str) {
        writeln!(self.keyboard.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits for its end: exit status, and what was on the screen.
    pub(crate) fn end(mut self) -> (i32, String) {
        let mut rest = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
        drop(self.keyboard.take());
        let status = self.child.wait().unwrap();
        (status.code().unwrap(), format!("{}{rest}", self.screen))
    }
}

impl Drop for Terminal {
    /// Its program is told that the terminal is gone.
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}
