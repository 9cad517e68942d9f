//! Names that come with requests.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest name.
const NAME_BYTES_MAX: usize = 256;

/// A name of 1 to 256 bytes without control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, min_length = 1, max_length = 256, pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$")]
pub(super) struct Name(String);

/// A text that is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to 256 bytes and no control characters")]
pub(super) struct NotAName;

impl Name {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Self, NotAName> {
        let is_name = (1..=NAME_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control);
        if is_name { Ok(Self(text)) } else { Err(NotAName) }
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_can_be_shown() {
        for good in ["a", "payments.refund", "größe/1 *", &"x".repeat(256)] {
            assert_eq!(Name::try_from(good.to_owned()).unwrap().as_str(), good);
        }
        for bad in ["", "a\0b", "a\n", "\u{7f}", "\u{85}", &"x".repeat(257), &"ö".repeat(129)] {
            assert_eq!(Name::try_from(bad.to_owned()), Err(NotAName), "{bad:?}");
        }
    }
}
