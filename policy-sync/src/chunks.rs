//! A text in chunks: compressed (zstd, RFC 8878), cut, and put together again.

use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Bytes of compressed text in one chunk: in base64, and with what is around it, less than a message may have.
const CHUNK_BYTES: usize = 720 * 1024;

const COMPRESSION_LEVEL: i32 = 3;

/// Memory that a compressed text may ask of whoever reads it, as a power of two: more than any text of ours does.
const WINDOW_LOG_MAX: u32 = 23;

/// A text that comes in chunks.
#[derive(Debug)]
pub(crate) struct Gathering {
    chunks: u32,
    received: u32,
    compressed: Vec<u8>,
    text_bytes: usize,
}

/// Why chunks are no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChunkError {
    #[error("a chunk is missing, or came twice")]
    OutOfOrder,
    #[error("a chunk is longer than any may be, or the chunks are longer than the text")]
    TooLong,
    #[error("the chunks are not a compressed text of the length in the header")]
    NotTheText,
}

/// The text as base64 of its chunks; at least one.
pub(crate) fn split(text: &str) -> std::io::Result<Vec<String>> {
    let compressed = zstd::bulk::compress(text.as_bytes(), COMPRESSION_LEVEL)?;
    Ok(compressed.chunks(CHUNK_BYTES).map(|chunk| STANDARD.encode(chunk)).collect())
}

impl Gathering {
    /// `None`: so many chunks can't be of a text so long.
    pub(crate) fn new(chunks: u32, text_bytes: usize) -> Option<Self> {
        // What does not compress gets longer by less than this.
        let longest = text_bytes.saturating_add(text_bytes / 128).saturating_add(1024);
        let chunks_max = longest.div_ceil(CHUNK_BYTES);
        let fits = chunks > 0 && usize::try_from(chunks).is_ok_and(|chunks| chunks <= chunks_max);
        fits.then(|| Self { chunks, received: 0, compressed: Vec::new(), text_bytes })
    }

    /// Takes the next chunk; the text, if it was the last.
    pub(crate) fn take(&mut self, number: u32, data: &str) -> Result<Option<String>, ChunkError> {
        if number != self.received {
            return Err(ChunkError::OutOfOrder);
        }
        if base64::decoded_len_estimate(data.len()) > CHUNK_BYTES + 3 {
            return Err(ChunkError::TooLong);
        }
        STANDARD.decode_vec(data, &mut self.compressed).map_err(|_| ChunkError::NotTheText)?;
        self.received += 1;
        if self.received < self.chunks {
            return Ok(None);
        }
        self.text().map(Some)
    }

    fn text(&self) -> Result<String, ChunkError> {
        let wrong = |_| ChunkError::NotTheText;
        let mut decoder = zstd::stream::read::Decoder::new(self.compressed.as_slice()).map_err(wrong)?;
        decoder.window_log_max(WINDOW_LOG_MAX).map_err(wrong)?;
        // No more than the header says: a few bytes can stand for any number.
        let limit = u64::try_from(self.text_bytes).unwrap_or(u64::MAX).saturating_add(1);
        let mut text = String::with_capacity(self.text_bytes.min(self.compressed.len().saturating_mul(16)));
        decoder.take(limit).read_to_string(&mut text).map_err(wrong)?;
        if text.len() == self.text_bytes { Ok(text) } else { Err(ChunkError::NotTheText) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text that does not compress to less than half.
    fn noise(bytes: usize) -> String {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b' ' + u8::try_from(state >> 58).unwrap())
        };
        (0..bytes).map(|_| next()).collect()
    }

    #[test]
    fn texts_come_back_in_chunks_that_fit_a_message() {
        for text in [String::new(), "a".to_owned(), "rule\n".repeat(500_000), noise(3_000_000)] {
            let chunks = split(&text).unwrap();
            assert!(chunks.iter().all(|chunk| chunk.len() < 1024 * 1024 - 4096));
            let mut gathering = Gathering::new(u32::try_from(chunks.len()).unwrap(), text.len()).unwrap();
            let mut whole = None;
            for (number, chunk) in (0..).zip(&chunks) {
                whole = gathering.take(number, chunk).unwrap();
            }
            assert!(whole == Some(text));
        }
    }

    #[test]
    fn chunks_that_are_missing_or_wrong_are_noticed() {
        let text = noise(3_000_000);
        let chunks = split(&text).unwrap();
        let count = u32::try_from(chunks.len()).unwrap();
        let gathering = || Gathering::new(count, text.len()).unwrap();
        assert_eq!(gathering().take(1, &chunks[1]), Err(ChunkError::OutOfOrder));
        let mut twice = gathering();
        assert_eq!(twice.take(0, &chunks[0]), Ok(None));
        assert_eq!(twice.take(0, &chunks[0]), Err(ChunkError::OutOfOrder));
        assert_eq!(gathering().take(0, &"A".repeat(1_000_000)), Err(ChunkError::TooLong));
        assert_eq!(gathering().take(0, "#"), Err(ChunkError::NotTheText));
        assert!(Gathering::new(0, 1).is_none() && Gathering::new(1000, 1).is_none());
    }

    #[test]
    fn a_text_that_is_longer_than_its_header_says_is_not_unpacked() {
        let bomb = split(&"0".repeat(100_000_000)).unwrap();
        assert_eq!(bomb.len(), 1);
        for length in [10, 99_999_999, 100_000_001] {
            let mut gathering = Gathering::new(1, length).unwrap();
            assert_eq!(gathering.take(0, &bomb[0]), Err(ChunkError::NotTheText), "{length}");
        }
    }
}
