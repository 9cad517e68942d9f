//! Files that programs are set up with: read whole, watched until they stand still, and the certificates in them. The same
//! for every program.

mod pem;
mod server_certificate;
mod watch;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub use pem::{PemFile, system_authorities};
pub use server_certificate::{ServerCertificate, end};
pub use watch::{Look, WATCH_INTERVAL, Watch};

/// A file that did not load, with every mistake in it.
#[derive(Debug)]
pub struct FileError {
    /// The file.
    pub file: PathBuf,
    /// Its mistakes, one a line of text; never empty.
    pub mistakes: Vec<String>,
}

/// What tells one version of a file from another without reading it; of each file that is loaded together.
type Version = Vec<Option<(u64, u64, i64, i64)>>;

/// The text of a file, unless it changed meanwhile.
///
/// # Errors
/// [`FileError`]
pub fn read(file: &Path) -> Result<String, FileError> {
    read_at_most(file, u64::MAX)
}

/// The same of a file that may not be longer than this.
///
/// # Errors
/// [`FileError`]
pub fn read_at_most(file: &Path, max_bytes: u64) -> Result<String, FileError> {
    let fail = |mistake: String| FileError::one(file, mistake);
    let before = version(&[file]);
    let mut text = String::new();
    let mut read = || {
        let open = File::open(file)?;
        // All at once: of a secret that is moved as it comes, copies stay behind.
        let length = open.metadata()?.len().min(max_bytes);
        text.try_reserve_exact(usize::try_from(length).unwrap_or(usize::MAX))?;
        open.take(max_bytes.saturating_add(1)).read_to_string(&mut text)
    };
    let length = read().map_err(|error: io::Error| fail(format!("can't be read: {error}")))?;
    if u64::try_from(length).is_ok_and(|length| length > max_bytes) {
        return Err(fail(format!("is longer than {max_bytes} bytes")));
    }
    if version(&[file]) == before {
        Ok(text)
    } else {
        Err(fail("was written to while it was read".to_owned()))
    }
}

fn version(files: &[&Path]) -> Version {
    let version_of = |file: &&Path| {
        let metadata = std::fs::metadata(file).ok()?;
        Some((metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
    };
    files.iter().map(version_of).collect()
}

impl FileError {
    /// One mistake.
    #[must_use]
    pub fn one(file: &Path, mistake: String) -> Self {
        Self { file: file.to_owned(), mistakes: vec![mistake] }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, mistake) in self.mistakes.iter().enumerate() {
            let end = if position + 1 < self.mistakes.len() { "\n" } else { "" };
            write!(f, "{}: {mistake}{end}", self.file.display())?;
        }
        Ok(())
    }
}
