use proptest::prelude::*;

use super::FramingRefused::*;
use super::*;

const LIMITS: Limits = Limits { max_head_bytes: 300, max_headers: 4, max_target_bytes: 60 };

/// Where each request ends, and what then was refused, when bytes come in these pieces.
fn cut<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<usize>, Option<FramingRefused>) {
    let mut framing = Framing::new(LIMITS);
    let (mut held, mut passed, mut ends) = (Vec::new(), 0, Vec::new());
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            match framing.pass(&held) {
                Ok(0) => break,
                Ok(now) => {
                    held.drain(..now);
                    passed += now;
                }
                Err(refused) => return (ends, Some(refused)),
            }
            if framing.is_at_end() {
                ends.push(passed);
                framing.begin();
            }
        }
    }
    (ends, None)
}

/// The same, in one piece; however it is split, the result is the same.
fn cut_anyhow(bytes: &[u8]) -> (Vec<usize>, Option<FramingRefused>) {
    let whole = cut([bytes]);
    assert_eq!(cut(bytes.chunks(1)), whole, "{}", String::from_utf8_lossy(bytes));
    for at in 0..bytes.len() {
        let (start, rest) = bytes.split_at(at);
        assert_eq!(cut([start, rest]), whole, "{}", String::from_utf8_lossy(bytes));
    }
    whole
}

fn with_headers(headers: &str) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\n{headers}\r\n").into_bytes()
}

#[test]
fn requests_end_where_they_say() {
    for (request, rest) in [
        ("GET / HTTP/1.1\r\n\r\n", ""),
        ("GET / HTTP/1.0\r\nHost:a\r\n\r\n", "GET"),
        ("\r\nGET /a?b={c}`[|] HTTP/1.1\r\n\r\n", "\r\n"),
        ("OPTIONS * HTTP/1.1\r\nA: \u{e9}\t x \r\nB:\r\n\r\n", ""),
        ("GET http://a.example:80/b HTTP/1.1\r\n\r\n", ""),
        ("GET HTTPS://[::1]:8443?a HTTP/1.1\r\n\r\n", ""),
        ("POST / HTTP/1.1\r\ncontent-LENGTH: \t 3 \r\n\r\nabc", "GET / "),
        ("POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n", "abc"),
        ("POST / HTTP/1.1\r\nTransfer-encoding: Chunked\r\n\r\n0\r\n\r\n", "0\r\n"),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0A\r\n0\r\n\r\nGET /\r\n0\r\n\r\n",
            "x",
        ),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\"b;\"\r\na\r\n0;c\r\nA: b\r\nC:\r\n\r\n",
            "",
        ),
    ] {
        let bytes = format!("{request}{rest}").into_bytes();
        let (ends, _) = cut_anyhow(&bytes);
        assert_eq!(ends.first(), Some(&request.len()), "{request}");
        // A pipelined one begins right behind.
        let twice = format!("{request}{request}").into_bytes();
        assert_eq!(cut_anyhow(&twice), (vec![request.len(), request.len() * 2], None), "{request}");
    }
}

#[test]
fn unclear_lengths_are_refused() {
    let length = |text: &str| with_headers(&format!("Content-Length: {text}\r\n"));
    let coding = |text: &str| with_headers(&format!("Transfer-Encoding: {text}\r\n"));
    for (refused, head) in [
        (AmbiguousFraming, with_headers("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n")),
        (AmbiguousFraming, with_headers("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n")),
        (AmbiguousFraming, with_headers("Content-Length: 4\r\nContent-Length: 4\r\n")),
        (AmbiguousFraming, with_headers("Transfer-Encoding: chunked\r\ntransfer-encoding: chunked\r\n")),
        (AmbiguousFraming, with_headers("Content_Length: 4\r\n")),
        (AmbiguousFraming, with_headers("transfer_encoding: chunked\r\n")),
        (AmbiguousFraming, length("4, 4")),
        (AmbiguousFraming, length("+4")),
        (AmbiguousFraming, length("-4")),
        (AmbiguousFraming, length("0x4")),
        (AmbiguousFraming, length("")),
        (AmbiguousFraming, length("4 4")),
        (AmbiguousFraming, length("9223372036854775808")),
        (AmbiguousFraming, coding("chunked, identity")),
        (AmbiguousFraming, coding("gzip, chunked")),
        (AmbiguousFraming, coding("xchunked")),
        (AmbiguousFraming, coding("\"chunked\"")),
        (AmbiguousFraming, b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec()),
        (UnknownTransferCoding, coding("identity")),
        (UnknownTransferCoding, coding("")),
        (BadHeader, coding("\x0bchunked")),
    ] {
        assert_eq!(cut_anyhow(&head), (vec![], Some(refused)), "{}", String::from_utf8_lossy(&head));
    }
}

#[test]
fn unclear_heads_are_refused() {
    for (refused, head) in [
        (BadHeader, with_headers("Host : a\r\n")),
        (BadHeader, with_headers("Host\r\n")),
        (BadHeader, with_headers(": a\r\n")),
        (BadHeader, with_headers("A(: a\r\n")),
        (BadHeader, with_headers("\u{e9}: a\r\n")),
        (BadHeader, with_headers("A: b\0c\r\n")),
        (BadHeader, with_headers("A: b\x7f\r\n")),
        (FoldedHeader, with_headers("A: b\r\n c\r\n")),
        (FoldedHeader, with_headers("\tA: b\r\n")),
        (BareLineEnd, with_headers("A: b\nC: d\r\n")),
        (BareLineEnd, with_headers("A: b\rC: d\r\n")),
        (BareLineEnd, with_headers("A: b\r\r\n")),
        (BareLineEnd, with_headers("\n")),
        (BareLineEnd, b"GET / HTTP/1.1\n\n".to_vec()),
        (BareLineEnd, b"GET / HTTP/1.1\r\n\rX".to_vec()),
        (BareLineEnd, b"\nGET / HTTP/1.1\r\n\r\n".to_vec()),
        (BadRequestLine, b"\r\n\r\nGET / HTTP/1.1\r\n\r\n".to_vec()),
        (BadRequestLine, b"GET /\r\n\r\n".to_vec()),
        (BadRequestLine, b"GET  / HTTP/1.1\r\n\r\n".to_vec()),
        (BadRequestLine, b"GET / HTTP/1.1 \r\n\r\n".to_vec()),
        (BadRequestLine, b"GET / /a HTTP/1.1\r\n\r\n".to_vec()),
        (BadRequestLine, b"GET / http/1.1\r\n\r\n".to_vec()),
        (BadRequestLine, b"GET\t/ HTTP/1.1\r\n\r\n".to_vec()),
        (BadRequestLine, b" GET / HTTP/1.1\r\n\r\n".to_vec()),
        (BadRequestLine, b"not http\r\n\r\n".to_vec()),
        (BadRequestLine, b"\x16\x03\x01\x02\x00\x01".to_vec()),
        (HttpVersion, b"GET / HTTP/2.0\r\n\r\n".to_vec()),
        (HttpVersion, b"GET / HTTP/1.10\r\n\r\n".to_vec()),
        (HttpVersion, b"OPTIONS * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        (BadTarget, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        (BadTarget, b"CONNECT a.example:443 HTTP/1.1\r\n\r\n".to_vec()),
        (BadTarget, b"CONNECT / HTTP/1.1\r\n\r\n".to_vec()),
        (BadTarget, b"GET * HTTP/1.1\r\n\r\n".to_vec()),
        (BadTarget, b"GET a HTTP/1.1\r\n\r\n".to_vec()),
        (BadTarget, b"GET /a#b HTTP/1.1\r\n\r\n".to_vec()),
        (BadTarget, b"GET /\xc3\xa9 HTTP/1.1\r\n\r\n".to_vec()),
        (BadTarget, b"GET /`a HTTP/1.1\r\n\r\n".to_vec()),
        (BadTarget, b"GET ftp://a/ HTTP/1.1\r\n\r\n".to_vec()),
        (BadTarget, b"GET http:///a HTTP/1.1\r\n\r\n".to_vec()),
        (BadTarget, b"GET http://user@a/ HTTP/1.1\r\n\r\n".to_vec()),
        (BadTarget, b"GET http://a:99999/ HTTP/1.1\r\n\r\n".to_vec()),
        (BadTarget, b"GET http://[::1/ HTTP/1.1\r\n\r\n".to_vec()),
        (TargetTooLong, format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(60)).into_bytes()),
        (HeaderTooLarge, with_headers(&format!("A: {}\r\n", "b".repeat(300)))),
        (HeaderTooLarge, with_headers(&format!("A: {}\r\n", "b".repeat(277)))),
        (TooManyHeaders, with_headers("A: b\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\n")),
    ] {
        assert_eq!(cut_anyhow(&head), (vec![], Some(refused)), "{}", String::from_utf8_lossy(&head));
    }
    // The largest of each is not.
    let line = format!("A: {}\r\n", "b".repeat(276));
    for head in [
        with_headers(&line),
        with_headers("A: b\r\nA: b\r\nA: b\r\nA: b\r\n"),
        format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(59)).into_bytes(),
    ] {
        assert_eq!(cut_anyhow(&head), (vec![head.len()], None), "{}", String::from_utf8_lossy(&head));
    }
}

#[test]
fn unclear_chunks_are_refused() {
    let head = with_headers("Transfer-Encoding: chunked\r\n");
    let long = |text: &str| text.replace('~', &"x".repeat(2000));
    for body in [
        "\r\n",
        "x\r\n",
        "+1\r\na\r\n0\r\n\r\n",
        "0x1\r\na\r\n0\r\n\r\n",
        "1 \r\na\r\n0\r\n\r\n",
        " 1\r\na\r\n0\r\n\r\n",
        "1\na\r\n0\r\n\r\n",
        "1\rxa",
        "1\r\nab\r\n0\r\n\r\n",
        "1\r\na\n0\r\n\r\n",
        "1\r\na0\r\n\r\n",
        "000000001\r\na\r\n0\r\n\r\n",
        "100000000000000000000000000000001\r\na\r\n0\r\n\r\n",
        "1;a\nb\r\na\r\n0\r\n\r\n",
        "1;\u{e9}\r\na\r\n0\r\n\r\n",
        "1;a\0\r\na\r\n0\r\n\r\n",
        &long("1;~\r\na\r\n0\r\n\r\n"),
        &long("1;a\r\na\r\n0;~\r\n\r\n"),
        "0\r\nA : b\r\n\r\n",
        "0\r\n A: b\r\n\r\n",
        "0\r\nA\r\n\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\nA: \0\r\n\r\n",
        "0\r\n\n",
        &format!("0\r\n{}\r\n", "A: b\r\n".repeat(9)),
        &long("0\r\nA: ~~~\r\n\r\n"),
    ] {
        let bytes = [&head, body.as_bytes()].concat();
        assert_eq!(cut_anyhow(&bytes), (vec![], Some(BadChunk)), "{body:.60}");
    }
}

proptest! {
    /// Any bytes made of what heads and chunks are made of, in any pieces.
    #[test]
    fn pieces_make_no_difference(
        parts in proptest::collection::vec(proptest::sample::select(vec![
            "GET / HTTP/1.1\r\n", "POST /a HTTP/1.0\r\n", "\r\n", "\r", "\n", " ", ":", "0", "1", "a", "\0",
            "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "X: y\r\n", "3\r\nabc\r\n", "0\r\n\r\n", ";e",
        ]), 0..24),
        sizes in proptest::collection::vec(1_usize..20, 1..8),
    ) {
        let bytes = parts.concat().into_bytes();
        let (mut rest, mut pieces) = (bytes.as_slice(), Vec::new());
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, more) = rest.split_at((*size).min(rest.len()));
            pieces.push(piece);
            rest = more;
        }
        prop_assert_eq!(cut(pieces), cut([bytes.as_slice()]));
    }
}
