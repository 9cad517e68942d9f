//! The one place that reads the time of day.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use policy::UnixMillis;

/// Now.
pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Milliseconds since this was asked for the first time. It never goes back, whatever the time of day does.
pub(crate) fn uptime_ms() -> u64 {
    static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(FIRST.elapsed().as_millis()).unwrap_or(u64::MAX)
}
