//! What things are called, and what is said of them: texts that are checked once, where they come in.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest id of a holder of keys; as in a keys file.
const HOLDER_ID_BYTES_MAX: usize = 128;

/// Longest name of a proxy.
const PROXY_NAME_BYTES_MAX: usize = 64;

/// Longest name of an organisation, or of something in the catalogue.
const NAME_BYTES_MAX: usize = 256;

/// Longest description.
const DESCRIPTION_BYTES_MAX: usize = 1000;

/// How the ids of callers begin that are known without a key: no holder of a key may pass for one of them.
const RESERVED_IDS: [&str; 2] = ["jwt:", "spiffe:"];

/// The id of a holder of keys.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, min_length = 1, max_length = 128, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
pub(crate) struct HolderId(String);

/// The name of a proxy: the id of a holder that can be `proxy.name` of a settings file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(try_from = "String")]
#[schema(value_type = String, pattern = "^[A-Za-z0-9._-]{1,64}$")]
pub(crate) struct ProxyName(HolderId);

/// The name of an organisation, a tenant, a resource or a method.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, min_length = 1, max_length = 256, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")]
pub(crate) struct EntryName(String);

/// A word for people.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, max_length = 1000, pattern = "^[^\\x00]*$")]
pub(crate) struct Description(String);

/// Why a text cannot be what it is meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It has no or too many bytes.
    #[error("must have 1 to {max} bytes")]
    Length {
        /// The most it may have.
        max: usize,
    },
    /// It has a control character.
    #[error("must have no control characters")]
    Control,
    /// No URL could name it.
    #[error("must not be `.` or `..`, which no URL can name")]
    Dots,
    /// It would pass for a caller that is known without a key.
    #[error("must not begin with `jwt:` or `spiffe:`, which callers without a key have")]
    Reserved,
    /// It could not be in a file's name, or in a metric.
    #[error("must have nothing but letters, digits, `-`, `_` and `.`")]
    Plain,
}

impl HolderId {
    /// Reads an id.
    pub(crate) fn parse(text: String) -> Result<Self, NameError> {
        check(&text, HOLDER_ID_BYTES_MAX)?;
        if RESERVED_IDS.iter().any(|prefix| text.starts_with(prefix)) {
            return Err(NameError::Reserved);
        }
        Ok(Self(text))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl EntryName {
    /// Reads a name.
    pub(crate) fn parse(text: String) -> Result<Self, NameError> {
        check(&text, NAME_BYTES_MAX)?;
        Ok(Self(text))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for HolderId {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for ProxyName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        if text.len() > PROXY_NAME_BYTES_MAX {
            return Err(NameError::Length { max: PROXY_NAME_BYTES_MAX });
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !text.bytes().all(is_plain) {
            return Err(NameError::Plain);
        }
        HolderId::parse(text).map(Self)
    }
}

impl TryFrom<String> for EntryName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Description {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        if text.len() > DESCRIPTION_BYTES_MAX {
            return Err(NameError::Length { max: DESCRIPTION_BYTES_MAX });
        }
        if text.contains('\0') { Err(NameError::Control) } else { Ok(Self(text)) }
    }
}

impl From<HolderId> for String {
    fn from(id: HolderId) -> Self {
        id.0
    }
}

impl From<ProxyName> for HolderId {
    fn from(name: ProxyName) -> Self {
        name.0
    }
}

impl From<EntryName> for String {
    fn from(name: EntryName) -> Self {
        name.0
    }
}

impl From<Description> for String {
    fn from(description: Description) -> Self {
        description.0
    }
}

impl fmt::Display for HolderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check(text: &str, bytes_max: usize) -> Result<(), NameError> {
    if !(1..=bytes_max).contains(&text.len()) {
        return Err(NameError::Length { max: bytes_max });
    }
    if text.chars().any(char::is_control) {
        return Err(NameError::Control);
    }
    if matches!(text, "." | "..") { Err(NameError::Dots) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_name_is_refused_with_its_reason() {
        for (text, expected) in [
            ("agent-7", None),
            ("Ada Lovelace/é …", None),
            ("", Some(NameError::Length { max: 128 })),
            ("a\0b", Some(NameError::Control)),
            ("a\nb", Some(NameError::Control)),
            ("a\u{85}b", Some(NameError::Control)),
            ("..", Some(NameError::Dots)),
            ("jwt:ada", Some(NameError::Reserved)),
            ("spiffe://x/y", Some(NameError::Reserved)),
        ] {
            assert_eq!(HolderId::parse(text.to_owned()).err(), expected, "{text:?}");
        }
        assert!(HolderId::parse("x".repeat(128)).is_ok());
        assert_eq!(HolderId::parse("é".repeat(65)), Err(NameError::Length { max: 128 }));
        for (text, expected) in [
            ("gate-1_a.b", None),
            ("", Some(NameError::Length { max: 128 })),
            (&"x".repeat(65), Some(NameError::Length { max: 64 })),
            ("gate 1", Some(NameError::Plain)),
            ("gäte", Some(NameError::Plain)),
            ("..", Some(NameError::Dots)),
        ] {
            assert_eq!(ProxyName::try_from(text.to_owned()).err(), expected, "{text:?}");
        }
        assert!(EntryName::parse("jwt:x".to_owned()).is_ok());
        assert_eq!(EntryName::parse("x".repeat(257)), Err(NameError::Length { max: 256 }));
        assert!(Description::try_from("two\nlines".to_owned()).is_ok());
        assert!(Description::try_from("x".repeat(1000)).is_ok());
        for text in ["x".repeat(1001), "\0".to_owned()] {
            Description::try_from(text).unwrap_err();
        }
    }
}
