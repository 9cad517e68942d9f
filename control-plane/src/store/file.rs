//! The SQLite file: where it is, who may read it, and how it is opened.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use super::{Store, StoreError};

/// How long a statement waits for another process that has the file locked.
const BUSY_TIMEOUT_SECONDS: u64 = 5;

/// How long a caller waits for a connection.
const ACQUIRE_TIMEOUT_SECONDS: u64 = 10;

/// Connections that read.
const READERS_MAX: u32 = 4;

/// The file, and the write-ahead log beside it, belong to the program's own user.
const FILE_MODE: u32 = 0o600;

/// Version, name and text of each migration. One that was ever released never changes; new ones are added below.
const MIGRATIONS: [(i64, &str, &str); 2] = [
    (1, "approvals", include_str!("../../migrations/0001_approvals.sql")),
    (2, "definition_changed", include_str!("../../migrations/0002_definition_changed.sql")),
];

/// The file that a control plane keeps everything in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreFile(PathBuf);

/// A URL that names no store of this program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreUrlError {
    /// A PostgreSQL database.
    #[error("PostgreSQL is not supported as a store: use `sqlite://FILE`")]
    Postgres,
    /// Something else, or SQLite without a file.
    #[error("not a store: expected `sqlite://FILE`")]
    NotAFile,
}

impl StoreFile {
    /// The store in that file, which is made if it is missing; its folder must exist.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The store that a URL names: `sqlite://FILE`.
    ///
    /// # Errors
    /// [`StoreUrlError`] for any other kind of store, and for SQLite in memory, which keeps nothing.
    pub fn from_url(url: &str) -> Result<Self, StoreUrlError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Err(StoreUrlError::Postgres);
        }
        match url.strip_prefix("sqlite://") {
            Some(path) if !path.is_empty() && !path.contains([':', '?', '#']) => {
                Ok(Self(PathBuf::from(path)))
            }
            _ => Err(StoreUrlError::NotAFile),
        }
    }
}

impl Store {
    /// Opens the store, makes it if it is missing, and brings its tables up to date.
    pub(crate) async fn open(file: &StoreFile) -> Result<Self, StoreError> {
        create(&file.0)?;
        let options = SqliteConnectOptions::new()
            .filename(&file.0)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(BUSY_TIMEOUT_SECONDS));
        let pool = || SqlitePoolOptions::new().acquire_timeout(Duration::from_secs(ACQUIRE_TIMEOUT_SECONDS));
        let writer = pool().max_connections(1).connect_with(options.clone()).await?;
        migrator().run(&writer).await?;
        let readers = pool().max_connections(READERS_MAX).connect_with(options.read_only(true)).await?;
        Ok(Self { writer, readers })
    }

    /// Closes every connection, once nobody uses it.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Whether the store answers.
    pub(crate) async fn answers(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT reference FROM approvals LIMIT 1").fetch_optional(&self.readers).await?;
        Ok(())
    }
}

/// SQLite would make the file readable for everybody; the log beside it gets the file's own mode.
fn create(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn migrator() -> Migrator {
    let migrations = MIGRATIONS.iter().map(|&(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_is_a_store() {
        assert_eq!(StoreFile::from_url("sqlite://a/b.db"), Ok(StoreFile::at(Path::new("a/b.db"))));
        assert_eq!(StoreFile::from_url("sqlite:///b.db"), Ok(StoreFile::at(Path::new("/b.db"))));
        for postgres in ["postgres://db/x", "postgresql://db/x"] {
            assert_eq!(StoreFile::from_url(postgres), Err(StoreUrlError::Postgres));
        }
        for bad in ["", "sqlite://", "sqlite://:memory:", "sqlite:a.db", "a.db", "sqlite://a.db?mode=memory"]
        {
            assert_eq!(StoreFile::from_url(bad), Err(StoreUrlError::NotAFile), "{bad}");
        }
    }
}
