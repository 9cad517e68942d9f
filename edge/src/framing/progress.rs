//! How far a connection has come: what the watched stream and the service on it have to know of each other.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use protocol::http1::FramingRefused;

/// Of one connection. Its stream may move to another thread, so this is shared by atomics; they are never waited for.
#[derive(Debug, Default)]
pub struct Progress {
    answered: AtomicU32,
    is_in_body: AtomicBool,
    is_upgraded: AtomicBool,
    refused: OnceLock<FramingRefused>,
}

/// One request that is being answered; its answer is through when this is dropped.
#[derive(Debug)]
pub struct Answering(Arc<Progress>);

/// An answer's body, which says when it is through.
#[derive(Debug)]
pub struct Answer<B> {
    body: B,
    _answering: Answering,
}

impl Progress {
    /// Answers that are through.
    pub(super) fn answered(&self) -> u32 {
        self.answered.load(Ordering::Acquire)
    }

    /// Whether bytes of the request's body are still to come.
    pub(super) fn is_in_body(&self) -> bool {
        self.is_in_body.load(Ordering::Acquire)
    }

    pub(super) fn set_in_body(&self, is_in_body: bool) {
        self.is_in_body.store(is_in_body, Ordering::Release);
    }

    /// Whether what passes is HTTP no more.
    pub(super) fn is_upgraded(&self) -> bool {
        self.is_upgraded.load(Ordering::Acquire)
    }

    /// Why the request that is answered now is refused, if it is: it stands for one that could not be read.
    #[must_use]
    pub fn refused(&self) -> Option<FramingRefused> {
        self.refused.get().copied()
    }

    /// Of the next request, which is the last one.
    pub(super) fn refuse(&self, refused: FramingRefused) {
        let _first = self.refused.set(refused);
    }
}

impl Answering {
    /// The next request of the connection.
    #[must_use]
    pub fn new(progress: &Arc<Progress>) -> Self {
        Self(Arc::clone(progress))
    }

    /// Whether bytes of the request's body are still to come.
    #[must_use]
    pub fn is_in_body(&self) -> bool {
        self.0.is_in_body()
    }

    /// What follows the answer's head is not HTTP.
    pub fn upgraded(&self) {
        self.0.is_upgraded.store(true, Ordering::Release);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answered.fetch_add(1, Ordering::Release);
    }
}

impl<B> Answer<B> {
    /// The body of the answer to that request.
    pub const fn new(body: B, answering: Answering) -> Self {
        Self { body, _answering: answering }
    }
}

impl<B: Body + Unpin> Body for Answer<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
