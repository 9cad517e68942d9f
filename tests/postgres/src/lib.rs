//! Real PostgreSQL servers for tests: in a folder of their own, on a Unix socket, gone with the test process.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where something is not as it should be"
)]

mod keeper;
mod programs;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use keeper::Keeper;
use programs::{output_of, program, succeed};

/// Who owns every database, and needs no password.
const OWNER: &str = "oakgate";

/// A user whose password is [`PASSWORD`].
pub const GUARDED: &str = "guarded";

/// The password of [`GUARDED`]. It has characters that a URL must escape.
pub const PASSWORD: &str = "p@ss/w%rd ü";

/// Longest that a server may take to start.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// A PostgreSQL server.
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    durability: Durability,
    keeper: Option<Keeper>,
}

/// Whether a server writes to the disk before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It does.
    Full,
    /// It does not: quicker, and enough where nothing is killed.
    None,
}

/// How a database of its own sorts text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collation {
    /// By its bytes.
    Bytes,
    /// As people do: `a`, `B`, `c`; `ICU`'s root collation.
    People,
}

/// A database of its own. It is dropped with this.
#[derive(Debug)]
pub struct Database {
    folder: PathBuf,
    name: String,
}

impl Server {
    /// The one that the tests of this process share, without durability.
    ///
    /// # Panics
    /// If there is no PostgreSQL on this machine, or it does not start.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(Durability::None))
    }

    /// A server of its own.
    ///
    /// # Panics
    /// If there is no PostgreSQL on this machine, or it does not start.
    #[must_use]
    pub fn start(durability: Durability) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("oakgate-pg-{}-{count}", std::process::id());
        // The path of a Unix socket has 107 bytes at most.
        let folder = std::env::temp_dir().join(name);
        let mut server = Self { folder, durability, keeper: None };
        succeed(programs::as_owner("mkdir".as_ref()).args(["-m", "700"]).arg(&server.folder));
        let data = server.folder.join("data");
        let initdb = ["-U", OWNER, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"];
        succeed(program("initdb").args(initdb).arg(&data));
        let access = format!("local all {GUARDED} scram-sha-256\nlocal all all trust\n");
        std::fs::write(data.join("pg_hba.conf"), access).unwrap();
        server.resume();
        let password = PASSWORD.replace('\'', "''");
        psql(&server.folder, "postgres", &format!("CREATE ROLE {GUARDED} LOGIN PASSWORD '{password}'"));
        server
    }

    /// Stops it as a power cut would: nothing more is written, nobody is told.
    ///
    /// # Panics
    /// If it does not run.
    pub fn cut(&mut self) {
        self.keeper.take().unwrap().end();
    }

    /// Starts it again after [`Self::cut`], and waits until it answers.
    ///
    /// # Panics
    /// If it runs already, or does not start.
    pub fn resume(&mut self) {
        assert!(self.keeper.is_none(), "it runs");
        self.keeper = Some(Keeper::start(&self.folder, self.durability));
        let since = Instant::now();
        while !program("pg_isready").arg("-q").arg("-h").arg(&self.folder).status().unwrap().success() {
            let log = || std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(since.elapsed() < START_PATIENCE, "PostgreSQL does not start: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A new database.
    ///
    /// # Panics
    /// If it can't be made.
    #[must_use]
    pub fn database(&self, collation: Collation) -> Database {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let collation = match collation {
            Collation::Bytes => "",
            Collation::People => "LOCALE_PROVIDER icu ICU_LOCALE 'und'",
        };
        psql(&self.folder, "postgres", &format!("CREATE DATABASE {name} TEMPLATE template0 {collation}"));
        Database { folder: self.folder.clone(), name }
    }
}

impl Database {
    /// Its URL, for its owner.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_for(OWNER)
    }

    /// Its URL, for that user.
    #[must_use]
    pub fn url_for(&self, user: &str) -> String {
        format!("postgres://{user}@localhost/{}?host={}", self.name, self.folder.display())
    }

    /// Runs SQL in it, and returns what it prints: a line a row, fields apart by `|`.
    ///
    /// # Panics
    /// If it fails.
    #[must_use]
    pub fn sql(&self, sql: &str) -> String {
        psql(&self.folder, &self.name, sql)
    }

    /// All that is in it, as SQL.
    ///
    /// # Panics
    /// If it can't be read.
    #[must_use]
    pub fn dump(&self) -> String {
        output_of(program("pg_dump").arg("-h").arg(&self.folder).args(["-U", OWNER, &self.name]))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A server that was cut keeps it, and goes soon.
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        let _gone = psql_command(&self.folder, "postgres", &sql).output();
    }
}

/// `PATH` with PostgreSQL's own programs first.
///
/// # Panics
/// If there is no PostgreSQL on this machine.
#[must_use]
pub fn path() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(programs::folder()).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).unwrap()
}

fn psql(folder: &Path, database: &str, sql: &str) -> String {
    output_of(&mut psql_command(folder, database, sql))
}

fn psql_command(folder: &Path, database: &str, sql: &str) -> std::process::Command {
    let mut command = program("psql");
    command.arg("-h").arg(folder).args(["-U", OWNER, "-d", database]);
    command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql]);
    command
}
