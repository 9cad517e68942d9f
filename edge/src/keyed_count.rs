//! How many are under way for each of many keys, in fixed memory however many keys there are: a count-min sketch. Keys
//! that fall together are counted together, so a count may be too high for a while, and is never too low.

use std::hash::Hash;

use pingora_limits::inflight::{Guard, Inflight};

/// Counts with one limit, a count for each key.
pub struct KeyedCount {
    sketch: Inflight,
    max: isize,
}

/// One unit of a key's count, given back on drop.
#[derive(Debug)]
pub struct KeyCounted {
    _guard: Guard,
}

impl KeyedCount {
    /// With that limit.
    #[must_use]
    pub fn new(max: u32) -> Self {
        Self { sketch: Inflight::new(), max: isize::try_from(max).unwrap_or(isize::MAX) }
    }

    /// Counts one more of a key, unless that would be more than the limit.
    pub fn enter(&self, key: impl Hash) -> Option<KeyCounted> {
        let (guard, count) = self.sketch.incr(key, 1);
        (count <= self.max).then_some(KeyCounted { _guard: guard })
    }
}

impl std::fmt::Debug for KeyedCount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyedCount").field("max", &self.max).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_count() {
        let count = KeyedCount::new(2);
        let first = count.enter("a");
        let _second = count.enter("a");
        assert!(first.is_some() && count.enter("b").is_some());
        assert!(count.enter("a").is_none());
        drop(first);
        assert!(count.enter("a").is_some());
    }
}
