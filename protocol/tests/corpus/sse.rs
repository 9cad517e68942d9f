//! Streams: the same events whatever the chunks, the same bytes, and what a client by the standard sees of them is
//! what is read of each event here, also of events that are written anew.

#[path = "sse/client.rs"]
mod client;

use protocol::sse::{Event, EventTooLong, Splitter, comment, write_event};

use self::client::{Dispatched, read};

const EVENT_BYTES_MAX: usize = 256;
/// What an event's data may be replaced with: lines of every kind.
const REPLACEMENTS: [&str; 5] = ["{}", "", "{\n}\r\n", "data: x\r\r", ": \u{feff}"];

/// True if every event of the stream fits the limit. The first byte says how long the chunks are.
pub(crate) fn holds(data: &[u8]) -> bool {
    let Some((seed, stream)) = data.split_first() else { return true };
    let (events, end) = split(Splitter::new(EVENT_BYTES_MAX), &[stream]);
    for chunks in [stream.chunks(usize::from(*seed).max(1)).collect(), ragged(stream, *seed), bytes(stream)] {
        // Where a chunk ends within a line end, the line feed may come as a piece of its own.
        let (pieces, their_end) = split(Splitter::new(EVENT_BYTES_MAX), &chunks);
        assert_eq!((all_seen(&pieces), their_end), (all_seen(&events), end), "{chunks:?}");
        assert!(stream.starts_with(&raw(&pieces)));
    }
    let (theirs, retry) = read(&raw(&events));
    assert_eq!(all_seen(&events), without_ids(&theirs));
    if end.is_none() {
        // What is held back is no event to anyone, yet or ever.
        assert_eq!(without_ids(&read(stream).0), without_ids(&theirs));
    }
    for replacement in REPLACEMENTS {
        rewritten_holds(&events, replacement, &theirs, retry.as_deref());
    }
    end.is_none()
}

/// With the data of every event replaced, a client sees as many events, of the same types and ids, with the new data.
fn rewritten_holds(events: &[Event], replacement: &str, before: &[Dispatched], retry: Option<&str>) {
    let mut rewritten = Vec::new();
    for event in events {
        match event.data() {
            Some(_) => rewritten.extend(event.with_data(replacement.as_bytes())),
            None => rewritten.extend_from_slice(event.raw()),
        }
        // Between events, what we write ourselves changes nothing.
        rewritten.extend_from_slice(comment());
    }
    rewritten.extend(write_event(replacement.as_bytes()));
    let data = replacement.replace("\r\n", "\n").replace('\r', "\n");
    let last_id = before.last().map_or("", |last| &last.last_id);
    let (mut theirs, their_retry) = read(&rewritten);
    let own = theirs.pop().unwrap();
    assert_eq!((own.event_type.as_str(), &own.data), ("message", &data));
    let expected: Vec<_> =
        before.iter().map(|event| Dispatched { data: data.clone(), ..event.clone() }).collect();
    assert_eq!(theirs, expected, "{}", String::from_utf8_lossy(&rewritten));
    assert_eq!(their_retry.as_deref(), retry);
    // An event without data may set an id for the next.
    assert!(own.last_id == last_id || events.iter().any(|event| event.data().is_none()));
}

/// Chunks of uneven lengths, some of them empty.
fn ragged(mut stream: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut state = u32::from(seed) | 1 << 16;
    let mut chunks = Vec::new();
    while !stream.is_empty() {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let (chunk, rest) = stream.split_at(stream.len().min((state % 7) as usize));
        chunks.push(chunk);
        stream = rest;
    }
    chunks
}

fn bytes(stream: &[u8]) -> Vec<&[u8]> {
    stream.chunks(1).collect()
}

fn split(mut splitter: Splitter, chunks: &[&[u8]]) -> (Vec<Event>, Option<EventTooLong>) {
    let mut events = Vec::new();
    for chunk in chunks {
        splitter.push(chunk);
        loop {
            match splitter.next_event() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(too_long) => return (events, Some(too_long)),
            }
        }
    }
    (events, None)
}

fn raw(events: &[Event]) -> Vec<u8> {
    events.iter().flat_map(|event| event.raw().to_vec()).collect()
}

fn all_seen(events: &[Event]) -> Vec<(String, String)> {
    events.iter().filter_map(seen).collect()
}

/// Type and data of an event, as a client gets them.
fn seen(event: &Event) -> Option<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let event_type = event.event_type().filter(|event_type| !event_type.is_empty());
    Some((event_type.map_or("message".to_owned(), text), text(&event.data()?)))
}

fn without_ids(dispatched: &[Dispatched]) -> Vec<(String, String)> {
    dispatched.iter().map(|event| (event.event_type.clone(), event.data.clone())).collect()
}
