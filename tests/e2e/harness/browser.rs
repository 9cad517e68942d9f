//! A real browser (Chromium, headless), and pages for it that come from a server of their own.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::program::{Program, repository, tools};

/// Serves `tests/clients/browser/` on a port of the loopback address: of two origins, `localhost` and `127.0.0.1`.
pub(crate) struct Pages {
    _server: Program,
    pub(crate) port: u16,
}

impl Pages {
    pub(crate) fn serve() -> Self {
        let folder = repository().join("tests/clients/browser");
        let mut command = Command::new(tools().join("py2/bin/python"));
        command.args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"]).arg(folder);
        let mut server = Program::start(&mut command);
        let port = server.wait_for_output("pages", |line| {
            line.split_once(" port ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok())
        });
        Self { _server: server, port }
    }

    /// Opens a page of an origin in a browser of its own: what it wrote into the element `seen`.
    pub(crate) fn open(&self, host: &str, query: &str) -> Value {
        let profile = tempfile::tempdir().unwrap();
        let dom = dom(&profile, &format!("http://{host}:{}/page.html?{query}", self.port));
        let seen = dom.split_once("<pre id=\"seen\">").and_then(|(_, rest)| rest.split_once("</pre>"));
        let text = seen.unwrap_or_else(|| panic!("no page: {dom}")).0;
        let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("the page is not done: {text}"))
    }
}

/// The page as it stands when all its requests are done.
fn dom(profile: &TempDir, url: &str) -> String {
    let program = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    let program = program.into_iter().find(|program| Path::new(program).exists());
    let program = program.unwrap_or_else(|| panic!("no Chromium: run tests/install"));
    let output = Command::new(program)
        .args(["--headless", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        // Root has no sandbox; the pages are the test's own.
        .arg("--no-sandbox")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--virtual-time-budget=30000", "--dump-dom", url])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}
