//! What was last known to be good, on the disk: one signed file of each subject. A file is whole or not there at all, also
//! after a loss of power, and says by the time of its last change when it was last known to be what the control plane has.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use policy::UnixMillis;
use policy_sync::{Document, Subject, TrustedKeys, Version};
use zeroize::Zeroizing;

use watched_files::{FileError, read_at_most};

/// Of a character in JSON, at most.
const ESCAPED_BYTES_MAX: u64 = 6;

/// All else in a file.
const AROUND_BYTES_MAX: u64 = 16 * 1024;

/// The folder of what was last known to be good. No other proxy has it as long as this lives.
#[derive(Debug)]
pub(super) struct Disk {
    directory: PathBuf,
    locked: File,
    /// What is in the files. Whoever writes one holds this.
    saved: Mutex<BTreeMap<Subject, Version>>,
}

/// A document that was on the disk.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) document: Document,
    /// When it was last known to be what the control plane has.
    pub(super) confirmed_at: UnixMillis,
}

impl Disk {
    /// Makes the folder if it is missing, and removes files that were never finished.
    pub(super) fn open(directory: &Path) -> Result<Self, FileError> {
        let fail = |what: &str, error: io::Error| FileError::one(directory, format!("{what}: {error}"));
        // The receipt keys are in there.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| fail("can't be made", error))?;
        let locked = File::open(directory).map_err(|error| fail("can't be opened", error))?;
        locked.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                FileError::one(directory, "another proxy uses it; give each its own".to_owned())
            }
            TryLockError::Error(error) => fail("can't be locked", error),
        })?;
        for subject in Subject::ALL {
            match std::fs::remove_file(unfinished(directory, subject)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(fail("has an unfinished file that can't be removed", error));
                }
                _ => {}
            }
        }
        Ok(Self { directory: directory.to_owned(), locked, saved: Mutex::default() })
    }

    /// What there is of a subject, if its signature is good.
    pub(super) fn load(
        &self,
        subject: Subject,
        trusted: &TrustedKeys,
        document_max_bytes: usize,
    ) -> Result<Option<Kept>, String> {
        let file = finished(&self.directory, subject);
        let metadata = match std::fs::metadata(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            metadata => metadata.map_err(|error| error.to_string())?,
        };
        let text = read_at_most(&file, bundle_max_bytes(document_max_bytes))
            .map(Zeroizing::new)
            .map_err(|error| error.to_string())?;
        let document = Document::from_bundle(&text, trusted).map_err(|error| error.to_string())?;
        if document.header().subject != subject {
            return Err(format!("it is about `{}`", document.header().subject.as_str()));
        }
        if document.text().len() > document_max_bytes {
            return Err(format!("it is longer than {document_max_bytes} bytes"));
        }
        let changed = metadata.modified().map_err(|error| error.to_string())?;
        let since = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
        let confirmed_at = UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        saved.insert(subject, document.version());
        Ok(Some(Kept { document, confirmed_at }))
    }

    /// Keeps a document that the control plane has right now.
    pub(super) fn keep(&self, document: &Document) -> io::Result<()> {
        let subject = document.header().subject;
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        match saved.get(&subject) {
            Some(version) if *version == document.version() => {
                let file = OpenOptions::new().write(true).open(finished(&self.directory, subject))?;
                file.set_modified(SystemTime::now())
            }
            // One that came later was kept meanwhile.
            Some(version) if version.revision > document.header().revision => Ok(()),
            _ => {
                self.write(document)?;
                saved.insert(subject, document.version());
                Ok(())
            }
        }
    }

    fn write(&self, document: &Document) -> io::Result<()> {
        let subject = document.header().subject;
        let unfinished = unfinished(&self.directory, subject);
        let bundle = Zeroizing::new(document.to_bundle());
        let written = write_new(&unfinished, bundle.as_bytes());
        let finished =
            written.and_then(|()| std::fs::rename(&unfinished, finished(&self.directory, subject)));
        if finished.is_err() {
            // What made the one fail may make the other fail too.
            let _left = std::fs::remove_file(&unfinished);
        }
        finished?;
        // The name is on the disk too.
        self.locked.sync_all()
    }
}

/// The longest file that a document of so many bytes may stand in.
fn bundle_max_bytes(document_max_bytes: usize) -> u64 {
    let max_bytes = u64::try_from(document_max_bytes).unwrap_or(u64::MAX);
    max_bytes.saturating_mul(ESCAPED_BYTES_MAX).saturating_add(AROUND_BYTES_MAX)
}

fn write_new(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    new.write_all(bytes)?;
    new.sync_all()
}

fn finished(directory: &Path, subject: Subject) -> PathBuf {
    directory.join(subject.as_str()).with_extension("signed")
}

fn unfinished(directory: &Path, subject: Subject) -> PathBuf {
    directory.join(subject.as_str()).with_extension("signed.unfinished")
}

#[cfg(test)]
mod tests;
