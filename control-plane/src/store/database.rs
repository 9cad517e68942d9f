//! The database: where it is, how it is opened, and how a transaction that writes begins.
//!
//! SQLite and PostgreSQL get the same SQL. Writers take turns on both: SQLite has one at a time by itself, and on
//! PostgreSQL each takes one lock first, whichever control plane it is in. So what a transaction has read still
//! holds when it writes.

use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::{Any, AnyConnection, AnyPool, Connection as _, Transaction};
use url::Url;

use super::migrations::migrator;
use super::pulse::Pulse;
use super::{Store, StoreError};

/// How long a statement waits for another writer.
const LOCK_TIMEOUT_SECONDS: u64 = 5;

/// How long a caller waits for a connection.
const ACQUIRE_TIMEOUT_SECONDS: u64 = 10;

/// Connections that read.
const READERS_MAX: u32 = 4;

/// Connections that write to PostgreSQL: one writes, the others have work waiting for its turn.
const WRITERS_MAX: u32 = 4;

/// The file, and the write-ahead log beside it, belong to the program's own user.
pub(super) const FILE_MODE: u32 = 0o600;

/// The number of PostgreSQL's advisory lock that a writer holds.
const WRITER_LOCK: i64 = 0x6f61_6b67_6174_6501;

/// Where a control plane keeps everything.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreUrl(pub(super) Place);

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Place {
    Sqlite(PathBuf),
    /// The URL as written; it may hold a password.
    Postgres(String),
}

/// Which of the two it is: the few places where they differ ask this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Sqlite,
    Postgres,
}

/// A URL that names no store of this program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a store: expected `sqlite://FILE` or `postgres://USER@HOST/DATABASE`")]
pub struct StoreUrlError;

impl StoreUrl {
    /// The store in that file, which is made if it is missing; its folder must exist.
    #[must_use]
    pub fn file(path: &Path) -> Self {
        Self(Place::Sqlite(path.to_owned()))
    }

    /// The store that a URL names: `sqlite://FILE` or `postgres://USER@HOST/DATABASE`.
    ///
    /// # Errors
    /// [`StoreUrlError`] for any other kind of store, and for SQLite in memory, which keeps nothing.
    pub fn parse(url: &str) -> Result<Self, StoreUrlError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self(Place::Postgres(url.to_owned())));
        }
        match url.strip_prefix("sqlite://") {
            Some(path) if !path.is_empty() && !path.contains([':', '?', '#']) => {
                Ok(Self::file(Path::new(path)))
            }
            _ => Err(StoreUrlError),
        }
    }

    /// The same database, with the password of its user.
    ///
    /// # Errors
    /// [`StoreUrlError`] if the URL names no user, or has a password already.
    pub fn with_password(&self, password: &str) -> Result<Self, StoreUrlError> {
        let Place::Postgres(url) = &self.0 else { return Err(StoreUrlError) };
        let mut url = url.parse::<Url>().map_err(|_| StoreUrlError)?;
        if url.username().is_empty() || url.password().is_some() {
            return Err(StoreUrlError);
        }
        url.set_password(Some(password)).map_err(|()| StoreUrlError)?;
        Ok(Self(Place::Postgres(url.into())))
    }

    /// The same database without the password of its user, for people to see. `None`: it is a file.
    #[must_use]
    pub fn postgres(&self) -> Option<String> {
        let Place::Postgres(url) = &self.0 else { return None };
        let mut url = url.parse::<Url>().ok()?;
        url.set_password(None).ok()?;
        Some(url.into())
    }

    fn kind(&self) -> Kind {
        match &self.0 {
            Place::Sqlite(_) => Kind::Sqlite,
            Place::Postgres(_) => Kind::Postgres,
        }
    }
}

/// Never the password.
impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({self})")
    }
}

/// The file, or the database without its user's password.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Place::Postgres(url) => {
                let place =
                    url.rsplit_once('@').or_else(|| url.split_once("://")).map_or("", |(_, place)| place);
                write!(f, "postgres://{}", place.split('?').next().unwrap_or(""))
            }
        }
    }
}

impl Store {
    /// Opens the store, makes it if it is missing, and brings its tables up to date.
    pub(crate) async fn open(url: &StoreUrl) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let kind = url.kind();
        let (writer_url, reader_url, writers) = match &url.0 {
            Place::Sqlite(path) => {
                create(path)?;
                let path = sqlite_path(&path.canonicalize()?);
                (format!("sqlite://{path}"), format!("sqlite://{path}?mode=ro"), 1)
            }
            Place::Postgres(url) => (url.clone(), url.clone(), WRITERS_MAX),
        };
        let pool = || {
            AnyPoolOptions::new()
                .acquire_timeout(Duration::from_secs(ACQUIRE_TIMEOUT_SECONDS))
                .after_connect(move |connection, _| Box::pin(prepare(kind, connection)))
                .before_acquire(|connection, _| Box::pin(has_ended(connection)))
        };
        let writer = pool().max_connections(writers).connect(&writer_url).await?;
        // All steps at once or none, and one control plane after the other.
        let mut migration = begin(kind, &writer).await?;
        migrator().run_direct(None, &mut *migration, false).await?;
        migration.commit().await?;
        let readers = pool().max_connections(READERS_MAX).connect(&reader_url).await?;
        Ok(Self { kind, writer, readers, pulse: Pulse::default(), edited: Arc::default() })
    }

    /// Closes every connection, once nobody uses it.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Begins a transaction that writes. No other writes until it has ended.
    pub(super) async fn transaction(&self) -> Result<Transaction<'static, Any>, StoreError> {
        begin(self.kind, &self.writer).await
    }

    /// The connections for single statements that write, and need nobody's turn.
    pub(super) const fn writer(&self) -> &AnyPool {
        &self.writer
    }

    /// The connections that read.
    pub(super) const fn readers(&self) -> &AnyPool {
        &self.readers
    }
}

async fn begin(kind: Kind, writer: &AnyPool) -> Result<Transaction<'static, Any>, StoreError> {
    match kind {
        Kind::Sqlite => Ok(writer.begin_with("BEGIN IMMEDIATE").await?),
        Kind::Postgres => {
            let mut transaction = writer.begin().await?;
            sqlx::query("SELECT pg_advisory_xact_lock($1)")
                .bind(WRITER_LOCK)
                .execute(&mut *transaction)
                .await?;
            Ok(transaction)
        }
    }
}

/// Whether nothing is left of who used a connection before. When its disk is full, SQLite ends a transaction by
/// itself; the connection could then neither end it nor begin another.
async fn has_ended(connection: &mut AnyConnection) -> Result<bool, sqlx::Error> {
    Ok(!connection.is_in_transaction())
}

/// Settings of each new connection. A commit that was answered is on the disk.
async fn prepare(kind: Kind, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    let statements = match kind {
        Kind::Sqlite => [
            "PRAGMA journal_mode = WAL".to_owned(),
            "PRAGMA synchronous = FULL".to_owned(),
            "PRAGMA foreign_keys = ON".to_owned(),
            format!("PRAGMA busy_timeout = {}", LOCK_TIMEOUT_SECONDS * 1000),
        ],
        Kind::Postgres => [
            format!("SET lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'"),
            "SET statement_timeout = '15s'".to_owned(),
            "SET idle_in_transaction_session_timeout = '30s'".to_owned(),
            "SET synchronous_commit = on".to_owned(),
        ],
    };
    for statement in statements {
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *connection).await?;
    }
    Ok(())
}

/// A path as it is written in a URL.
pub(super) fn sqlite_path(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

/// SQLite would make the file readable for everybody; the log beside it gets the file's own mode. A file that is
/// there already must be one that can be written.
fn create(path: &Path) -> io::Result<()> {
    OpenOptions::new().read(true).write(true).create(true).mode(FILE_MODE).open(path).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_a_file_or_a_database() {
        assert_eq!(StoreUrl::parse("sqlite://a/b.db"), Ok(StoreUrl::file(Path::new("a/b.db"))));
        assert_eq!(StoreUrl::parse("sqlite:///b.db"), Ok(StoreUrl::file(Path::new("/b.db"))));
        for bad in ["", "sqlite://", "sqlite://:memory:", "sqlite:a.db", "a.db", "sqlite://a.db?mode=memory"]
        {
            assert_eq!(StoreUrl::parse(bad), Err(StoreUrlError), "{bad}");
        }
        for (url, shown) in [
            ("postgres://ada:secret@db:5432/oak?sslmode=require", "postgres://db:5432/oak"),
            ("postgresql://db/oak", "postgres://db/oak"),
        ] {
            assert_eq!(StoreUrl::parse(url).unwrap().to_string(), shown);
        }
    }
}
