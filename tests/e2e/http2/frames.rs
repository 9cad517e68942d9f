//! An HTTP/2 client that sends what it is told, frame by frame, right or wrong.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::tls::TlsStream;
use crate::harness::{KEY, PATIENCE, Stream};

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const PRIORITISED: u8 = 32;

pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
pub(crate) const FRAME_SIZE_ERROR: u32 = 6;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// A frame that came.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// What a client hears of what it sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The whole connection is given up.
    GoAway(u32),
    /// One stream is.
    Reset(u32),
    Status(u16),
    /// The connection ended without a word.
    Closed,
}

/// A connection.
pub(crate) struct Client {
    stream: Stream,
    scheme: &'static str,
    pub(crate) authority: String,
}

/// The bytes of a frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A block of headers (RFC 7541): each a literal without Huffman's code that is not remembered.
pub(crate) fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    headers.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut length = text.len();
    if length < 127 {
        bytes.push(u8::try_from(length).unwrap());
    } else {
        bytes.push(127);
        length -= 127;
        while length >= 128 {
            bytes.push(u8::try_from(length % 128).unwrap() | 128);
            length /= 128;
        }
        bytes.push(u8::try_from(length).unwrap());
    }
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// The payload of a `SETTINGS` frame.
pub(crate) fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    settings
        .iter()
        .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect()
}

impl Frame {
    pub(crate) fn has(&self, kind: u8, flag: u8) -> bool {
        self.kind == kind && self.flags & flag != 0
    }

    fn code(&self, place: usize) -> u32 {
        u32::from_be_bytes(self.payload[place..place + 4].try_into().unwrap())
    }

    /// The status at the beginning of a connection's first response.
    pub(crate) fn status(&self) -> u16 {
        const INDEXED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
        match self.payload[..] {
            [first @ 0x88..=0x8e, ..] => INDEXED[usize::from(first) - 0x88],
            [0x48 | 0x08, length, ref rest @ ..] if length & 0x80 != 0 => {
                digits(&rest[..usize::from(length & 0x7f)])
            }
            [0x48 | 0x08, 3, ref rest @ ..] => std::str::from_utf8(&rest[..3]).unwrap().parse().unwrap(),
            _ => panic!("no status at the beginning of {:02x?}", self.payload),
        }
    }
}

/// Digits in Huffman's code (RFC 7541, appendix B): of five bits up to 2, of six from 3 on.
fn digits(bytes: &[u8]) -> u16 {
    let bits: Vec<u16> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |n| u16::from(byte >> n & 1))).collect();
    let number = |bits: &[u16]| bits.iter().fold(0, |number, bit| number * 2 + bit);
    let (mut place, mut status) = (0, 0);
    for _ in 0..3 {
        let five = number(&bits[place..place + 5]);
        let (digit, length) =
            if five < 3 { (five, 5) } else { (number(&bits[place..place + 6]) - 0b01_1001 + 3, 6) };
        status = status * 10 + digit;
        place += length;
    }
    status
}

impl Client {
    /// A connection on which nothing was sent.
    pub(crate) fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: Stream::Plain(stream), scheme: "http", authority: address.to_owned() }
    }

    /// A connection with preface and settings.
    pub(crate) fn open(address: &str, wanted: &[(u16, u32)]) -> Self {
        let mut client = Self::connect(address);
        client.write(PREFACE);
        client.send(SETTINGS, 0, 0, &settings(wanted));
        client
    }

    /// The same over TLS.
    pub(crate) fn over(stream: TlsStream) -> Self {
        let authority = stream.sock.peer_addr().unwrap().to_string();
        let mut client = Self { stream: Stream::Tls(Box::new(stream)), scheme: "https", authority };
        client.write(PREFACE);
        client.send(SETTINGS, 0, 0, &[]);
        client
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Writes; whether the other end still takes it.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    pub(crate) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.write(&frame(kind, flags, stream, payload));
    }

    /// The headers that every request needs, and more.
    pub(crate) fn head(&self, method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
        let mut headers = vec![
            (":method", method),
            (":scheme", self.scheme),
            (":path", path),
            (":authority", &self.authority),
            ("x-api-key", KEY),
        ];
        headers.extend_from_slice(more);
        block(&headers)
    }

    /// A whole request.
    pub(crate) fn request(&mut self, stream: u32, method: &str, path: &str, body: &[u8]) {
        let head = self.head(method, path, &[("content-type", "application/json")]);
        let flags = END_HEADERS | if body.is_empty() { END_STREAM } else { 0 };
        self.send(HEADERS, flags, stream, &head);
        if !body.is_empty() {
            self.send(DATA, END_STREAM, stream, body);
        }
    }

    /// The next frame; `None` at the end of the connection.
    pub(crate) fn frame(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).ok()?;
        let [l1, l2, l3, kind, flags, s1, s2, s3, s4] = head;
        let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, l1, l2, l3])).unwrap()];
        self.stream.read_exact(&mut payload).ok()?;
        Some(Frame { kind, flags, stream: u32::from_be_bytes([s1, s2, s3, s4]), payload })
    }

    /// The next frame of a kind; what comes before it is passed over.
    pub(crate) fn next(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.frame().unwrap_or_else(|| panic!("the connection ended before a frame {kind}"));
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// The first thing that is said about what was sent.
    pub(crate) fn heard(&mut self) -> Heard {
        while let Some(frame) = self.frame() {
            match frame.kind {
                HEADERS => return Heard::Status(frame.status()),
                RST_STREAM => return Heard::Reset(frame.code(0)),
                GOAWAY => return Heard::GoAway(frame.code(4)),
                _ => {}
            }
        }
        Heard::Closed
    }

    /// The body of a stream's answer, its window opened as it comes.
    pub(crate) fn body(&mut self, stream: u32) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let frame = self.next(DATA);
            if frame.stream != stream {
                continue;
            }
            body.extend_from_slice(&frame.payload);
            if frame.has(DATA, END_STREAM) {
                return body;
            }
            let more = u32::try_from(frame.payload.len()).unwrap().to_be_bytes();
            for of in [0, stream] {
                self.send(WINDOW_UPDATE, 0, of, &more);
            }
        }
    }

    /// Whether the other end closes within a time; everything before is passed over.
    pub(crate) fn closes_within(&mut self, limit: Duration) -> bool {
        self.stream.socket().set_read_timeout(Some(limit)).unwrap();
        let mut bytes = [0; 4096];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
            }
        }
    }

    /// The error code of a `GOAWAY`, if one comes before the end.
    pub(crate) fn goes_away(&mut self) -> Option<u32> {
        while let Some(frame) = self.frame() {
            if frame.kind == GOAWAY {
                return Some(frame.code(4));
            }
        }
        None
    }
}
