//! A look at the frames of an HTTP/2 connection as they pass, both ways: at their heads only (RFC 9113, section 4.1).
//!
//! The `h2` crate reads and answers them. What it does not say, and what is asked here: whether the head of a request
//! is on its way and for how long; how many frames came that carry neither a request nor data (CVE-2019-9512, -9515,
//! -9518 and their like); and what clients were told that they did wrong.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::preface::PREFACE;
use crate::refusal::Refusal;
use crate::state::Shared;

const HEAD_BYTES: usize = 9;
/// A frame's head, and of its payload as much as has an error code in it.
const KEPT_BYTES: usize = HEAD_BYTES + 8;
/// A response of more than a status is longer than this: each has a date and names its call.
const BARE_HEADERS_BYTES: usize = 16;
/// What a frame of an answer allows a client to send: window updates for its stream and for the connection, and spare.
const CREDIT_PER_ANSWER_FRAME: u32 = 4;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Error codes by number (RFC 9113, section 7).
const CODES: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

/// What was seen of a connection's frames.
#[derive(Debug)]
pub(super) struct Seen {
    shared: Arc<Shared>,
    /// Since when the head of a request is awaited: the connection's first, or one that has begun.
    head_since: Cell<Option<Instant>>,
    allowed: Cell<u32>,
    allowed_at: Cell<Instant>,
    /// The stream that was answered last because its head is too large.
    too_large: Cell<u32>,
}

/// A stream whose frames are looked at.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    seen: Rc<Seen>,
    /// Bytes of the preface that are still to come; no frame is looked at before.
    preface_left: usize,
    incoming: Walk,
    outgoing: Walk,
}

/// One way's place in its frames.
#[derive(Debug, Default)]
struct Walk {
    kept: [u8; KEPT_BYTES],
    /// Bytes of the frame under way that have passed.
    passed: usize,
    /// Whether the last head that began has not ended.
    in_head: bool,
}

/// A frame that has passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Frame {
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
    /// Of `RST_STREAM` and `GOAWAY`.
    code: u32,
}

impl Seen {
    pub(super) fn new(shared: Arc<Shared>) -> Rc<Self> {
        let now = Instant::now();
        Rc::new(Self {
            head_since: Cell::new(Some(now)),
            allowed: Cell::new(shared.settings.limits.max_http2_control_frames),
            allowed_at: Cell::new(now),
            too_large: Cell::new(0),
            shared,
        })
    }

    /// How long the head of a request has been awaited.
    pub(super) fn head_awaited(&self) -> Option<Duration> {
        self.head_since.get().map(|since| since.elapsed())
    }

    /// Notes a frame from the client. An error if it sends too many that ask for nothing.
    fn incoming(&self, frame: &Frame) -> io::Result<()> {
        match frame.kind {
            HEADERS => return Ok(()),
            DATA if frame.length > 0 || frame.flags & END_STREAM != 0 => return Ok(()),
            _ => {}
        }
        if self.allowed.get() == 0 {
            self.allow_for_time();
        }
        match self.allowed.get().checked_sub(1) {
            Some(left) => {
                self.allowed.set(left);
                Ok(())
            }
            None => {
                self.reached("max_http2_control_frames");
                Err(io::Error::other("too many frames without a request or data"))
            }
        }
    }

    fn allow_for_time(&self) {
        let now = Instant::now();
        let max = self.shared.settings.limits.max_http2_control_frames;
        let since_ms = (now - self.allowed_at.get()).as_millis();
        // A tenth of the limit each second.
        let more = u32::try_from(since_ms * u128::from(max) / 10_000).unwrap_or(max).min(max);
        if more > 0 {
            self.allowed.set(more);
            self.allowed_at.set(now);
        }
    }

    /// Notes a frame to the client.
    fn outgoing(&self, frame: &Frame) {
        match frame.kind {
            DATA | HEADERS => {
                let max = self.shared.settings.limits.max_http2_control_frames;
                self.allowed.set(self.allowed.get().saturating_add(CREDIT_PER_ANSWER_FRAME).min(max));
                if frame.kind == HEADERS && frame.flags & END_STREAM != 0 && frame.length < BARE_HEADERS_BYTES
                {
                    // It has no date: the `h2` crate answered with status 431 by itself.
                    self.too_large.set(frame.stream);
                    self.reached("max_header_bytes");
                    self.unreadable();
                }
            }
            RST_STREAM => match code(frame.code) {
                "NO_ERROR" | "CANCEL" => {}
                "REFUSED_STREAM" => self.reached("max_http2_streams"),
                _ if self.too_large.get() == frame.stream => {}
                code => self.error("stream", code),
            },
            GOAWAY if frame.code != 0 => self.error("connection", code(frame.code)),
            _ => {}
        }
    }

    fn reached(&self, limit: &str) {
        self.shared.metrics.limits_reached.with_label_values(&[limit]).inc();
    }

    fn error(&self, scope: &str, code: &str) {
        self.shared.metrics.connections.http2_errors.with_label_values(&[scope, code]).inc();
        if code == "PROTOCOL_ERROR" {
            self.unreadable();
        }
    }

    fn unreadable(&self) {
        let reason = Refusal::UnreadableRequest.name();
        self.shared.metrics.refusals.with_label_values(&[reason]).inc();
    }
}

fn code(number: u32) -> &'static str {
    let place = usize::try_from(number).unwrap_or(usize::MAX);
    CODES.get(place).copied().unwrap_or("unknown")
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, seen: Rc<Seen>) -> Self {
        let preface_left = PREFACE.len();
        Self { stream, seen, preface_left, incoming: Walk::default(), outgoing: Walk::default() }
    }

    fn came(&mut self, bytes: &[u8]) -> io::Result<()> {
        let preface = self.preface_left.min(bytes.len());
        self.preface_left -= preface;
        let seen = &self.seen;
        let mut ended_head = false;
        self.incoming.pass(bytes.get(preface..).unwrap_or_default(), |frame| {
            ended_head |= frame.ends_head();
            seen.incoming(&frame)
        })?;
        match (self.incoming.in_head, seen.head_since.get()) {
            (true, None) => seen.head_since.set(Some(Instant::now())),
            (true, Some(_)) if ended_head => seen.head_since.set(Some(Instant::now())),
            (false, Some(_)) if ended_head => seen.head_since.set(None),
            _ => {}
        }
        Ok(())
    }

    fn went<'a>(&mut self, slices: impl IntoIterator<Item = &'a [u8]>, mut count: usize) {
        let seen = &self.seen;
        for slice in slices {
            let now = slice.get(..count.min(slice.len())).unwrap_or_default();
            count -= now.len();
            // Nothing that goes out is an error.
            let _ok = self.outgoing.pass(now, |frame| {
                seen.outgoing(&frame);
                Ok(())
            });
        }
    }
}

impl Walk {
    /// Bytes that pass, and each frame that ends in them.
    fn pass(&mut self, mut bytes: &[u8], mut each: impl FnMut(Frame) -> io::Result<()>) -> io::Result<()> {
        while !bytes.is_empty() {
            // Up to the end of the head first, since it says where the frame ends.
            let end = if self.passed < HEAD_BYTES { HEAD_BYTES } else { HEAD_BYTES + self.frame().length };
            let (now, later) = bytes.split_at(bytes.len().min(end - self.passed));
            if let Some(room) = self.kept.get_mut(self.passed..) {
                room.iter_mut().zip(now).for_each(|(kept, byte)| *kept = *byte);
            }
            self.passed += now.len();
            bytes = later;
            if self.passed < HEAD_BYTES {
                continue;
            }
            let frame = self.frame();
            if matches!(frame.kind, HEADERS | CONTINUATION) {
                self.in_head = true;
            }
            if self.passed == HEAD_BYTES + frame.length {
                self.in_head = self.in_head && !frame.ends_head();
                self.passed = 0;
                each(frame)?;
            }
        }
        Ok(())
    }

    fn frame(&self) -> Frame {
        let [l1, l2, l3, kind, flags, s1, s2, s3, s4, rest @ ..] = self.kept;
        let [r1, r2, r3, r4, g1, g2, g3, g4] = rest;
        let code = if kind == GOAWAY { [g1, g2, g3, g4] } else { [r1, r2, r3, r4] };
        Frame {
            length: usize::try_from(u32::from_be_bytes([0, l1, l2, l3])).unwrap_or(usize::MAX),
            kind,
            flags,
            stream: u32::from_be_bytes([s1 & 0x7f, s2, s3, s4]),
            code: u32::from_be_bytes(code),
        }
    }
}

impl Frame {
    /// Whether it is the last of a request's head.
    const fn ends_head(&self) -> bool {
        matches!(self.kind, HEADERS | CONTINUATION) && self.flags & END_HEADERS != 0
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        Poll::Ready(self.came(buffer.filled().get(before..).unwrap_or_default()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        self.went([bytes], count);
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, slices))?;
        self.went(slices.iter().map(|slice| &**slice), count);
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
