//! When files are to be loaded again.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::{Version, version};

/// How often files are looked at. A change is loaded once it has stood still for one interval: a file that is being
/// written may be a shorter, looser policy for a moment.
pub const WATCH_INTERVAL: Duration = Duration::from_millis(250);

/// Files that are loaded together, watched by looking at them again and again.
#[derive(Debug)]
pub struct Watch {
    /// The version that was loaded last, or refused.
    loaded: Version,
    /// The version that was there at the last look.
    seen: Version,
    /// When it was first seen; `None` for the one of the start.
    seen_since: Option<Instant>,
    /// Whether it is to be loaded although it has not changed.
    is_due: bool,
}

/// What a look says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// They are to be loaded now.
    Load,
    /// They are what was loaded last.
    Loaded,
    /// They are others, and have not stood still for long enough.
    Unsettled,
}

impl Watch {
    /// Of files that are loaded right after this.
    #[must_use]
    pub fn begin(files: &[&Path]) -> Self {
        let seen = version(files);
        Self { loaded: seen.clone(), seen, seen_since: None, is_due: false }
    }

    /// They are loaded again although they have not changed, once they stand still.
    pub const fn demand(&mut self) {
        self.is_due = true;
    }

    /// Looks at the files.
    pub fn look(&mut self, files: &[&Path]) -> Look {
        let now = version(files);
        if now != self.seen {
            (self.seen, self.seen_since) = (now.clone(), Some(Instant::now()));
        }
        // By time, not by looks: being asked twice in a row must not make a half-written file stand still.
        let stands_still = self.seen_since.is_none_or(|since| since.elapsed() >= WATCH_INTERVAL);
        if stands_still && (self.is_due || now != self.loaded) {
            (self.loaded, self.is_due) = (now, false);
            Look::Load
        } else if now == self.loaded {
            Look::Loaded
        } else {
            Look::Unsettled
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_loaded_once_and_not_before_it_stands_still() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let files = [file.path()];
        let mut watch = Watch::begin(&files);
        assert_eq!(watch.look(&files), Look::Loaded);
        std::fs::write(&file, "half").unwrap();
        assert_eq!(watch.look(&files), Look::Unsettled);
        watch.demand();
        assert_eq!(watch.look(&files), Look::Unsettled, "asked for or not");
        let since = Instant::now();
        while watch.look(&files) == Look::Unsettled {
            assert!(since.elapsed() < WATCH_INTERVAL * 40);
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(since.elapsed() >= WATCH_INTERVAL / 2);
        assert_eq!(watch.look(&files), Look::Loaded);
        watch.demand();
        assert_eq!([watch.look(&files), watch.look(&files)], [Look::Load, Look::Loaded]);
    }
}
