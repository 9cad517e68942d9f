//! The one place that reads the time of day.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use policy::UnixMillis;

/// Now.
pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Since this was first asked: a time that never goes back, whatever the time of day does.
pub(crate) fn uptime() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

/// The same in milliseconds.
pub(crate) fn uptime_ms() -> u64 {
    u64::try_from(uptime().as_millis()).unwrap_or(u64::MAX)
}
