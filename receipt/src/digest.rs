//! The two digests that bind a receipt to a call: of the body as sent, and of the arguments as meant.

#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::base64url;
use crate::json::{self, JsonError};

/// The longest arguments that are digested.
pub const ARGUMENTS_MAX_BYTES: usize = 16 * 1024 * 1024;

/// The largest integer that a double tells from its neighbours (RFC 7493 section 2.2).
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// A SHA-256 digest, base64url in JSON and in `Display`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Digest(#[serde(with = "base64url")] pub [u8; 32]);

/// Why arguments have no digest: they could mean one thing here and another to the tool.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ArgumentsError {
    /// An integer beyond 2^53 - 1, which readers of JSON round differently.
    #[error("the arguments hold an integer beyond {INTEGER_MAX}")]
    Integer,
    /// Not JSON, or a key twice in one object.
    #[error("the arguments are not plain JSON: {0}")]
    Json(#[from] JsonError),
    /// More than [`ARGUMENTS_MAX_BYTES`].
    #[error("the arguments are longer than {ARGUMENTS_MAX_BYTES} bytes")]
    TooLong,
}

/// The digest of the exact bytes of a body, for the claim `body_sha256`.
#[must_use]
pub fn body_sha256(body: &[u8]) -> Digest {
    Digest(Sha256::digest(body).into())
}

/// The digest of a tool's arguments in canonical form (RFC 8785), for the claim `args_sha256`. The same
/// arguments written differently have the same digest.
///
/// # Errors
/// [`ArgumentsError`] where two different readings of the text are possible.
pub fn args_sha256(args: &str) -> Result<Digest, ArgumentsError> {
    if args.len() > ARGUMENTS_MAX_BYTES {
        return Err(ArgumentsError::TooLong);
    }
    let value: Value = json::from_slice(args.as_bytes())?;
    if has_inexact_integer(args) {
        return Err(ArgumentsError::Integer);
    }
    let canonical = serde_json_canonicalizer::to_vec(&value).map_err(JsonError::from)?;
    Ok(body_sha256(&canonical))
}

/// Whether valid JSON text holds an integer beyond [`INTEGER_MAX`]. The parsed value cannot say: it keeps
/// a longer integer as the nearest double.
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

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        base64url::display(&self.0).fmt(f)
    }
}
