//! One event: its bytes as they came, what a client would make of them, and events that we write ourselves.

use std::borrow::Cow;

/// One piece of a stream: an event, a comment between events, or a blank line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    raw: Vec<u8>,
}

impl Event {
    pub(super) const fn new(raw: Vec<u8>) -> Self {
        Self { raw }
    }

    /// The bytes as they came.
    #[must_use]
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The bytes as they came.
    #[must_use]
    pub fn into_raw(self) -> Vec<u8> {
        self.raw
    }

    /// What a client gets to see: the `data` lines, joined by line feeds. `None` if there is none, so that a client
    /// sees no event.
    #[must_use]
    pub fn data(&self) -> Option<Cow<'_, [u8]>> {
        let mut data: Option<Cow<'_, [u8]>> = None;
        for value in lines(&self.raw).filter_map(|line| value_of(line, b"data")) {
            match &mut data {
                None => data = Some(Cow::Borrowed(value)),
                Some(data) => {
                    let data = data.to_mut();
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
            }
        }
        data
    }

    /// The event's type: the last `event` line; `None` if there is none, which means `message`.
    #[must_use]
    pub fn event_type(&self) -> Option<&[u8]> {
        lines(&self.raw).filter_map(|line| value_of(line, b"event")).last()
    }

    /// The event with other data: the new `data` lines stand where the first one stood, all other lines stay. Every
    /// line ends with a line feed: a carriage return left before one would swallow it.
    #[must_use]
    pub fn with_data(&self, data: &[u8]) -> Vec<u8> {
        let mut written = Vec::with_capacity(data.len().saturating_add(self.raw.len()));
        let mut replaced = false;
        for line in lines(&self.raw) {
            if value_of(line, b"data").is_none() {
                written.extend_from_slice(without_end(line));
                written.push(b'\n');
            } else if !replaced {
                replaced = true;
                write_data(&mut written, data);
            }
        }
        written
    }
}

/// An event of the type `message`, as MCP sends them.
#[must_use]
pub fn write_event(data: &[u8]) -> Vec<u8> {
    let mut written = b"event: message\n".to_vec();
    write_data(&mut written, data);
    written.push(b'\n');
    written
}

/// A comment, which clients ignore: it keeps a connection alive.
#[must_use]
pub const fn comment() -> &'static [u8] {
    b": keep-alive\n\n"
}

fn write_data(written: &mut Vec<u8>, data: &[u8]) {
    for line in lines(data).map(without_end).chain(data_ends_with_a_line_end(data).then_some(&[][..])) {
        written.extend_from_slice(b"data: ");
        written.extend_from_slice(line);
        written.push(b'\n');
    }
}

/// Then, or if it is empty, its last line is an empty one.
fn data_ends_with_a_line_end(data: &[u8]) -> bool {
    matches!(data.last(), None | Some(b'\r' | b'\n'))
}

/// The value of a line of that field; `None` if the line is of another field.
fn value_of<'a>(line: &'a [u8], field: &[u8]) -> Option<&'a [u8]> {
    let rest = without_end(line).strip_prefix(field)?;
    if rest.is_empty() {
        return Some(rest);
    }
    let value = rest.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The lines, each with its end: a line feed, a carriage return, or both (carriage return first).
fn lines(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let end = match bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            None if bytes.is_empty() => return None,
            None => bytes.len(),
            Some(at) if bytes.get(at..at.saturating_add(2)) == Some(b"\r\n") => at.saturating_add(2),
            Some(at) => at.saturating_add(1),
        };
        let (line, rest) = bytes.split_at_checked(end)?;
        bytes = rest;
        Some(line)
    })
}
