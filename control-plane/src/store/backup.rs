//! A copy of a store while control planes use it: the store as it is at one moment, whole.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sqlx::{AnyConnection, Connection};

use super::database::{FILE_MODE, Place, StoreUrl, sqlite_path};

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Another file has that name. It is never overwritten.
    #[error("there is a file of that name already; choose another")]
    Exists,
    /// The name is not text, or has no file name in it.
    #[error("the copy must have a file name, in UTF-8")]
    Name,
    /// PostgreSQL has tools of its own for this.
    #[error("only a store in an SQLite file is copied by this program")]
    NotSqlite,
    /// There is no store to copy, or the database refused.
    #[error("the store can't be copied: {0}")]
    Database(#[from] sqlx::Error),
    /// The copy can't be written.
    #[error("the copy can't be written: {0}")]
    File(#[from] io::Error),
    /// The copy was not what it should be; it is gone.
    #[error("the copy is damaged, and so may be the store: {0}")]
    Damaged(String),
}

/// A copy under way. It goes away unless it is finished.
struct Unfinished {
    path: PathBuf,
    file: File,
}

/// Copies an SQLite store to a new file, checks the copy, and returns how many bytes it has. Writers go on meanwhile.
/// What they commit after the beginning is not in the copy; what they committed before is.
///
/// # Errors
/// [`BackupError`]; there is no copy then.
pub async fn backup(store: &StoreUrl, to: &Path) -> Result<u64, BackupError> {
    let Place::Sqlite(from) = &store.0 else { return Err(BackupError::NotSqlite) };
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Exists);
    }
    let unfinished = Unfinished::create(to)?;
    let copy = unfinished.path.to_str().ok_or(BackupError::Name)?;
    sqlx::any::install_default_drivers();
    let mut source = AnyConnection::connect(&format!("sqlite://{}?mode=rw", sqlite_path(from))).await?;
    sqlx::query("VACUUM INTO $1").bind(copy).execute(&mut source).await?;
    source.close().await?;
    check(&unfinished.path).await?;
    unfinished.finish(to)
}

/// Whether a copy is whole.
async fn check(copy: &Path) -> Result<(), BackupError> {
    let mut copy = AnyConnection::connect(&format!("sqlite://{}?mode=ro", sqlite_path(copy))).await?;
    let mut found: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut copy).await?;
    let orphans: Vec<String> =
        sqlx::query_scalar("SELECT \"table\" FROM pragma_foreign_key_check").fetch_all(&mut copy).await?;
    copy.close().await?;
    found.retain(|line| line != "ok");
    found.extend(orphans.iter().map(|table| format!("a row of {table} refers to nothing")));
    if found.is_empty() { Ok(()) } else { Err(BackupError::Damaged(found.join("; "))) }
}

impl Unfinished {
    /// An empty file beside the one that is to be, for this program's user alone.
    fn create(to: &Path) -> Result<Self, BackupError> {
        let name = to.file_name().and_then(|name| name.to_str()).ok_or(BackupError::Name)?;
        let folder = match to.parent() {
            Some(folder) if folder != Path::new("") => folder.canonicalize()?,
            _ => Path::new(".").canonicalize()?,
        };
        let path = folder.join(format!(".{name}.{}", std::process::id()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(FILE_MODE).open(&path)?;
        Ok(Self { path, file })
    }

    /// Gives the copy its name, once it is on the disk.
    fn finish(self, to: &Path) -> Result<u64, BackupError> {
        self.file.sync_all()?;
        std::fs::hard_link(&self.path, to).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => BackupError::Exists,
            _ => error.into(),
        })?;
        let bytes = self.file.metadata()?.len();
        if let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(bytes)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Either it has its name by now, or nobody wants it.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests;
