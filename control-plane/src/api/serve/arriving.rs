//! A request's body as it arrives: within its time, or not at all.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::{Sleep, sleep};

/// Why a body did not come whole.
#[derive(Debug, thiserror::Error)]
pub(in crate::api) enum Broken {
    #[error("the body took too long")]
    Late,
    #[error(transparent)]
    Off(hyper::Error),
}

struct Arriving {
    body: Incoming,
    until: Pin<Box<Sleep>>,
    limits: Arc<edge::Limits>,
}

/// The same body, which breaks off when its time is up.
pub(super) fn arriving(body: Incoming, within: Duration, limits: &Arc<edge::Limits>) -> Body {
    if body.is_end_stream() {
        return Body::empty();
    }
    Body::new(Arriving { body, until: Box::pin(sleep(within)), limits: Arc::clone(limits) })
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Broken::Off)));
        }
        ready!(self.until.as_mut().poll(context));
        self.limits.count("body_timeout_seconds");
        Poll::Ready(Some(Err(Broken::Late)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
