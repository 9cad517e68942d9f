//! A chunked body (RFC 9112, section 7.1), followed to its end. Extensions and trailers are passed over, within limits.

use super::FramingRefused;
use super::byte::{Class, EXTENSION, NONE, TOKEN, VALUE, span};

/// Digits of a chunk's length.
const SIZE_MAX_DIGITS: u32 = 8;
/// Bytes of all extensions of a body.
const EXTENSIONS_MAX_BYTES: usize = 1024;
/// Lines of trailers, and their bytes.
const TRAILERS_MAX: usize = 8;
const TRAILERS_MAX_BYTES: usize = 4096;

/// Reads one body, each byte once.
#[derive(Debug, Default)]
pub(super) struct ChunkReader {
    part: Part,
    /// Of this chunk: its length, of which the part that is still to come, and the digits that say so.
    left: u64,
    digits: u32,
    is_name_empty: bool,
    extension_bytes: usize,
    trailers: usize,
    trailer_bytes: usize,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Size,
    Extension,
    SizeLineFeed,
    Data,
    DataLineFeed,
    TrailerName,
    TrailerValue,
    TrailerLineFeed,
    LastLineFeed,
}

impl ChunkReader {
    /// How many bytes from the start are of the body, if it ends in them.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Option<usize>, FramingRefused> {
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let length = match self.part {
                Part::Data => usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len()),
                part => span(rest, part.class()),
            };
            self.went_on(length)?;
            let Some(byte) = rest.get(length) else { return Ok(None) };
            at += length + 1;
            if self.stop(*byte)? {
                return Ok(Some(at));
            }
        }
    }

    /// Counts bytes that are of the part under way.
    fn went_on(&mut self, length: usize) -> Result<(), FramingRefused> {
        match self.part {
            Part::Data => self.left = self.left.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX)),
            Part::Extension => self.extension_bytes += length,
            Part::TrailerName => {
                self.trailer_bytes += length;
                self.is_name_empty &= length == 0;
            }
            Part::TrailerValue => self.trailer_bytes += length,
            _ => {}
        }
        let fits = self.extension_bytes <= EXTENSIONS_MAX_BYTES && self.trailer_bytes <= TRAILERS_MAX_BYTES;
        if fits { Ok(()) } else { Err(FramingRefused::BadChunk) }
    }

    /// Takes the byte at which a part stops; true at the end of the body.
    fn stop(&mut self, byte: u8) -> Result<bool, FramingRefused> {
        self.part = match (self.part, byte) {
            (Part::Size, b'\r') if self.digits > 0 => Part::SizeLineFeed,
            (Part::Size, b';') if self.digits > 0 => Part::Extension,
            (Part::Size, _) => {
                let digit = char::from(byte).to_digit(16).ok_or(FramingRefused::BadChunk)?;
                self.digits += 1;
                if self.digits > SIZE_MAX_DIGITS {
                    return Err(FramingRefused::BadChunk);
                }
                self.left = self.left * 16 + u64::from(digit);
                Part::Size
            }
            (Part::Extension, b'\r') => Part::SizeLineFeed,
            (Part::SizeLineFeed, b'\n') => {
                self.digits = 0;
                if self.left > 0 { Part::Data } else { self.trailer() }
            }
            // The chunk's last byte is behind; this is the one after it.
            (Part::Data, b'\r') => Part::DataLineFeed,
            (Part::DataLineFeed, b'\n') => Part::Size,
            (Part::TrailerName, b':') if !self.is_name_empty => {
                self.trailers += 1;
                if self.trailers > TRAILERS_MAX {
                    return Err(FramingRefused::BadChunk);
                }
                Part::TrailerValue
            }
            (Part::TrailerName, b'\r') if self.is_name_empty => Part::LastLineFeed,
            (Part::TrailerValue, b'\r') => Part::TrailerLineFeed,
            (Part::TrailerLineFeed, b'\n') => self.trailer(),
            (Part::LastLineFeed, b'\n') => return Ok(true),
            _ => return Err(FramingRefused::BadChunk),
        };
        Ok(false)
    }

    const fn trailer(&mut self) -> Part {
        self.is_name_empty = true;
        Part::TrailerName
    }
}

impl Part {
    const fn class(self) -> &'static Class {
        match self {
            Self::Extension => &EXTENSION,
            Self::TrailerName => &TOKEN,
            Self::TrailerValue => &VALUE,
            _ => &NONE,
        }
    }
}
