//! How long to wait before the next try: doubling, with full jitter, so that many who lost the same peer do not all come back at once.

/// The longest first wait.
const FIRST_MS: u64 = 500;
/// The longest wait of all.
const MAX_MS: u64 = 30_000;

/// Counts the tries that failed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    failed: u32,
}

impl Backoff {
    /// Another try failed: how long to wait, in milliseconds, anywhere up to twice as long as before. `entropy` is 64
    /// random bits.
    pub fn next_ms(&mut self, entropy: u64) -> u64 {
        let longest = FIRST_MS.checked_shl(self.failed).map_or(MAX_MS, |longest| longest.min(MAX_MS));
        self.failed = self.failed.saturating_add(1).min(16);
        entropy % (longest + 1)
    }

    /// A try came to something.
    pub const fn reset(&mut self) {
        self.failed = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_half_a_minute() {
        let mut backoff = Backoff::default();
        for longest in [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            let mut same = backoff;
            assert_eq!(same.next_ms(0), 0);
            assert_eq!(backoff.next_ms(longest), longest);
        }
        for _ in 0..100 {
            assert!(backoff.next_ms(u64::MAX) <= 30_000);
        }
        backoff.reset();
        assert_eq!(backoff.next_ms(500), 500);
    }
}
