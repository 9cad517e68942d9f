//! Between a client's stream and hyper's HTTP/1.1 server: a stream that lets only well-formed requests through, one at a
//! time, and only within their time.
//!
//! * What [`protocol::http1`] refuses never reaches hyper. In place of a refused head hyper is given a request that asks
//!   for nothing, and the service is told why ([`Progress::refused`]), so that the answer comes in its turn.
//! * What follows a request is held back until its answer is through. Meanwhile the stream is read ahead, so that a client
//!   that leaves is noticed at once. A client that closes its sending side has left.
//! * A client that is silent between requests, does not finish a head, or takes nothing of its answer is cut.
//! * After an upgrade all bytes pass as they are.

mod deadline;
mod progress;
mod steps;

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use protocol::http1::{Framing, FramingRefused};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::Limits;
use deadline::Deadline;
pub use progress::{Answer, Answering, Progress};

/// This much of what follows a request is read before its answer is through.
const AHEAD_MAX_BYTES: usize = 16 * 1024;
/// Whoever is still sending when a connection ends is listened to for so long at most: a client that is cut off in the middle of
/// sending never reads why.
const LINGER: Duration = Duration::from_secs(2);

/// A client's stream that is watched.
#[derive(Debug)]
pub struct Watched<S> {
    stream: S,
    progress: Arc<Progress>,
    limits: Arc<Limits>,
    framing: Framing,
    /// What was read and has not passed: a head that is not whole yet, or what follows the request under way.
    held: BytesMut,
    /// So many bytes of `held` may pass.
    passable: usize,
    /// Requests that have passed, or begun to.
    begun: u32,
    waiting: Waiting,
    /// For the next head, and at the end for the client to stop sending.
    reading: Deadline,
    /// For the client to take a byte.
    writing: Deadline,
    /// A refused head was replaced, which is the end of reading.
    is_replaced: bool,
    /// The answers are out, and what the client still sends is thrown away.
    is_shut_down: bool,
    /// Of that, this much is still read.
    linger_bytes: usize,
}

/// What of the client is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// Nothing, or nothing that has its time here.
    Nothing,
    FirstByte,
    RestOfHead,
}

/// Why a request's body broke off, if it was for its form.
#[must_use]
pub fn refused_by(error: &hyper::Error) -> Option<FramingRefused> {
    let broken = error.source()?.downcast_ref::<io::Error>()?;
    broken.get_ref()?.downcast_ref::<FramingRefused>().copied()
}

impl<S> Watched<S> {
    /// Watches a stream that was just accepted.
    pub fn new(stream: S, progress: Arc<Progress>, limits: Arc<Limits>) -> Self {
        let framing = Framing::new(limits.head);
        let linger_bytes = limits.linger_bytes;
        Self {
            stream,
            progress,
            limits,
            framing,
            held: BytesMut::new(),
            passable: 0,
            begun: 0,
            waiting: Waiting::Nothing,
            reading: Deadline::default(),
            writing: Deadline::default(),
            is_replaced: false,
            is_shut_down: false,
            linger_bytes,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.progress.is_upgraded() && this.held.is_empty() {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        if this.progress.is_upgraded() {
            this.passable = this.held.len();
        }
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        loop {
            if this.passable > 0 {
                this.hand_out(buffer);
            }
            if buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
            if this.is_replaced {
                // There is nothing to read, and the end of it is not of interest: the answer is there at once.
                return Poll::Pending;
            }
            if let Some(refused) = this.framing.refused() {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, refused)));
            }
            if this.begin() && !this.held.is_empty() {
                this.look_at_held();
                continue;
            }
            let is_ahead = this.framing.is_at_end();
            if is_ahead && this.held.len() >= AHEAD_MAX_BYTES {
                // It is read on when the answer is through: see `poll_flush`.
                return Poll::Pending;
            }
            let is_held = is_ahead || !this.held.is_empty();
            let read = if is_held { this.poll_hold(context) } else { this.poll_through(context, buffer) };
            match read? {
                Poll::Ready(0) => return Poll::Ready(Ok(())),
                Poll::Ready(_) if is_held && !is_ahead => this.look_at_held(),
                Poll::Ready(_) => {}
                Poll::Pending if this.framing.is_in_head() => {
                    ready!(this.poll_late(context));
                    if !this.is_replaced {
                        return Poll::Ready(Ok(()));
                    }
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch_write(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch_write(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes when an answer is through, and then waits to be woken for the next request. It may be here already;
    /// if not, from now on it is waited for.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        ready!(self.watch_write(context, flushed))?;
        let is_over = self.progress.is_upgraded() || self.is_replaced;
        if !is_over && self.framing.is_at_end() && self.is_answered() {
            if self.held.is_empty() {
                self.begin();
            }
            if !self.held.is_empty() || self.poll_late(context).is_ready() {
                context.waker().wake_by_ref();
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_shut_down {
            let shut_down = Pin::new(&mut this.stream).poll_shutdown(context);
            ready!(this.watch_write(context, shut_down))?;
            let is_unread = this.is_replaced || !this.held.is_empty() || this.progress.is_in_body();
            if this.progress.is_upgraded() || !is_unread {
                return Poll::Ready(Ok(()));
            }
            this.is_shut_down = true;
            this.reading.set(LINGER);
        }
        loop {
            this.held.clear();
            match this.poll_hold(context) {
                Poll::Ready(Ok(length @ 1..)) if length <= this.linger_bytes => this.linger_bytes -= length,
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return this.reading.poll(context).map(Ok),
            }
        }
    }
}
