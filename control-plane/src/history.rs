//! How much of the past is kept.

/// What each organisation keeps of its past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// Most revisions of its policy. The oldest go first; the one in force and the one before it always stay.
    pub revisions_max: u32,
    /// Most bytes that those revisions brought, about.
    pub revision_bytes_max: u64,
    /// Days that records of activity are kept.
    pub activity_days: u32,
}
