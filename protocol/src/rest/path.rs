//! Paths: decoded once, and refused where one backend would see another path than the next.

#[cfg(test)]
mod tests;

use std::fmt;

use thiserror::Error;

use crate::percent::{self, Undecodable};

/// The longest path, in bytes.
pub const PATH_BYTES_MAX: usize = 8 * 1024;
/// The most segments in a path.
pub const PATH_SEGMENTS_MAX: usize = 64;

/// Characters that Unicode's compatibility forms, or a code page's best fit, turn into `.`, `/`, `\`, `%` or `;`.
const LOOKALIKES: [char; 24] = [
    '\u{2024}', '\u{2025}', '\u{2026}', '\u{2044}', '\u{2100}', '\u{2101}', '\u{2105}', '\u{2106}',
    '\u{2215}', '\u{2216}', '\u{29f5}', '\u{29f8}', '\u{29f9}', '\u{fe19}', '\u{fe30}', '\u{fe52}',
    '\u{fe54}', '\u{fe68}', '\u{fe6a}', '\u{ff05}', '\u{ff0e}', '\u{ff0f}', '\u{ff1b}', '\u{ff3c}',
];

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, strum::EnumIter, strum::EnumMessage)]
pub enum PathRefused {
    /// A backslash, which some servers take for a slash, plain or encoded.
    #[error("a backslash")]
    Backslash,
    /// It is a route's path but for letter case.
    #[error("a route's path but for letter case")]
    CaseVariant,
    /// A character that RFC 3986 does not allow in a path.
    #[error("a character that must be percent-encoded")]
    Character,
    /// NUL or another control character.
    #[error("a control character")]
    ControlCharacter,
    /// A segment of nothing but dots and spaces, such as `.` or `..`, plain or encoded.
    #[error("a segment of dots")]
    DotSegment,
    /// It is percent-encoded twice.
    #[error("percent-encoded twice")]
    DoubleEncoding,
    /// `//`.
    #[error("an empty segment")]
    EmptySegment,
    /// An encoded slash.
    #[error("an encoded slash")]
    EncodedSlash,
    /// `%` without two hexadecimal digits after it.
    #[error("an incomplete percent-encoding")]
    Escape,
    /// Percent-encoded bytes that are not UTF-8.
    #[error("not UTF-8")]
    InvalidUtf8,
    /// A character that some servers turn into a delimiter.
    #[error("a character that may be taken for a delimiter")]
    Lookalike,
    /// `;`, where some servers cut a segment, plain or encoded.
    #[error("a semicolon")]
    MatrixParameter,
    /// It does not start with a slash.
    #[error("no slash at the start")]
    NotAbsolute,
    /// Too long, or of too many segments.
    #[error("too long")]
    TooLong,
    /// A slash at the end that the route does not have, or none where the route has one.
    #[error("a slash at the end that no route has, or none where the route has one")]
    TrailingSlash,
}

impl PathRefused {
    /// The reason's stable name: a metric label, and the word in records and documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Backslash => "path-backslash",
            Self::CaseVariant => "path-case-variant",
            Self::Character => "path-character",
            Self::ControlCharacter => "path-control-character",
            Self::DotSegment => "path-dot-segment",
            Self::DoubleEncoding => "path-double-encoding",
            Self::EmptySegment => "path-empty-segment",
            Self::EncodedSlash => "path-encoded-slash",
            Self::Escape => "path-escape",
            Self::InvalidUtf8 => "path-invalid-utf8",
            Self::Lookalike => "path-lookalike",
            Self::MatrixParameter => "path-matrix-parameter",
            Self::NotAbsolute => "path-not-absolute",
            Self::TooLong => "path-too-long",
            Self::TrailingSlash => "path-trailing-slash",
        }
    }
}

/// A path that every backend reads alike, decoded. It displays in its normal form: what may stand plain is plain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalPath {
    segments: Vec<String>,
    slash_at_end: bool,
}

impl NormalPath {
    /// Parses a path as it came, without the query.
    ///
    /// # Errors
    /// The path is malformed, or ambiguous.
    pub fn parse(raw_path: &str) -> Result<Self, PathRefused> {
        if raw_path.len() > PATH_BYTES_MAX {
            return Err(PathRefused::TooLong);
        }
        let inner = raw_path.strip_prefix('/').ok_or(PathRefused::NotAbsolute)?;
        if inner.is_empty() {
            return Ok(Self { segments: Vec::new(), slash_at_end: false });
        }
        let without_end = inner.strip_suffix('/');
        let segments = without_end.unwrap_or(inner).split('/').map(segment).collect::<Result<Vec<_>, _>>()?;
        if segments.len() > PATH_SEGMENTS_MAX {
            return Err(PathRefused::TooLong);
        }
        Ok(Self { segments, slash_at_end: without_end.is_some() })
    }

    /// The segments between the slashes, decoded.
    #[must_use]
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// Whether a slash follows the last segment.
    #[must_use]
    pub const fn has_slash_at_end(&self) -> bool {
        self.slash_at_end
    }
}

impl fmt::Display for NormalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.segments.is_empty() {
            return f.write_str("/");
        }
        for segment in &self.segments {
            f.write_str("/")?;
            for byte in segment.bytes() {
                if is_plain(byte) {
                    write!(f, "{}", char::from(byte))?;
                } else {
                    write!(f, "%{byte:02X}")?;
                }
            }
        }
        if self.slash_at_end { f.write_str("/") } else { Ok(()) }
    }
}

/// Decodes one segment.
pub(super) fn segment(raw: &str) -> Result<String, PathRefused> {
    if raw.is_empty() {
        return Err(PathRefused::EmptySegment);
    }
    if let Some(byte) = raw.bytes().find(|byte| *byte != b'%' && !is_plain(*byte)) {
        return Err(match byte {
            b'\\' => PathRefused::Backslash,
            b';' => PathRefused::MatrixParameter,
            byte if byte.is_ascii_control() => PathRefused::ControlCharacter,
            _ => PathRefused::Character,
        });
    }
    let decoded = percent::decode(raw).map_err(|undecodable| match undecodable {
        Undecodable::Escape => PathRefused::Escape,
        Undecodable::Utf8 => PathRefused::InvalidUtf8,
    })?;
    if decoded.chars().all(|character| character == '.' || character.is_whitespace()) {
        return Err(PathRefused::DotSegment);
    }
    if percent::is_encoded_still(&decoded) {
        return Err(PathRefused::DoubleEncoding);
    }
    match decoded.chars().find_map(ambiguity) {
        Some(refused) => Err(refused),
        None => Ok(decoded),
    }
}

fn ambiguity(character: char) -> Option<PathRefused> {
    match character {
        '/' => Some(PathRefused::EncodedSlash),
        '\\' => Some(PathRefused::Backslash),
        ';' => Some(PathRefused::MatrixParameter),
        _ if character.is_control() => Some(PathRefused::ControlCharacter),
        _ if LOOKALIKES.contains(&character) => Some(PathRefused::Lookalike),
        _ => None,
    }
}

/// `pchar` of RFC 3986, less the semicolon.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b'+'
                | b','
                | b'='
                | b':'
                | b'@'
        )
}
