//! Real Redis servers for tests: on a free port of loopback, in a folder of their own, gone with the test process.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Longest that a server may take to start.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// A shell that stops the server when the test process is gone, however that ended: its standard input is a pipe
/// from there.
const KEEPER: &str = r#"
"$@" </dev/null &
server=$!
read -r _
kill -KILL $server
wait $server
"#;

/// A Redis server. It writes nothing to the disk unless it is told to.
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    port: u16,
    settings: Vec<String>,
    keeper: Option<Child>,
}

impl Server {
    /// A server with these settings beside its own, as on Redis' command line.
    ///
    /// # Panics
    /// If there is no Redis on this machine, or it does not start.
    #[must_use]
    pub fn start(settings: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("oakgate-redis-{}-{count}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = settings.iter().map(ToString::to_string).collect();
        let mut server = Self { folder, port, settings, keeper: None };
        server.resume();
        server
    }

    /// The port of loopback that it listens on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its URL, without a user.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A folder that goes with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ended = keeper.wait();
        }
    }

    /// Starts it again after [`Self::kill`], and waits until it answers.
    ///
    /// # Panics
    /// If it does not start.
    pub fn resume(&mut self) {
        let log = File::create(self.folder.join("log")).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER, "keeper", "/usr/bin/redis-server", "--port", &self.port.to_string()]);
        command.args(["--bind", "127.0.0.1", "--save", "", "--dir"]).arg(&self.folder);
        command.arg("--pidfile").arg(self.folder.join("pid")).args(&self.settings);
        // A terminal's interrupt is for the tests, and their end is what the keeper waits for.
        command.process_group(0).stdin(Stdio::piped()).stdout(log).stderr(Stdio::null());
        self.keeper = Some(command.spawn().unwrap());
        let since = Instant::now();
        let has_started = || {
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap();
            assert!(since.elapsed() < START_PATIENCE, "Redis does not start: {log}");
            log.contains("Ready to accept connections")
        };
        while !has_started() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops it in the middle of whatever it does; its connections stay open.
    ///
    /// # Panics
    /// If it does not run.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on after [`Self::pause`].
    ///
    /// # Panics
    /// If it does not run.
    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    /// Runs a command in it, and returns what `redis-cli` prints.
    ///
    /// # Panics
    /// If it can't be run.
    #[must_use]
    pub fn run(&self, command: &[&str]) -> String {
        let mut client = Command::new("redis-cli");
        client.args(["-p", &self.port.to_string()]).args(command);
        let output = client.output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn signal(&self, signal: &str) {
        let process = std::fs::read_to_string(self.folder.join("pid")).unwrap();
        assert!(Command::new("kill").args([signal, process.trim()]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _gone = std::fs::remove_dir_all(&self.folder);
    }
}
