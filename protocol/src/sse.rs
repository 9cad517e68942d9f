//! Server-sent events (the WHATWG HTML standard, "Server-sent events"): a stream is split into its events as the
//! bytes come in, so that an event can be read and replaced, while all others pass byte for byte.
//!
//! Nothing waits for what comes after it: a comment between events, which keeps a connection alive, is a piece of
//! its own. What is left at the end of a stream is no event, and a client drops it.

mod event;

#[cfg(test)]
mod tests;

pub use event::{Event, comment, write_event};

use thiserror::Error;

/// The longest event, in bytes, where nothing else is configured.
pub const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Between two events, no more memory than this is kept.
const CAPACITY_KEPT_BYTES: usize = 64 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// An event is longer than the limit. The stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an event is longer than {event_bytes_max} bytes")]
pub struct EventTooLong {
    /// The limit.
    pub event_bytes_max: usize,
}

/// Splits a stream into pieces: events, comments between events, blank lines. In their order they are the stream,
/// byte for byte.
#[derive(Debug)]
pub struct Splitter {
    event_bytes_max: usize,
    buffer: Vec<u8>,
    /// Where the piece that is being read starts in the buffer.
    start: usize,
    /// Where its last line starts.
    line: usize,
    /// Up to where there is no line end after `line`.
    scanned: usize,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A byte-order mark may come.
    Start,
    Within,
    /// The last line ended with the last byte that came, a carriage return: a line feed would belong to it.
    AfterReturn,
    Failed,
}

impl Default for Splitter {
    fn default() -> Self {
        Self::new(EVENT_BYTES_MAX)
    }
}

impl Splitter {
    /// A splitter at the start of a stream.
    #[must_use]
    pub const fn new(event_bytes_max: usize) -> Self {
        Self { event_bytes_max, buffer: Vec::new(), start: 0, line: 0, scanned: 0, state: State::Start }
    }

    /// Takes bytes as they come. Take all events out before the next bytes: those that wait are held in memory.
    pub fn push(&mut self, chunk: &[u8]) {
        if self.state == State::Failed {
            return;
        }
        self.buffer.drain(..self.start);
        self.line = self.line.saturating_sub(self.start);
        self.scanned = self.scanned.saturating_sub(self.start);
        self.start = 0;
        self.buffer.extend_from_slice(chunk);
    }

    /// Bytes that wait in memory for the end of their event.
    #[must_use]
    pub const fn waiting_bytes(&self) -> usize {
        self.buffer.len().saturating_sub(self.start)
    }

    /// The next piece that is complete; `None` until more bytes come.
    ///
    /// # Errors
    /// An event is too long, now and from now on.
    pub fn next_event(&mut self) -> Result<Option<Event>, EventTooLong> {
        loop {
            match self.state {
                State::Failed => return Err(self.too_long()),
                State::Start => {
                    if self.buffer.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(&self.buffer)
                    {
                        return Ok(None);
                    }
                    self.state = State::Within;
                    if self.buffer.starts_with(BYTE_ORDER_MARK) {
                        return self.take(BYTE_ORDER_MARK.len());
                    }
                }
                State::AfterReturn => {
                    let Some(byte) = self.buffer.get(self.line) else { return self.wait() };
                    self.state = State::Within;
                    if *byte != b'\n' {
                        continue;
                    }
                    let end = self.line.saturating_add(1);
                    if self.start == self.line {
                        return self.take(end);
                    }
                    self.next_line(end);
                }
                State::Within => {
                    let Some(end) = self.line_end() else { return self.wait() };
                    let first = self.buffer.get(self.line);
                    let blank = matches!(first, Some(b'\r' | b'\n'));
                    let comment_between = self.line == self.start && first == Some(&b':');
                    if blank || comment_between {
                        return self.take(end);
                    }
                    self.next_line(end);
                }
            }
        }
    }

    /// The end of the line that is being read, its line end included.
    fn line_end(&mut self) -> Option<usize> {
        let rest = self.buffer.get(self.scanned..).unwrap_or_default();
        let Some(length) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
            self.scanned = self.buffer.len();
            return None;
        };
        let end = self.scanned.saturating_add(length).saturating_add(1);
        if rest.get(length) == Some(&b'\n') {
            return Some(end);
        }
        match self.buffer.get(end) {
            Some(b'\n') => Some(end.saturating_add(1)),
            Some(_) => Some(end),
            None => {
                self.state = State::AfterReturn;
                Some(end)
            }
        }
    }

    const fn next_line(&mut self, at: usize) {
        self.line = at;
        self.scanned = at;
    }

    fn take(&mut self, end: usize) -> Result<Option<Event>, EventTooLong> {
        let raw = self.buffer.get(self.start..end).unwrap_or_default();
        // A line feed may also come alone, after its carriage return ended the event: it does not count.
        if raw.strip_suffix(b"\r\n").map_or(raw.len(), |rest| rest.len().saturating_add(1))
            > self.event_bytes_max
        {
            return Err(self.too_long());
        }
        let event = Event::new(raw.to_vec());
        self.start = end;
        self.next_line(end);
        Ok(Some(event))
    }

    fn wait(&mut self) -> Result<Option<Event>, EventTooLong> {
        if self.buffer.len().saturating_sub(self.start) > self.event_bytes_max {
            return Err(self.too_long());
        }
        if self.start == self.buffer.len() && self.buffer.capacity() > CAPACITY_KEPT_BYTES {
            // A long event is over: its room is not for the rest of the stream.
            self.buffer = Vec::new();
            self.start = 0;
            self.next_line(0);
        }
        Ok(None)
    }

    fn too_long(&mut self) -> EventTooLong {
        self.state = State::Failed;
        self.buffer = Vec::new();
        EventTooLong { event_bytes_max: self.event_bytes_max }
    }
}
