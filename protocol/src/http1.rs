//! Where one HTTP/1.1 request ends and the next begins (RFC 9112), read strictly: only what every server cuts in the same
//! way. Whoever reads what was let through, however leniently, finds the same requests in it.

mod byte;
mod chunks;
mod head;
mod refused;
#[cfg(test)]
mod tests;

use chunks::ChunkReader;
use head::{BodyLength, HeadReader};

pub use refused::FramingRefused;

/// What a request may take up before its body.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the head, with the line that ends it.
    pub max_head_bytes: usize,
    /// Header lines.
    pub max_headers: usize,
    /// Bytes of the request target.
    pub max_target_bytes: usize,
}

/// Follows the bytes of a connection, request by request.
///
/// A head passes whole or not at all; the bytes of a body pass as they come. Behind the end of a request nothing passes
/// before [`Framing::begin`].
#[derive(Debug)]
pub struct Framing {
    limits: Limits,
    at: At,
}

#[derive(Debug)]
enum At {
    Head(HeadReader),
    /// Bytes of the body that are still to come.
    Body(u64),
    Chunks(ChunkReader),
    End,
    Refused(FramingRefused),
}

impl Framing {
    /// Before the first request.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, at: At::Head(HeadReader::default()) }
    }

    /// How many bytes from the start may pass. `bytes` begin with the first one that has not passed, so an unfinished head
    /// is given again with what has come since; no byte is looked at twice.
    ///
    /// # Errors
    /// The first rule that is broken, once all bytes before that have passed. From then on nothing passes.
    pub fn pass(&mut self, bytes: &[u8]) -> Result<usize, FramingRefused> {
        let mut passed = 0;
        loop {
            let rest = bytes.get(passed..).unwrap_or_default();
            let next = match &mut self.at {
                At::Head(head) => match head.read(rest, &self.limits) {
                    Ok(None) => return Ok(passed),
                    Ok(Some((length, BodyLength::Bytes(0)))) => (length, At::End),
                    Ok(Some((length, BodyLength::Bytes(body)))) => (length, At::Body(body)),
                    Ok(Some((length, BodyLength::Chunked))) => (length, At::Chunks(ChunkReader::default())),
                    Err(refused) => (0, At::Refused(refused)),
                },
                At::Body(left) => {
                    let available = u64::try_from(rest.len()).unwrap_or(u64::MAX);
                    if available < *left {
                        *left -= available;
                        return Ok(bytes.len());
                    }
                    (usize::try_from(*left).unwrap_or(usize::MAX), At::End)
                }
                At::Chunks(chunks) => match chunks.read(rest) {
                    Ok(None) => return Ok(bytes.len()),
                    Ok(Some(length)) => (length, At::End),
                    Err(refused) => (0, At::Refused(refused)),
                },
                At::End => return Ok(passed),
                At::Refused(_) if passed > 0 => return Ok(passed),
                At::Refused(refused) => return Err(*refused),
            };
            passed += next.0;
            self.at = next.1;
        }
    }

    /// Whether a request has passed whole, and the next has not begun.
    #[must_use]
    pub const fn is_at_end(&self) -> bool {
        matches!(self.at, At::End)
    }

    /// Whether the next bytes belong to a head.
    #[must_use]
    pub const fn is_in_head(&self) -> bool {
        matches!(self.at, At::Head(_))
    }

    /// Why nothing passes any more, if that is so.
    #[must_use]
    pub const fn refused(&self) -> Option<FramingRefused> {
        match self.at {
            At::Refused(refused) => Some(refused),
            _ => None,
        }
    }

    /// Lets the next request begin, if the one before it has passed whole.
    pub fn begin(&mut self) {
        if self.is_at_end() {
            self.at = At::Head(HeadReader::default());
        }
    }
}
