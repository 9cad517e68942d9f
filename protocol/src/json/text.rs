//! Text: passed in runs of eight bytes where nothing special stands in it, unescaped only where somebody reads it.

use std::borrow::Cow;

use super::Reader;
use crate::malformed::Malformed;

/// Whether text has escapes in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    None,
    Some,
}

impl<'a> Reader<'a> {
    /// Reads text, its escapes resolved.
    pub(super) fn read_text(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let start = self.at.saturating_add(1);
        let escapes = self.skip_text()?;
        let inside = self.text.get(start..self.at.saturating_sub(1)).ok_or_else(|| self.not_json())?;
        match escapes {
            Escapes::None => Ok(Cow::Borrowed(inside)),
            Escapes::Some => Reader::over(inside).unescape().map(Cow::Owned),
        }
    }

    /// Passes text.
    pub(super) fn skip_text(&mut self) -> Result<Escapes, Malformed> {
        self.expect(b'"')?;
        let mut escapes = Escapes::None;
        loop {
            self.pass(plain_run_bytes(self.rest()));
            match self.peek() {
                Some(b'"') => {
                    self.pass(1);
                    return Ok(escapes);
                }
                Some(b'\\') => {
                    escapes = Escapes::Some;
                    self.escape()?;
                }
                _ => return Err(self.not_json()),
            }
        }
    }

    /// The whole of the reader's text, unescaped.
    fn unescape(mut self) -> Result<String, Malformed> {
        let mut unescaped = String::with_capacity(self.text.len());
        while let Some(byte) = self.peek() {
            if byte == b'\\' {
                unescaped.push(self.escape()?);
                continue;
            }
            let start = self.at;
            self.pass(plain_run_bytes(self.rest()));
            match self.text.get(start..self.at) {
                Some(run) if !run.is_empty() => unescaped.push_str(run),
                _ => return Err(self.not_json()),
            }
        }
        Ok(unescaped)
    }

    /// Reads one escape: one character, of two `\u` escapes where it takes a surrogate pair.
    fn escape(&mut self) -> Result<char, Malformed> {
        self.expect(b'\\')?;
        let plain = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.not_json()),
        };
        self.pass(1);
        Ok(plain)
    }

    fn unicode_escape(&mut self) -> Result<char, Malformed> {
        let first = self.code_unit()?;
        let mut second = None;
        if (0xd800..0xdc00).contains(&first) && self.rest().starts_with(b"\\u") {
            self.pass(1);
            second = Some(self.code_unit()?);
        }
        let mut characters = char::decode_utf16([Some(first), second].into_iter().flatten());
        match (characters.next(), characters.next()) {
            (Some(Ok(character)), None) => Ok(character),
            _ => Err(Malformed::LoneSurrogate),
        }
    }

    /// Reads `u` and four hexadecimal digits: one unit of UTF-16.
    fn code_unit(&mut self) -> Result<u16, Malformed> {
        self.expect(b'u')?;
        let digits = self.rest().first_chunk::<4>().and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.not_json())?;
        self.pass(4);
        Ok(unit)
    }
}

/// How many bytes from the start are neither a quote, nor a backslash, nor a control character.
fn plain_run_bytes(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    let mut run = 0_usize;
    for word in words {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            return run.saturating_add(special.trailing_zeros() as usize / 8);
        }
        run = run.saturating_add(8);
    }
    let tail = bytes.get(run..).unwrap_or_default();
    run.saturating_add(tail.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..=0x1f)).count())
}

/// The lowest bit that is set is in the word's first special byte (bits above it may be set without cause: a borrow
/// runs upwards).
const fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);
    let quote = word ^ u64::from_le_bytes([b'"'; 8]);
    let backslash = word ^ u64::from_le_bytes([b'\\'; 8]);
    let control = word.wrapping_sub(u64::from_le_bytes([0x20; 8])) & !word;
    (control | (quote.wrapping_sub(ONES) & !quote) | (backslash.wrapping_sub(ONES) & !backslash)) & HIGHS
}
