//! A tool's definition as its backend lists it, and the digest by which a policy pins it.
//!
//! The digest is the SHA-256 of the RFC 8785 form, less what does not change how a tool is used: `_meta` and `icons`.

#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::unique::Unique;

/// Members of a definition that its digest leaves out.
const LEFT_OUT: [&str; 2] = ["_meta", "icons"];

/// Largest integer that RFC 8785 keeps apart from its neighbours (2^53 - 1).
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// SHA-256 of a definition: 64 lower-case hexadecimal digits in documents and in `Display`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DefinitionDigest([u8; 32]);

/// A definition in its canonical form, and its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolDefinition {
    digest: DefinitionDigest,
    canonical: String,
}

/// Why a definition has no canonical form: nobody can say that two readers see the same in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotADefinition {
    /// An integer that a double cannot hold.
    #[error("it holds an integer beyond 2^53")]
    Integer,
    /// Not the JSON text of an object that names each key once.
    #[error("it is not a JSON object that names each key once")]
    NotAnObject,
}

impl ToolDefinition {
    /// Reads the JSON text of one tool of a list.
    ///
    /// # Errors
    /// [`NotADefinition`] if it has no canonical form.
    pub fn read(json: &str) -> Result<Self, NotADefinition> {
        let Ok(Unique(Value::Object(mut members))) = serde_json::from_str(json) else {
            return Err(NotADefinition::NotAnObject);
        };
        if has_inexact_integer(json) {
            return Err(NotADefinition::Integer);
        }
        members.retain(|name, _| !LEFT_OUT.contains(&name.as_str()));
        let canonical =
            serde_json_canonicalizer::to_string(&members).map_err(|_| NotADefinition::NotAnObject)?;
        Ok(Self { digest: DefinitionDigest::of_bytes(canonical.as_bytes()), canonical })
    }

    /// Its digest.
    #[must_use]
    pub const fn digest(&self) -> DefinitionDigest {
        self.digest
    }

    /// Its canonical form: JSON, its members sorted.
    #[must_use]
    pub fn into_canonical(self) -> String {
        self.canonical
    }
}

impl DefinitionDigest {
    /// The digest of bytes as they are, for a definition that has no canonical form. No pin of one that has equals it.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Reads 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 64 || !text.bytes().all(is_digit) {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    pub(crate) const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Whether valid JSON text holds an integer beyond [`INTEGER_MAX`]. The parsed value cannot say: it keeps a longer
/// integer as the nearest double.
fn has_inexact_integer(json: &str) -> bool {
    // Without its escapes, every second part between quotes is outside of any string.
    let unescaped = json.replace(r"\\", "").replace(r#"\""#, "");
    let outside_strings = unescaped.split('"').step_by(2);
    let mut tokens = outside_strings.flat_map(|text| text.split(|c| " \t\r\n,:[]{}".contains(c)));
    tokens.any(|token| {
        let digits = token.strip_prefix('-').unwrap_or(token);
        let is_integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_integer && digits.parse::<u64>().map_or(true, |integer| integer > INTEGER_MAX)
    })
}

impl fmt::Display for DefinitionDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for DefinitionDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for DefinitionDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
