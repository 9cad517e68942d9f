//! A request's head (RFC 9112, sections 2 to 5), read as far as it has come.

use super::byte::{AUTHORITY, Class, NONE, TARGET, TOKEN, VALUE, VERSION, span};
use super::{FramingRefused, Limits};

/// Longest header name; libraries have limits of their own here.
const NAME_MAX_BYTES: usize = 1024;
const CONTENT_LENGTH: &[u8] = b"content-length";
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding";
const CHUNKED: &[u8] = b"chunked";

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyLength {
    /// After so many bytes.
    Bytes(u64),
    /// After its last chunk.
    Chunked,
}

/// Reads one head, each byte once.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    part: Part,
    /// The next byte to look at.
    at: usize,
    /// Where the part under way began.
    start: usize,
    /// The method and the header name that were read last.
    method: Span,
    name: Span,
    headers: usize,
    is_version_1_0: bool,
    /// One empty line before the head is passed over (RFC 9112, section 2.2).
    is_after_empty_line: bool,
    length: Option<BodyLength>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: usize,
    end: usize,
}

/// What the next byte belongs to. A part goes on as long as its bytes are of its class.
#[derive(Clone, Copy, Debug, Default)]
enum Part {
    #[default]
    Start,
    EmptyLineFeed,
    Method,
    Target,
    Version,
    Name,
    Value,
    LineFeed,
    LastLineFeed,
}

impl HeadReader {
    /// The length of the head and where its body ends, if `bytes`, which begin where the head does, hold all of it.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        limits: &Limits,
    ) -> Result<Option<(usize, BodyLength)>, FramingRefused> {
        let head = bytes.get(..limits.max_head_bytes).unwrap_or(bytes);
        loop {
            let rest = head.get(self.at..).unwrap_or_default();
            let length = span(rest, self.part.class());
            self.at += length;
            self.check_length(limits)?;
            let Some(byte) = rest.get(length) else { break };
            self.at += 1;
            if self.stop(*byte, head, limits)? {
                return Ok(Some((self.at, self.length.unwrap_or(BodyLength::Bytes(0)))));
            }
        }
        if head.len() >= limits.max_head_bytes { Err(FramingRefused::HeaderTooLarge) } else { Ok(None) }
    }

    const fn check_length(&self, limits: &Limits) -> Result<(), FramingRefused> {
        let length = self.at - self.start;
        match self.part {
            Part::Target if length > limits.max_target_bytes => Err(FramingRefused::TargetTooLong),
            Part::Name if length > NAME_MAX_BYTES => Err(FramingRefused::BadHeader),
            _ => Ok(()),
        }
    }

    /// Takes the byte at which a part stops; true at the end of the head.
    fn stop(&mut self, byte: u8, head: &[u8], limits: &Limits) -> Result<bool, FramingRefused> {
        let ended = Span { start: self.start, end: self.at - 1 };
        let is_empty = ended.start == ended.end;
        let mut next_start = self.at;
        self.part = match (self.part, byte) {
            (Part::Start, b'\r') if !self.is_after_empty_line => Part::EmptyLineFeed,
            (Part::EmptyLineFeed, b'\n') => {
                self.is_after_empty_line = true;
                Part::Start
            }
            (Part::Start, _) if span(&[byte], &TOKEN) == 1 => {
                next_start = ended.end;
                Part::Method
            }
            (Part::Method, b' ') => {
                self.method = ended;
                Part::Target
            }
            (Part::Target, b' ') if !is_empty => {
                check_target(part(head, self.method), part(head, ended))?;
                Part::Version
            }
            (Part::Version, b'\r') => {
                self.is_version_1_0 = is_version_1_0(part(head, ended))?;
                Part::LineFeed
            }
            (Part::Name, b':') if !is_empty => {
                self.headers += 1;
                if self.headers > limits.max_headers {
                    return Err(FramingRefused::TooManyHeaders);
                }
                self.name = ended;
                Part::Value
            }
            (Part::Name, b'\r') if is_empty => Part::LastLineFeed,
            (Part::Name, b' ' | b'\t') if is_empty => return Err(FramingRefused::FoldedHeader),
            (Part::Value, b'\r') => {
                self.header(part(head, self.name), part(head, ended))?;
                Part::LineFeed
            }
            (Part::LineFeed, b'\n') => Part::Name,
            (Part::LastLineFeed, b'\n') => return Ok(true),
            (at, byte) => return Err(at.refused(byte)),
        };
        self.start = next_start;
        Ok(false)
    }

    /// Takes note of the headers that say where the body ends.
    fn header(&mut self, name: &[u8], value: &[u8]) -> Result<(), FramingRefused> {
        let Some(known) = [CONTENT_LENGTH, TRANSFER_ENCODING].into_iter().find(|known| reads_as(name, known))
        else {
            return Ok(());
        };
        if self.length.is_some() || name.contains(&b'_') {
            return Err(FramingRefused::AmbiguousFraming);
        }
        let value = value.trim_ascii();
        self.length = Some(if known == CONTENT_LENGTH {
            BodyLength::Bytes(decimal(value).ok_or(FramingRefused::AmbiguousFraming)?)
        } else if value.eq_ignore_ascii_case(CHUNKED) && !self.is_version_1_0 {
            BodyLength::Chunked
        } else if self.is_version_1_0
            || value.windows(CHUNKED.len()).any(|part| part.eq_ignore_ascii_case(CHUNKED))
        {
            return Err(FramingRefused::AmbiguousFraming);
        } else {
            return Err(FramingRefused::UnknownTransferCoding);
        });
        Ok(())
    }
}

impl Part {
    const fn class(self) -> &'static Class {
        match self {
            Self::Start | Self::EmptyLineFeed | Self::LineFeed | Self::LastLineFeed => &NONE,
            Self::Method | Self::Name => &TOKEN,
            Self::Target => &TARGET,
            Self::Version => &VERSION,
            Self::Value => &VALUE,
        }
    }

    /// What is wrong with a byte that can't follow here.
    const fn refused(self, byte: u8) -> FramingRefused {
        match (self, byte) {
            (_, b'\n') | (Self::EmptyLineFeed | Self::LineFeed | Self::LastLineFeed, _) => {
                FramingRefused::BareLineEnd
            }
            (Self::Target, b'\r' | b' ') | (Self::Start | Self::Method | Self::Version, _) => {
                FramingRefused::BadRequestLine
            }
            (Self::Target, _) => FramingRefused::BadTarget,
            (Self::Name | Self::Value, _) => FramingRefused::BadHeader,
        }
    }
}

fn part(head: &[u8], span: Span) -> &[u8] {
    head.get(span.start..span.end).unwrap_or_default()
}

/// The forms of RFC 9112, section 3.2, that a server is asked in.
fn check_target(method: &[u8], target: &[u8]) -> Result<(), FramingRefused> {
    let after_authority = match target {
        _ if method == b"CONNECT" => None,
        b"*" if method == b"OPTIONS" => return Ok(()),
        [b'/', ..] => Some(target),
        _ => after_scheme(target).and_then(|rest| {
            let (authority, rest) = rest.split_at_checked(span(rest, &AUTHORITY))?;
            is_authority(authority).then_some(rest)
        }),
    };
    let path = after_authority.and_then(|rest| rest.split(|byte| *byte == b'?').next());
    match path {
        // Some readers refuse a backtick in a path.
        Some([] | [b'/', ..]) if !path.is_some_and(|path| path.contains(&b'`')) => Ok(()),
        _ => Err(FramingRefused::BadTarget),
    }
}

fn after_scheme(target: &[u8]) -> Option<&[u8]> {
    [&b"http://"[..], b"https://"].into_iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

/// A host name, an IPv4 address or an IPv6 address in brackets, and a port. No user name (RFC 9110, section 4.2.4).
fn is_authority(authority: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(authority) else { return false };
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) if address.parse::<std::net::Ipv6Addr>().is_ok() => {
            (address, if port.is_empty() { None } else { port.strip_prefix(':').or(Some("")) })
        }
        Some(_) => return false,
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let is_host = !host.is_empty() && (text.starts_with('[') || !host.contains(['[', ']']));
    is_host && port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok())
}

fn is_version_1_0(version: &[u8]) -> Result<bool, FramingRefused> {
    match version {
        b"HTTP/1.1" => Ok(false),
        b"HTTP/1.0" => Ok(true),
        [b'H', b'T', b'T', b'P', b'/', ..] => Err(FramingRefused::HttpVersion),
        _ => Err(FramingRefused::BadRequestLine),
    }
}

/// Whether some server takes `name` for `known`: in any case, and with `_` for `-`.
fn reads_as(name: &[u8], known: &[u8]) -> bool {
    let folded = name.iter().map(|byte| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() });
    name.len() == known.len() && folded.eq(known.iter().copied())
}

/// Digits and nothing else, up to 2^63 - 1, which every reader can count to.
fn decimal(value: &[u8]) -> Option<u64> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let number: i64 = str::from_utf8(value).ok().filter(|_| is_number)?.parse().ok()?;
    u64::try_from(number).ok()
}
