//! Streams whole and in pieces.

use proptest::prelude::*;

use super::*;

/// Every piece of the stream that is pushed in chunks of the given lengths (the rest in one).
fn pieces(stream: &[u8], chunks: &[usize]) -> Vec<Event> {
    let mut splitter = Splitter::default();
    let mut pieces = Vec::new();
    let mut rest = stream;
    for length in chunks.iter().copied().chain([usize::MAX]) {
        let (chunk, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        splitter.push(chunk);
        while let Some(event) = splitter.next_event().unwrap() {
            pieces.push(event);
        }
    }
    pieces
}

/// What a client sees: types and data, as text.
fn seen(pieces: &[Event]) -> Vec<(Option<String>, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    pieces.iter().filter_map(|event| Some((event.event_type().map(text), text(&event.data()?)))).collect()
}

#[test]
fn events_are_as_a_client_sees_them() {
    type Seen<'a> = &'a [(Option<&'a str>, &'a str)];
    let table: [(&str, Seen<'_>); 17] = [
        ("data: a\n\n", &[(None, "a")]),
        ("data:a\n\ndata:  b\n\n", &[(None, "a"), (None, " b")]),
        ("data: a\r\n\r\ndata: b\r\rdata: c\n\n", &[(None, "a"), (None, "b"), (None, "c")]),
        ("data: a\r\rdata: b\n\r\n", &[(None, "a"), (None, "b")]),
        ("event: x\ndata: a\ndata: b\n\n", &[(Some("x"), "a\nb")]),
        ("data: a\nevent: x\nevent: y\n\n", &[(Some("y"), "a")]),
        ("data\n\ndata:\ndata\n\n", &[(None, ""), (None, "\n")]),
        ("id: 7\nretry: 10\n\n", &[]),
        (": hello\n\n:x\ndata: a\n:y\n\n", &[(None, "a")]),
        ("\u{feff}data: a\n\n\u{feff}data: b\n\n", &[(None, "a")]),
        (" data: a\n\n", &[]),
        ("Data: a\n\n", &[]),
        ("data : a\n\n", &[]),
        ("database: a\n\n", &[]),
        ("data: a\n", &[]),
        ("data: a", &[]),
        ("\n\n\r\n\rdata: a\n\n", &[(None, "a")]),
    ];
    for (stream, expected) in table {
        let expected: Vec<_> =
            expected.iter().map(|(kind, data)| (kind.map(str::to_owned), (*data).to_owned())).collect();
        assert_eq!(seen(&pieces(stream.as_bytes(), &[])), expected, "{stream:?}");
    }
}

#[test]
fn nothing_that_is_complete_waits() {
    let mut splitter = Splitter::default();
    let steps: [(&str, &[&str]); 8] = [
        (":", &[]),
        (" keep-alive\r", &[": keep-alive\r"]),
        ("\n", &["\n"]),
        ("data: a\n:x\n", &[]),
        ("\r", &["data: a\n:x\n\r"]),
        ("data: b\n\nda", &["data: b\n\n"]),
        ("ta: c\r\n\r\n\n", &["data: c\r\n\r\n", "\n"]),
        (":1\n:2\n", &[":1\n", ":2\n"]),
    ];
    for (chunk, expected) in steps {
        splitter.push(chunk.as_bytes());
        for piece in expected {
            let event = splitter.next_event().unwrap().unwrap();
            assert_eq!(String::from_utf8_lossy(event.raw()), *piece, "after {chunk:?}");
        }
        assert_eq!(splitter.next_event(), Ok(None), "after {chunk:?}");
    }
}

#[test]
fn an_event_has_a_limit() {
    let event_bytes_max = 20;
    let longest = "data: 123456789012\n\n";
    for (stream, fits) in [
        (longest.repeat(2), true),
        (longest.replace('\n', "\r"), true),
        (longest.replace("\n\n", "\n\r\n"), true),
        (format!("{longest}x{longest}"), false),
        ("x".repeat(event_bytes_max + 1), false),
        (format!(":{}\n", "x".repeat(event_bytes_max)), false),
    ] {
        for chunk_bytes in [1, 7, 100] {
            let mut splitter = Splitter::new(event_bytes_max);
            let mut outcome = Ok(None);
            for chunk in stream.as_bytes().chunks(chunk_bytes) {
                splitter.push(chunk);
                outcome = last_outcome(&mut splitter);
            }
            let expected = if fits { Ok(None) } else { Err(EventTooLong { event_bytes_max }) };
            assert_eq!(outcome, expected, "{stream:?} by {chunk_bytes}");
            splitter.push(b"data: a\n\n");
            assert_eq!(splitter.next_event().is_ok(), fits, "{stream:?} by {chunk_bytes}: and from now on");
        }
    }
}

/// What comes after all events that are complete.
fn last_outcome(splitter: &mut Splitter) -> Result<Option<Event>, EventTooLong> {
    loop {
        let outcome = splitter.next_event();
        if !matches!(outcome, Ok(Some(_))) {
            return outcome;
        }
    }
}

#[test]
fn data_is_replaced_and_other_lines_stay() {
    let table = [
        (
            "id: 7\r\nevent: message\r\ndata: old\r\ndata: older\r\nretry: 5\r\n\r\n",
            "new",
            "id: 7\nevent: message\ndata: new\nretry: 5\n\n",
        ),
        ("data:old\n:c\n\n", "a\nb\r\nc\rd", "data: a\ndata: b\ndata: c\ndata: d\n:c\n\n"),
        ("data: old\n:x\rdata: older\r\n\n", "new", "data: new\n:x\n\n"),
        ("data: old\n\n", "", "data: \n\n"),
        ("data: old\n\n", "a\n", "data: a\ndata: \n\n"),
        ("id: 7\n\n", "new", "id: 7\n\n"),
    ];
    for (event, data, expected) in table {
        let events = pieces(event.as_bytes(), &[]);
        assert_eq!(String::from_utf8(events[0].with_data(data.as_bytes())).unwrap(), expected);
    }
}

#[test]
fn what_we_write_is_what_a_client_reads() {
    for data in ["{}", "", "a\nb", "a\n\nb\n", "\n", "data: x"] {
        let written = write_event(data.as_bytes());
        assert_eq!(seen(&pieces(&written, &[])), [(Some("message".to_owned()), data.to_owned())]);
    }
    assert_eq!(seen(&pieces(comment(), &[])), []);
}

fn streams() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "\n", "\r", "\r\n", "\n\n", "\r\n\r\n", ":", ": c", "data", "data:", "data: x", "event: e", "id: 1",
        "retry:", "\u{feff}", "é", " ", "\0",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn chunks_make_no_difference(stream in streams(), chunks in prop::collection::vec(0_usize..6, 0..60)) {
        let (whole, chunked) = (pieces(&stream, &[]), pieces(&stream, &chunks));
        prop_assert_eq!(seen(&whole), seen(&chunked));
        let raw = |pieces: &[Event]| pieces.iter().flat_map(|event| event.raw().to_vec()).collect::<Vec<u8>>();
        prop_assert_eq!(raw(&whole), raw(&chunked));
        prop_assert!(stream.starts_with(&raw(&whole)));
    }

    #[test]
    fn an_event_is_read_as_the_standard_says(stream in streams()) {
        prop_assert_eq!(seen(&pieces(&stream, &[])), reference(&stream));
    }
}

/// The standard's own steps over the whole stream: decode, split into lines, process field by field.
fn reference(stream: &[u8]) -> Vec<(Option<String>, String)> {
    let text = String::from_utf8_lossy(stream).into_owned();
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).replace("\r\n", "\n").replace('\r', "\n");
    let mut dispatched = Vec::new();
    let (mut kind, mut data) = (None, String::new());
    let mut lines: Vec<&str> = text.split('\n').collect();
    lines.pop(); // a line that did not end
    for line in lines {
        if line.is_empty() {
            if let Some(data) = data.strip_suffix('\n') {
                dispatched.push((kind.take(), data.to_owned()));
            }
            (kind, data) = (None, String::new());
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => data.extend([value, "\n"]),
            "event" => kind = Some(value.to_owned()),
            _ => {}
        }
    }
    dispatched
}
