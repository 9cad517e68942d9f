//! The steps of a watched stream: looking at what came, holding it back, handing it out, replacing what is refused, and
//! keeping time.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use protocol::http1::FramingRefused;
use tokio::io::{AsyncRead, ReadBuf};

use super::{Waiting, Watched};

/// What hyper is given in place of a head that is refused.
const IN_ITS_PLACE: &[u8] = b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n";
/// Bytes that are read at a time when they are held back.
const PIECE_BYTES: usize = 4096;

impl<S> Watched<S> {
    pub(super) fn is_answered(&self) -> bool {
        self.progress.answered() == self.begun
    }

    /// Lets the next request begin, if the one before it is through in both directions; true then.
    pub(super) fn begin(&mut self) -> bool {
        let begins = self.framing.is_at_end() && self.is_answered();
        if begins {
            self.framing.begin();
        }
        begins
    }

    /// How many of these bytes, the first that have not passed, may pass; none of a head that is refused.
    fn look(&mut self, bytes: &[u8]) -> usize {
        let was_in_head = self.framing.is_in_head();
        match self.framing.pass(bytes) {
            Ok(0) => 0,
            Ok(passed) => {
                if was_in_head {
                    self.has_begun();
                }
                self.progress.set_in_body(!self.framing.is_at_end());
                passed
            }
            Err(refused) => {
                if was_in_head {
                    self.replace(refused);
                }
                0
            }
        }
    }

    pub(super) fn look_at_held(&mut self) {
        let held = std::mem::take(&mut self.held);
        let passable = self.look(&held);
        if !self.is_replaced {
            (self.held, self.passable) = (held, passable);
        }
    }

    fn has_begun(&mut self) {
        self.begun = self.begun.wrapping_add(1);
        self.waiting = Waiting::Nothing;
        self.reading.clear();
    }

    /// Puts a request that asks for nothing in the place of one that is refused. What the client sends from now on is
    /// not looked at.
    fn replace(&mut self, refused: FramingRefused) {
        if let Some(limit) = refused.limit() {
            self.limits.count(limit);
        }
        self.progress.refuse(refused);
        self.has_begun();
        self.is_replaced = true;
        self.held = BytesMut::from(IN_ITS_PLACE);
        self.passable = self.held.len();
    }

    pub(super) fn hand_out(&mut self, buffer: &mut ReadBuf<'_>) {
        let length = self.passable.min(buffer.remaining());
        buffer.put_slice(&self.held.split_to(length));
        self.passable -= length;
        if self.held.is_empty() {
            self.held = BytesMut::new();
        }
    }

    /// Ready when the client has taken too long for its next head. Then the connection is at its end, or, if a part of
    /// the head has come, there is something to answer.
    pub(super) fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let limits = &self.limits;
        let (waiting, limit, name) = match (self.held.is_empty(), self.begun) {
            (false, _) => (Waiting::RestOfHead, limits.header_timeout, "header_timeout_seconds"),
            (true, 0) => (Waiting::FirstByte, limits.header_timeout, "header_timeout_seconds"),
            (true, _) => (Waiting::FirstByte, limits.keep_alive, "keep_alive_seconds"),
        };
        if self.waiting != waiting {
            self.waiting = waiting;
            self.reading.set(limit);
        }
        ready!(self.reading.poll(context));
        match waiting {
            Waiting::RestOfHead => self.replace(FramingRefused::HeaderTimeout),
            Waiting::FirstByte | Waiting::Nothing => self.limits.count(name),
        }
        Poll::Ready(())
    }

    /// Passes on what came of a write, unless the client has taken nothing for too long.
    pub(super) fn watch_write<T>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.writing.clear();
        } else if !self.progress.is_upgraded() {
            self.writing.start(self.limits.write_timeout);
            ready!(self.writing.poll(context));
            self.limits.count("write_timeout_seconds");
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        written
    }
}

impl<S: AsyncRead + Unpin> Watched<S> {
    /// Reads what is held back, or ahead.
    pub(super) fn poll_hold(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut piece = [MaybeUninit::uninit(); PIECE_BYTES];
        let mut piece = ReadBuf::uninit(&mut piece);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut piece))?;
        self.held.extend_from_slice(piece.filled());
        Poll::Ready(Ok(piece.filled().len()))
    }

    /// Reads what may pass as it is read; the number is that of the bytes that came.
    pub(super) fn poll_through(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let read = buffer.filled().get(before..).unwrap_or_default();
        let length = read.len();
        if length > 0 {
            let passed = self.look(read);
            if !self.is_replaced {
                self.held.extend_from_slice(read.get(passed..).unwrap_or_default());
            }
            buffer.set_filled(before + passed);
        }
        Poll::Ready(Ok(length))
    }
}
