//! Open files: every connection takes one, and a system lets a process have only so many.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the process's own limit to so many, or as far as the system lets it. Gives how many files it may have open.
#[must_use]
pub fn raise_limit_of_open_files(wanted: u64) -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    let now = limit.current.unwrap_or(u64::MAX);
    if now >= wanted {
        return now;
    }
    limit.current = Some(wanted.min(most));
    if setrlimit(Resource::Nofile, limit).is_ok() { wanted.min(most) } else { now }
}
