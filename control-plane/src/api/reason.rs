//! Why somebody does something, in their own words.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest reason.
const REASON_BYTES_MAX: usize = 1000;

/// A text of 1 to 1000 bytes without control characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, min_length = 1, max_length = 1000, pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$")]
pub(super) struct Reason(String);

/// A text that is no reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reason has 1 to 1000 bytes and no control characters")]
pub(super) struct NotAReason;

impl TryFrom<String> for Reason {
    type Error = NotAReason;

    fn try_from(text: String) -> Result<Self, NotAReason> {
        let is_reason = (1..=REASON_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control);
        if is_reason { Ok(Self(text)) } else { Err(NotAReason) }
    }
}

impl From<Reason> for String {
    fn from(reason: Reason) -> Self {
        reason.0
    }
}
