//! What a database says of its failure, as this program's words.

use sqlx::migrate::MigrateError;

use super::StoreError;

/// How the databases say that their disk is full: SQLite's `SQLITE_FULL` and `SQLITE_IOERR_SHMSIZE`, and
/// PostgreSQL's `disk_full`.
const FULL: [&str; 3] = ["13", "4874", "53100"];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        if code.is_some_and(|code| FULL.contains(&code.as_ref())) {
            Self::Full(error)
        } else {
            Self::Database(error)
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
