//! A plain HTTP/1.1 client over a socket: sends what it is told, byte for byte, and sees when each byte comes.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use super::PATIENCE;
use super::tls::TlsStream;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    /// The message in a JSON body, or in the last event of a stream.
    pub(crate) fn message(&self) -> Value {
        if self.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")) {
            let text = self.text();
            let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).next_back().unwrap();
            return serde_json::from_str(data).unwrap();
        }
        self.json()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// One request on a connection of its own.
pub(crate) fn request(
    address: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut connection = Connection::open(address);
    connection.send(method, path, headers, body);
    connection.answer()
}

/// A connection.
pub(crate) struct Connection {
    stream: BufReader<Stream>,
    host: String,
}

/// What a connection goes over.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream>),
}

impl Connection {
    /// One that speaks TLS already.
    pub(crate) fn over(stream: TlsStream) -> Self {
        let host = stream.sock.peer_addr().unwrap().to_string();
        Self { stream: BufReader::new(Stream::Tls(Box::new(stream))), host }
    }

    pub(crate) fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream: BufReader::new(Stream::Plain(stream)), host: address.to_owned() }
    }

    /// One from an address of this host.
    pub(crate) fn open_from(source: Ipv4Addr, address: &str) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
        socket.connect(&address.parse::<SocketAddr>().unwrap().into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream: BufReader::new(Stream::Plain(stream)), host: address.to_owned() }
    }

    /// Sends a request; `Host` and `Content-Length` are added unless they are given.
    pub(crate) fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) {
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head.push_str(&format!("host: {}\r\n", self.host));
        }
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        self.write(head.as_bytes());
        self.write(body);
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
        self.stream.get_mut().flush().unwrap();
    }

    /// The same socket once more, to write from another thread.
    pub(crate) fn writer(&self) -> TcpStream {
        self.stream.get_ref().socket().try_clone().unwrap()
    }

    /// Ends the sending side.
    pub(crate) fn send_no_more(&mut self) {
        self.stream.get_mut().socket().shutdown(Shutdown::Write).unwrap();
    }

    /// Reads the status line and the headers.
    pub(crate) fn head(&mut self) -> Answer {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        let status =
            line.split(' ').nth(1).unwrap_or_else(|| panic!("no status in {line:?}")).parse().unwrap();
        let mut headers = Vec::new();
        loop {
            line.clear();
            self.stream.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Answer { status, headers, body: Vec::new() }
    }

    pub(crate) fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        if answer.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk() {
                answer.body.extend(chunk);
            }
        } else {
            let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
            answer.body.resize(length, 0);
            self.stream.read_exact(&mut answer.body).unwrap();
        }
        answer
    }

    /// The next bytes, so many of them.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// The next chunk of a chunked body; `None` at its end.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        let length =
            usize::from_str_radix(line.trim(), 16).unwrap_or_else(|_| panic!("no chunk length in {line:?}"));
        let mut chunk = vec![0; length + 2];
        self.stream.read_exact(&mut chunk).unwrap();
        chunk.truncate(length);
        (length > 0).then_some(chunk)
    }

    /// The body's chunks up to where it is cut off.
    pub(crate) fn until_cut_off(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        while !self.stream.fill_buf().unwrap().is_empty() {
            body.extend(self.chunk().unwrap_or_else(|| panic!("it was not cut off")));
        }
        body
    }

    /// All bytes until the other end closes, in whatever way.
    pub(crate) fn everything(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _reset_is_an_end_too = self.stream.read_to_end(&mut bytes);
        bytes
    }

    /// Whether the other end closes within a time, without a further byte.
    pub(crate) fn closes_within(&mut self, limit: Duration) -> bool {
        let since = Instant::now();
        self.stream.get_mut().socket().set_read_timeout(Some(limit)).unwrap();
        let closed = matches!(self.stream.read(&mut [0]), Ok(0));
        closed && since.elapsed() < limit
    }
}

impl Stream {
    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(into),
            Self::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
