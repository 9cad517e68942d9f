//! How long approvals last, and how many there may be.

use policy::approval::USE_WITHIN_SECONDS_DEFAULT;

/// How approvals are given out.
#[derive(Clone, Copy, Debug)]
pub struct ApprovalRules {
    /// How long people are given where the tool says nothing; clamped to 60 s to 7 days. Absent: one hour.
    pub life_seconds: Option<u64>,
    /// How long an approved call may take to come back.
    pub use_within_seconds: u64,
    /// Most approvals pending at once.
    pub pending_max: u64,
    /// Most approvals pending at once for one caller.
    pub pending_per_caller_max: u64,
    /// Most held calls that wait at once.
    pub holds_max: usize,
    /// Most held calls of one proxy that wait at once.
    pub holds_per_link_max: usize,
    /// Most proxies that are connected at once.
    pub links_max: usize,
}

impl Default for ApprovalRules {
    fn default() -> Self {
        Self {
            life_seconds: None,
            use_within_seconds: USE_WITHIN_SECONDS_DEFAULT,
            pending_max: 10_000,
            pending_per_caller_max: 100,
            holds_max: 100_000,
            holds_per_link_max: 10_000,
            links_max: 10_000,
        }
    }
}
