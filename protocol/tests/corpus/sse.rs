//! Streams: the same events whatever the chunks, and the same bytes.

use protocol::sse::{Event, EventTooLong, Splitter};

const EVENT_BYTES_MAX: usize = 256;

/// True if every event of the stream fits the limit. The first byte says how long the chunks are.
pub(crate) fn holds(data: &[u8]) -> bool {
    let Some((length, stream)) = data.split_first() else { return true };
    let whole = split(Splitter::new(EVENT_BYTES_MAX), stream, usize::MAX);
    let chunked = split(Splitter::new(EVENT_BYTES_MAX), stream, usize::from(*length).max(1));
    assert_eq!(seen(&whole.0), seen(&chunked.0));
    assert_eq!(whole.1, chunked.1);
    let raw: Vec<u8> = whole.0.iter().flat_map(|event| event.raw().to_vec()).collect();
    assert!(stream.starts_with(&raw));
    for event in &whole.0 {
        if event.data().is_some() {
            // Within a stream: at its start a byte-order mark would go.
            let stream = [b"\n", &*event.with_data(b"{}\r\n")].concat();
            let replaced = split(Splitter::default(), &stream, usize::MAX).0;
            assert_eq!(seen(&replaced), [(event.event_type().map(<[u8]>::to_vec), b"{}\n".to_vec())]);
        }
    }
    whole.1.is_none()
}

fn split(mut splitter: Splitter, stream: &[u8], chunk_bytes: usize) -> (Vec<Event>, Option<EventTooLong>) {
    let mut events = Vec::new();
    for chunk in stream.chunks(chunk_bytes) {
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

type Seen = (Option<Vec<u8>>, Vec<u8>);

fn seen(events: &[Event]) -> Vec<Seen> {
    let event = |event: &Event| Some((event.event_type().map(<[u8]>::to_vec), event.data()?.into_owned()));
    events.iter().filter_map(event).collect()
}
