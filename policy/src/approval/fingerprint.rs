//! What an approval is about: a digest of everything that makes two calls the same call.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::error::Category;
use sha2::{Digest, Sha256};

use crate::unique::Unique;
use crate::{Call, Definition, Unread};

/// Largest integer that RFC 8785 keeps apart from its neighbours (2^53 - 1).
const INTEGER_MAX: u64 = (1 << 53) - 1;

/// SHA-256 over org, tenant, caller, backend, tool, method, resource and the RFC 8785 form of the arguments.
///
/// Never over the request's id: a repeated call is the same call. Over what else the call carries, as it came. Where the tool's definition is not the accepted one,
/// over what its backend shows, too.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; 32]);

/// Arguments that have no RFC 8785 form which tells them from other arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCanonical {
    /// Not the JSON text of an object.
    #[error("the arguments are not a JSON object")]
    NotAnObject,
    /// An object that names a key twice: readers disagree on which one counts.
    #[error("the arguments name a key twice")]
    DuplicateKey,
    /// An integer that a double cannot hold, so that two different calls would look like one.
    #[error(
        "the arguments hold an integer beyond 2^53, which cannot be told from its neighbours; pass it as text"
    )]
    NumberTooLarge,
}

impl Fingerprint {
    /// The fingerprint of a call of one organisation.
    ///
    /// # Errors
    /// [`NotCanonical`] if the arguments cannot be told from others, so that no approval can be about them.
    pub fn of(org: &str, call: &Call<'_>) -> Result<Self, NotCanonical> {
        let Unique(arguments) =
            serde_json::from_str(call.arguments).map_err(|error| match error.classify() {
                Category::Data => NotCanonical::DuplicateKey,
                Category::Io | Category::Syntax | Category::Eof => NotCanonical::NotAnObject,
            })?;
        if !arguments.is_object() {
            return Err(NotCanonical::NotAnObject);
        }
        if !is_exact(&arguments) {
            return Err(NotCanonical::NumberTooLarge);
        }
        let canonical =
            serde_json_canonicalizer::to_vec(&arguments).map_err(|_| NotCanonical::NotAnObject)?;
        let mut digest = Sha256::new();
        digest.update(b"oakgate-fingerprint-1");
        for dimension in [
            Some(org),
            call.tenant,
            Some(call.caller.id.as_str()),
            Some(call.backend),
            Some(call.tool),
            call.method,
            call.resource,
        ] {
            absorb(&mut digest, dimension.map(str::as_bytes));
        }
        absorb(&mut digest, Some(&canonical));
        match call.unread {
            Unread::Nothing => absorb(&mut digest, None),
            Unread::Body(body) => absorb(&mut digest, Some(body)),
            Unread::Answers { answers, state } => {
                absorb(&mut digest, None);
                absorb(&mut digest, answers.map(str::as_bytes));
                absorb(&mut digest, state.map(str::as_bytes));
            }
        }
        // Who approves a tool that changed approves what it is now.
        match call.definition {
            Definition::Accepted => {}
            Definition::Changed(definition) => absorb(&mut digest, Some(definition.bytes())),
            Definition::Unknown => absorb(&mut digest, Some(b"unknown")),
        }
        Ok(Self(digest.finalize().into()))
    }
}

/// Presence and length go first, so that no two lists of dimensions run into the same bytes.
fn absorb(digest: &mut Sha256, part: Option<&[u8]>) {
    match part {
        None => digest.update([0]),
        Some(bytes) => {
            digest.update([1]);
            digest.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            digest.update(bytes);
        }
    }
}

fn is_exact(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => true,
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(signed), _) => signed.unsigned_abs() <= INTEGER_MAX,
            (None, Some(_)) => false,
            // A number written with a fraction or exponent is a double to every reader; one written as an
            // integer but too long for 64 bits also arrives here, and is as large as it looks.
            (None, None) => {
                number.as_f64().is_some_and(|double| double.fract() != 0.0 || double.abs() < 9e15)
            }
        },
        Value::Array(items) => items.iter().all(is_exact),
        Value::Object(fields) => fields.values().all(is_exact),
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a fingerprint: expected 64 hexadecimal digits")]
pub struct NotAFingerprint;

impl TryFrom<String> for Fingerprint {
    type Error = NotAFingerprint;

    fn try_from(text: String) -> Result<Self, NotAFingerprint> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotAFingerprint);
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| NotAFingerprint)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| NotAFingerprint)?;
        }
        Ok(Self(bytes))
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

#[cfg(test)]
mod tests;
