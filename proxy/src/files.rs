//! The watched files: policy, API keys, receipt keys, TLS. A version that does not load changes nothing but a metric.

mod load;
mod reload;
mod watched;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::clock;
use crate::state::Shared;
pub(crate) use load::{compile, load_first, signing_keys};
use reload::reload;
pub(crate) use reload::told;
use watched::Watched;

/// How often files are looked at. A change is loaded once it has stood still for one interval: a file that is being
/// written may be a shorter, looser policy for a moment.
const WATCH_INTERVAL: Duration = Duration::from_millis(250);

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

/// Watches the files until the proxy stops. `reread` asks for a look at once.
pub(crate) async fn watch(shared: Arc<Shared>, mut reread: watch::Receiver<()>) {
    let mut watchers: Vec<Watcher> = Watched::all(&shared.settings)
        .map(|watched| {
            let seen = version(&watched.paths(&shared.settings));
            // What was loaded at the start is loaded again: it may have changed before this looked for the first time.
            Watcher { watched, loaded: seen.clone(), seen, seen_since: None, is_due: true, in_force: false }
        })
        .collect();
    loop {
        for watcher in &mut watchers {
            watcher.look(&shared).await;
        }
        tokio::select! {
            () = tokio::time::sleep(WATCH_INTERVAL) => {}
            asked = reread.changed() => match asked {
                // Asked for or not, a file is loaded only while it stands still.
                Ok(()) => watchers.iter_mut().for_each(|watcher| watcher.is_due = true),
                Err(_) => return,
            },
        }
    }
}

struct Watcher {
    watched: Watched,
    /// The version that was loaded last, or refused.
    loaded: Version,
    /// The version that was there at the last look.
    seen: Version,
    /// When it was first seen; `None` for the one of the start.
    seen_since: Option<Instant>,
    /// Whether it is to be loaded although it has not changed.
    is_due: bool,
    /// Whether `loaded` is in force.
    in_force: bool,
}

impl Watcher {
    async fn look(&mut self, shared: &Arc<Shared>) {
        let paths = self.watched.paths(&shared.settings);
        if paths.is_empty() {
            return;
        }
        let now = version(&paths);
        if now != self.seen {
            (self.seen, self.seen_since) = (now.clone(), Some(Instant::now()));
        }
        // By time, not by looks: being asked twice in a row must not make a half-written file stand still.
        let stands_still = self.seen_since.is_none_or(|since| since.elapsed() >= WATCH_INTERVAL);
        if stands_still && (self.is_due || now != self.loaded) {
            (self.loaded, self.is_due) = (now, false);
            let (shared, watched) = (Arc::clone(shared), self.watched);
            // Reading and compiling a large policy takes a while: not on this thread.
            let reloaded = tokio::task::spawn_blocking(move || reload(&shared, watched)).await;
            self.in_force = reloaded.unwrap_or_else(|_| {
                tracing::error!(?watched, "loading the file failed in an unforeseen way");
                false
            });
        } else if self.watched == Watched::Policy && self.in_force && now == self.loaded {
            shared.confirm_policy(clock::now());
        }
    }
}

/// The text of a file, unless it changed meanwhile.
pub(crate) fn read(file: &Path) -> Result<String, FileError> {
    read_at_most(file, u64::MAX)
}

/// The same of a file that may not be longer than this.
pub(crate) fn read_at_most(file: &Path, max_bytes: u64) -> Result<String, FileError> {
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
    pub(crate) fn one(file: &Path, mistake: String) -> Self {
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
