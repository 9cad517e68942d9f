//! JSON Pointer (RFC 6901) into a call's arguments: where policy takes a resource or a method from.
//!
//! What is there but is not text is refused, never taken for lacking; so is a member whose name differs in case only,
//! which the backend may well take.

use std::borrow::Cow;

use thiserror::Error;

use crate::fold::same_but_for_case;
use crate::json::{Kind, Reader};
use crate::malformed::Malformed;

/// The longest pointer, in bytes.
pub const POINTER_BYTES_MAX: usize = 1024;
/// The most steps in a pointer.
pub const POINTER_TOKENS_MAX: usize = 32;

/// A pointer, parsed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pointer {
    tokens: Vec<String>,
}

/// Why a text is not a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PointerError {
    /// A `~` without `0` or `1` after it.
    #[error("`~` must be followed by `0` or `1`")]
    Escape,
    /// It is not empty and does not start with a slash.
    #[error("a pointer starts with `/`")]
    Start,
    /// Longer than [`POINTER_BYTES_MAX`], or of more than [`POINTER_TOKENS_MAX`] steps.
    #[error("the pointer is too long")]
    TooLong,
}

/// Why a pointer gives no text, though something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, strum::EnumIter, strum::EnumMessage)]
pub enum NotText {
    /// A member's name differs from the pointer's only in case.
    #[error("a member's name differs from the one that policy looks for only in case")]
    CaseVariant,
    /// The arguments are not JSON that is accepted.
    #[error("the arguments cannot be read: {0}")]
    #[strum(disabled)]
    Malformed(#[from] Malformed),
    /// The value is not text.
    #[error("the value that policy looks for is not text")]
    NotText,
    /// The text has a NUL in it, where some readers stop.
    #[error("the value that policy looks for has a NUL in it")]
    Nul,
}

impl NotText {
    /// The reason's stable name: a metric label, and the word in records and documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CaseVariant => "argument-case-variant",
            Self::Malformed(malformed) => malformed.name(),
            Self::NotText => "argument-not-text",
            Self::Nul => "argument-with-nul",
        }
    }
}

impl Pointer {
    /// Parses a pointer such as `/account/ledger` (`~1` is a slash, `~0` a tilde).
    ///
    /// # Errors
    /// The text is not a pointer, or is too long.
    pub fn parse(pointer: &str) -> Result<Self, PointerError> {
        if pointer.len() > POINTER_BYTES_MAX {
            return Err(PointerError::TooLong);
        }
        if pointer.is_empty() {
            return Ok(Self { tokens: Vec::new() });
        }
        let tokens = pointer.strip_prefix('/').ok_or(PointerError::Start)?.split('/').map(token);
        let tokens = tokens.collect::<Result<Vec<_>, _>>()?;
        if tokens.len() > POINTER_TOKENS_MAX { Err(PointerError::TooLong) } else { Ok(Self { tokens }) }
    }
}

fn token(escaped: &str) -> Result<String, PointerError> {
    let mut token = String::with_capacity(escaped.len());
    let mut characters = escaped.chars();
    while let Some(character) = characters.next() {
        token.push(match character {
            '~' => match characters.next() {
                Some('0') => '~',
                Some('1') => '/',
                _ => return Err(PointerError::Escape),
            },
            plain => plain,
        });
    }
    Ok(token)
}

/// The text at the pointer; `None` if nothing is there.
///
/// # Errors
/// Something other than text is there, or a member that may be taken for it; or the arguments are not strict JSON.
pub fn text_at<'a>(arguments: &'a str, pointer: &Pointer) -> Result<Option<Cow<'a, str>>, NotText> {
    let mut reader = Reader::over(arguments);
    let found = follow(&mut reader, &pointer.tokens)?;
    reader.finish()?;
    Ok(found)
}

fn follow<'a>(reader: &mut Reader<'a>, tokens: &[String]) -> Result<Option<Cow<'a, str>>, NotText> {
    let Some((token, rest)) = tokens.split_first() else {
        let text = reader.text()?.ok_or(NotText::NotText)?;
        return if text.contains('\0') { Err(NotText::Nul) } else { Ok(Some(text)) };
    };
    match reader.kind()? {
        Kind::Object => member(reader, token, rest),
        Kind::Array => element(reader, token, rest),
        Kind::Boolean | Kind::Null | Kind::Number | Kind::Text => {
            reader.skip()?;
            Ok(None)
        }
    }
}

fn member<'a>(
    reader: &mut Reader<'a>,
    token: &str,
    rest: &[String],
) -> Result<Option<Cow<'a, str>>, NotText> {
    let mut found = None;
    let Some(mut object) = reader.object_if()? else { return Ok(None) };
    while let Some(key) = reader.key(&mut object)? {
        if key == token {
            found = follow(reader, rest)?;
        } else if same_but_for_case(&key, token) {
            return Err(NotText::CaseVariant);
        } else {
            reader.skip()?;
        }
    }
    Ok(found)
}

fn element<'a>(
    reader: &mut Reader<'a>,
    token: &str,
    rest: &[String],
) -> Result<Option<Cow<'a, str>>, NotText> {
    let wanted = index(token);
    let mut found = None;
    let mut at = 0_usize;
    let mut array = reader.array()?;
    while reader.element(&mut array)? {
        if wanted == Some(at) {
            found = follow(reader, rest)?;
        } else {
            reader.skip()?;
        }
        at = at.saturating_add(1);
    }
    Ok(found)
}

/// An array index: digits, without a leading zero.
fn index(token: &str) -> Option<usize> {
    let canonical = token == "0" || !token.starts_with('0');
    (canonical && token.bytes().all(|byte| byte.is_ascii_digit())).then(|| token.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_text_or_says_what_is_there() {
        let arguments = r#"{"a":{"b":["x","\u0079",7,null]},"":"e","m~n":"t","i/j":"s","n":null,"o":{}, "Case":"c","z":"x\u0000"}"#;
        let table = [
            ("/a/b/0", Ok(Some("x"))),
            ("/a/b/1", Ok(Some("y"))),
            ("/a/b/2", Err(NotText::NotText)),
            ("/a/b/3", Err(NotText::NotText)),
            ("/a/b/4", Ok(None)),
            ("/a/b/00", Ok(None)),
            ("/a/b/-", Ok(None)),
            ("/a/b/99999999999999999999", Ok(None)),
            ("/a/b", Err(NotText::NotText)),
            ("/a/c", Ok(None)),
            ("/a/b/0/d", Ok(None)),
            ("/", Ok(Some("e"))),
            ("/m~0n", Ok(Some("t"))),
            ("/i~1j", Ok(Some("s"))),
            ("/n", Err(NotText::NotText)),
            ("/n/x", Ok(None)),
            ("/o", Err(NotText::NotText)),
            ("/case", Err(NotText::CaseVariant)),
            ("/Case", Ok(Some("c"))),
            ("/z", Err(NotText::Nul)),
            ("", Err(NotText::NotText)),
        ];
        for (pointer, expected) in table {
            let found = text_at(arguments, &Pointer::parse(pointer).unwrap());
            assert_eq!(
                found.as_ref().map(Option::as_deref),
                expected.as_ref().map(|text| *text),
                "{pointer}"
            );
        }
    }

    #[test]
    fn refuses_arguments_that_can_be_read_in_two_ways() {
        let pointer = Pointer::parse("/a").unwrap();
        for (arguments, malformed) in [
            (r#"{"a":"x","a":"y"}"#, Malformed::DuplicateKey),
            (r#"{"a":"x","b":{"c":1,"c":2}}"#, Malformed::DuplicateKey),
            (r#"{"a":"x"} {}"#, Malformed::TrailingBytes),
            (r#"{"a":"x""#, Malformed::NotJson { at: 8 }),
        ] {
            assert_eq!(text_at(arguments, &pointer), Err(NotText::Malformed(malformed)), "{arguments}");
        }
    }

    #[test]
    fn refuses_what_is_no_pointer() {
        let long = "/a".repeat(POINTER_TOKENS_MAX + 1);
        let longer = format!("/{}", "a".repeat(POINTER_BYTES_MAX));
        for (pointer, error) in [
            ("a", PointerError::Start),
            ("/~", PointerError::Escape),
            ("/~2", PointerError::Escape),
            (long.as_str(), PointerError::TooLong),
            (longer.as_str(), PointerError::TooLong),
        ] {
            assert_eq!(Pointer::parse(pointer), Err(error), "{pointer}");
        }
    }
}
