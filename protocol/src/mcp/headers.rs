//! `Mcp-Method` and `Mcp-Name`, which repeat what the body says (2026-07-28). Nothing is decided on them; where they
//! differ from the body, somebody on the way could be misled, and the request is refused.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::message::Message;

/// The JSON-RPC error code for a header that differs from the body; it goes with HTTP status 400.
pub const HEADER_MISMATCH: i32 = -32020;

/// A header that differs from the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, strum::EnumIter, strum::EnumMessage)]
pub enum HeaderMismatch {
    /// `Mcp-Method` is not the body's method.
    #[error("the header `Mcp-Method` differs from the body")]
    Method,
    /// `Mcp-Name` is not what the body's method acts on.
    #[error("the header `Mcp-Name` differs from the body")]
    Name,
    /// `MCP-Protocol-Version` is not the version in the body's `_meta`.
    #[error("the header `MCP-Protocol-Version` differs from the body")]
    Version,
}

impl HeaderMismatch {
    /// The mismatch's stable name: a metric label, and the word in records and documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Method => "method-header-mismatch",
            Self::Name => "name-header-mismatch",
            Self::Version => "version-header-mismatch",
        }
    }
}

/// Compares every value of `Mcp-Method` and `Mcp-Name` with the body. A header that is missing is the backend's to
/// judge, and so is a name for a method that acts on no one thing.
///
/// # Errors
/// A value differs, or cannot be decoded.
pub fn check_headers<'h>(
    mcp_method: impl IntoIterator<Item = &'h [u8]>,
    mcp_name: impl IntoIterator<Item = &'h [u8]>,
    message: &Message<'_>,
) -> Result<(), HeaderMismatch> {
    let method = message.method();
    if !mcp_method.into_iter().all(|header| method.is_some_and(|method| says(header, method))) {
        return Err(HeaderMismatch::Method);
    }
    let Some((method, params)) = method.zip(message.params()) else { return Ok(()) };
    if super::subject(method).is_none() {
        return Ok(());
    }
    let subject = params.subject(method);
    if !mcp_name.into_iter().all(|header| subject.is_some_and(|subject| says(header, subject))) {
        return Err(HeaderMismatch::Name);
    }
    Ok(())
}

/// True when the header's value says the text: as plain ASCII, or as Base64 of UTF-8 between the two marks.
fn says(header: &[u8], text: &str) -> bool {
    let encoded = header.strip_prefix(b"=?base64?").and_then(|rest| rest.strip_suffix(b"?="));
    match encoded {
        Some(encoded) => STANDARD.decode(encoded).is_ok_and(|decoded| decoded == text.as_bytes()),
        None => header.is_ascii() && header == text.as_bytes(),
    }
}
