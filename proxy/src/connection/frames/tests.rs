use super::*;

fn bytes() -> Vec<u8> {
    let frame = |kind, flags, stream: u8, payload: &[u8]| {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
    };
    [
        // A head that goes on, and ends.
        frame(HEADERS, 0, 1, b"abc"),
        frame(CONTINUATION, END_HEADERS, 1, b"d"),
        frame(DATA, END_STREAM, 1, b""),
        frame(RST_STREAM, 0, 3, &[0, 0, 0, 8]),
        frame(GOAWAY, 0, 0, &[0, 0, 0, 3, 0, 0, 0, 11, b'h', b'i']),
        frame(DATA, 0, 5, &[0; 200]),
    ]
    .concat()
}

#[test]
fn frames_are_the_same_however_they_are_cut() {
    let bytes = bytes();
    for size in 1..=bytes.len() {
        let mut walk = Walk::default();
        let mut frames = Vec::new();
        for piece in bytes.chunks(size) {
            walk.pass(piece, |frame| {
                frames.push(frame);
                Ok(())
            })
            .unwrap();
        }
        let heads: Vec<_> = frames.iter().map(|f| (f.length, f.kind, f.flags, f.stream)).collect();
        let expected = [
            (3, HEADERS, 0, 1),
            (1, CONTINUATION, END_HEADERS, 1),
            (0, DATA, END_STREAM, 1),
            (4, RST_STREAM, 0, 3),
            (10, GOAWAY, 0, 0),
            (200, DATA, 0, 5),
        ];
        assert_eq!(heads, expected, "{size}");
        assert_eq!((code(frames[3].code), code(frames[4].code)), ("CANCEL", "ENHANCE_YOUR_CALM"), "{size}");
    }
}

#[test]
fn a_head_is_under_way_from_its_first_frame_to_its_last() {
    let bytes = bytes();
    let mut walk = Walk::default();
    let is_under_way = |byte: &u8| {
        walk.pass(&[*byte], |_| Ok(())).unwrap();
        walk.in_head
    };
    let under_way: Vec<bool> = bytes.iter().map(is_under_way).collect();
    // From the last byte of the first frame's head on, up to the last byte of the second frame.
    let expected: Vec<bool> = (0..bytes.len()).map(|place| (8..21).contains(&place)).collect();
    assert_eq!(under_way, expected);
}
