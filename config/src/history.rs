//! How much of the past a control plane keeps.

use schemars::JsonSchema;
use serde::Deserialize;

/// How much of the past each organisation keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct History {
    /// Most revisions of its policy. The oldest go first; the one in force and the one before it always stay.
    #[schemars(range(min = 2, max = 100_000))]
    pub max_revisions: u32,
    /// Most bytes that those revisions brought, about. The oldest go first, as above.
    #[schemars(range(min = 1_048_576, max = 1_099_511_627_776_u64))]
    pub max_revision_bytes: u64,
    /// How long what was done and asked stays on record.
    #[schemars(range(min = 1, max = 36_500))]
    pub activity_days: u32,
}

impl Default for History {
    fn default() -> Self {
        Self { max_revisions: 2000, max_revision_bytes: 256 * 1024 * 1024, activity_days: 400 }
    }
}
