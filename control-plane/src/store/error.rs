//! What a database says of its failure, as this program's words.

use sqlx::migrate::MigrateError;

use super::StoreError;

/// How the databases say that their disk is full: SQLite's `SQLITE_FULL` and `SQLITE_IOERR_SHMSIZE`, and
/// PostgreSQL's `disk_full`.
const FULL: [&str; 3] = ["13", "4874", "53100"];

/// How the databases say that they are damaged: SQLite's `SQLITE_CORRUPT` with its extended codes and `SQLITE_NOTADB`,
/// and PostgreSQL's `data_corrupted` and `index_corrupted`.
const CORRUPT: [&str; 7] = ["11", "267", "523", "779", "26", "XX001", "XX002"];

/// Reads from a row of a table. If it cannot be read, trying again does not help: so it is said where it stands.
pub(super) fn in_table<T>(
    table: &'static str,
    read: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    read().map_err(|error| match error {
        StoreError::Unreadable(what) => StoreError::damaged(table, what),
        StoreError::Database(sqlx::Error::ColumnDecode { index, .. }) => StoreError::damaged(table, &index),
        error => error,
    })
}

impl StoreError {
    /// A row of that table has something unreadable in that place.
    pub(crate) fn damaged(table: &'static str, place: &str) -> Self {
        Self::Damaged { table, what: format!("unreadable {place}") }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        match code.as_deref() {
            Some(code) if FULL.contains(&code) => Self::Full(error),
            Some(code) if CORRUPT.contains(&code) => Self::Corrupt(error),
            _ => Self::Database(error),
        }
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) => error.into(),
            MigrateError::VersionMissing(version) => Self::Newer(version),
            error => Self::Migration(error),
        }
    }
}
