//! What things are called, and what is said of them: texts that are checked once, where they come in.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest id of a holder of keys; as in a keys file.
const HOLDER_ID_BYTES_MAX: usize = 128;

/// Longest name of a proxy.
const PROXY_NAME_BYTES_MAX: usize = 64;

/// Longest name.
const NAME_BYTES_MAX: usize = 256;

/// Longest description.
const DESCRIPTION_BYTES_MAX: usize = 1000;

/// How the ids of callers begin that are known without a key: no holder of a key may pass for one of them.
const RESERVED_IDS: [&str; 2] = ["jwt:", "spiffe:"];

/// Who works on the host itself, in records.
pub(crate) const HOST_ID: &str = "host";

/// The id of a holder of keys.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, min_length = 1, max_length = 128, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f\\u00ad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb\u{e0000}-\u{e007f}]+$")]
pub(crate) struct HolderId(String);

/// The name of a proxy: the id of a holder that can be `proxy.name` of a settings file.
#[derive(Clone, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, pattern = "^[A-Za-z0-9._-]{1,64}$")]
pub(crate) struct ProxyName(HolderId);

/// What people read as the name of something: an organisation, a backend, a tool, an entry of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, min_length = 1, max_length = 256, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f\\u00ad\\u061c\\u180e\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb\u{e0000}-\u{e007f}]+$")]
pub(crate) struct Name(String);

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
    /// It would not show as what it is.
    #[error("must have no characters that do not show, or that turn the direction of others")]
    Hidden,
    /// No URL could name it.
    #[error("must not be `.` or `..`, which no URL can name")]
    Dots,
    /// It would pass for a caller that is known without a key.
    #[error("must not begin with `jwt:` or `spiffe:`, which callers without a key have")]
    Reserved,
    /// It would pass for the host's own operator.
    #[error("must not be `host`, which is whoever works on the host itself")]
    Host,
    /// It could not be in a file's name, or in a metric.
    #[error("must have nothing but letters, digits, `-`, `_` and `.`")]
    Plain,
}

impl HolderId {
    /// Reads an id.
    pub(crate) fn parse(text: String) -> Result<Self, NameError> {
        check(&text, HOLDER_ID_BYTES_MAX)?;
        if text == HOST_ID {
            return Err(NameError::Host);
        }
        if RESERVED_IDS.iter().any(|prefix| text.starts_with(prefix)) {
            return Err(NameError::Reserved);
        }
        Ok(Self(text))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Name {
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

impl TryFrom<String> for Name {
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

impl From<Name> for String {
    fn from(name: Name) -> Self {
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

/// Whether a character is none to be seen, or hides or reorders what stands beside it (Unicode's format characters, and
/// its separators of lines and paragraphs).
pub(crate) fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn check(text: &str, bytes_max: usize) -> Result<(), NameError> {
    if !(1..=bytes_max).contains(&text.len()) {
        return Err(NameError::Length { max: bytes_max });
    }
    if text.chars().any(char::is_control) {
        return Err(NameError::Control);
    }
    if text.contains(misleads) {
        return Err(NameError::Hidden);
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
            ("a\u{202e}b", Some(NameError::Hidden)),
            ("a\u{2066}b", Some(NameError::Hidden)),
            ("a\u{200b}b", Some(NameError::Hidden)),
            ("a\u{200d}b", Some(NameError::Hidden)),
            ("a\u{2028}b", Some(NameError::Hidden)),
            ("a\u{2029}b", Some(NameError::Hidden)),
            ("\u{feff}ab", Some(NameError::Hidden)),
            ("ab\u{e0041}", Some(NameError::Hidden)),
            ("..", Some(NameError::Dots)),
            ("host", Some(NameError::Host)),
            ("hosts", None),
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
        for name in ["jwt:x", "host", "payments.refund", "größe/1 *"] {
            assert_eq!(Name::parse(name.to_owned()).unwrap().as_str(), name);
        }
        assert_eq!(Name::parse("a\u{202e}b".to_owned()), Err(NameError::Hidden));
        assert_eq!(Name::parse("x".repeat(257)), Err(NameError::Length { max: 256 }));
        assert!(Description::try_from("two\nlines".to_owned()).is_ok());
        assert!(Description::try_from("x".repeat(1000)).is_ok());
        for text in ["x".repeat(1001), "\0".to_owned()] {
            Description::try_from(text).unwrap_err();
        }
    }
}
