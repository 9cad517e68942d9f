//! The three permissions, in order of strictness.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What policy says of a call. The order is the order of strictness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// The call goes through.
    Allowed,
    /// The call goes through once a person has said yes.
    RequiresApproval,
    /// The call never goes through.
    Disabled,
}

impl Permission {
    /// The word used on the wire, in metrics and in documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::RequiresApproval => "requires_approval",
            Self::Disabled => "disabled",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
