//! The one place where this crate reads the clock. Everything else takes the time as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

use policy::UnixMillis;

/// The present moment. A clock set before 1970 reads as 1970.
pub(crate) fn now() -> UnixMillis {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
}
