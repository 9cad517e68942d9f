//! What one client connection may take up.

use std::time::Duration;

use prometheus::IntCounterVec;
use protocol::http1;

/// Limits of a connection.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Of a request's head.
    pub head: http1::Limits,
    /// How long a head may take from its first byte, and how long a connection's first byte may take.
    pub header_timeout: Duration,
    /// How long a connection may be idle between requests.
    pub keep_alive: Duration,
    /// How long a client may take nothing of an answer that waits for it.
    pub write_timeout: Duration,
    /// How much is thrown away of what a client still sends when its connection ends.
    pub linger_bytes: usize,
    /// Counts a limit that is reached, by its name in the settings.
    pub reached: IntCounterVec,
}

impl Limits {
    /// Counts a limit that is reached, by its name in the settings.
    pub fn count(&self, limit: &str) {
        self.reached.with_label_values(&[limit]).inc();
    }
}
