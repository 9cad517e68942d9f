//! The requests of one HTTP/2 connection that are under way: each is a task of its own, and all of them end with the
//! connection. An answer that its client does not take is cut.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::rt::Executor;
use tokio::task::JoinSet;

use crate::body::{Body, BodyError};
use crate::state::Shared;

/// More of an answer than this, twice, is never put between its source and its client's window.
const PIECE_BYTES: usize = 16 * 1024;

/// What is under way on a connection. Dropped, it ends all of it.
#[derive(Debug)]
pub(super) struct UnderWay(Tasks);

/// Where hyper puts the connection's requests.
#[derive(Clone, Debug)]
pub(super) struct Tasks(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    tasks: RefCell<JoinSet<()>>,
    /// Of the request that hyper is about to start.
    next: RefCell<Option<Pace>>,
    count: Cell<usize>,
    idle_since: Cell<Instant>,
}

/// Since when a piece of an answer has waited for its client.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace(Rc<Cell<Option<Instant>>>);

/// An answer's body, in pieces, with its pace.
#[derive(Debug)]
pub(super) struct Paced {
    body: Body,
    left: Bytes,
    pace: Pace,
}

/// Counts one request as under way for as long as it lives.
struct Counted(Tasks);

impl UnderWay {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self(Tasks(Rc::new(Inner {
            shared,
            tasks: RefCell::default(),
            next: RefCell::default(),
            count: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
        })))
    }

    pub(super) fn tasks(&self) -> Tasks {
        self.0.clone()
    }

    /// For how long there has been nothing.
    pub(super) fn idle(&self) -> Option<Duration> {
        let inner = &self.0.0;
        (inner.count.get() == 0).then(|| inner.idle_since.get().elapsed())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.tasks.borrow_mut().abort_all();
    }
}

impl Tasks {
    /// The pace of the request that is about to start.
    pub(super) fn begin(&self) -> Pace {
        let pace = Pace::default();
        self.0.next.replace(Some(pace.clone()));
        pace
    }
}

impl<F: Future<Output = ()> + 'static> Executor<F> for Tasks {
    fn execute(&self, request: F) {
        let pace = self.0.next.take().unwrap_or_default();
        let counted = Counted::new(self.clone());
        let mut tasks = self.0.tasks.borrow_mut();
        while tasks.try_join_next().is_some() {}
        tasks.spawn_local(async move {
            let limits = &counted.0.0.shared.settings.limits;
            let limit = Duration::from_secs(limits.write_timeout_seconds.into());
            tokio::select! {
                biased;
                () = request => {}
                () = pace.stalled(limit) => {
                    let reached = &counted.0.0.shared.metrics.limits_reached;
                    reached.with_label_values(&["write_timeout_seconds"]).inc();
                }
            }
        });
    }
}

impl Counted {
    fn new(tasks: Tasks) -> Self {
        tasks.0.count.set(tasks.0.count.get() + 1);
        Self(tasks)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let inner = &self.0.0;
        inner.count.set(inner.count.get().saturating_sub(1));
        inner.idle_since.set(Instant::now());
    }
}

impl Pace {
    /// A piece waits from now on.
    fn wait(&self) {
        self.0.set(Some(Instant::now()));
    }

    /// The last piece was taken.
    fn taken(&self) {
        self.0.set(None);
    }

    /// Over once a piece has waited for so long, and at most as long again.
    async fn stalled(&self, limit: Duration) {
        loop {
            let left = self.0.get().map_or(limit, |since| limit.saturating_sub(since.elapsed()));
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

impl Paced {
    pub(super) fn new(body: Body, pace: Pace) -> Self {
        Self { body, left: Bytes::new(), pace }
    }

    /// The next piece of what is left.
    fn piece(&mut self) -> Frame<Bytes> {
        let length = self.left.len().min(PIECE_BYTES);
        self.pace.wait();
        Frame::data(self.left.split_to(length))
    }
}

impl http_body::Body for Paced {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.pace.taken();
        if !self.left.is_empty() {
            return Poll::Ready(Some(Ok(self.piece())));
        }
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(match frame.into_data() {
                Ok(data) => {
                    self.left = data;
                    self.piece()
                }
                Err(trailers) => trailers,
            }))),
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.left.len().try_into().unwrap_or(u64::MAX);
        match self.body.size_hint().exact() {
            Some(exact) => SizeHint::with_exact(exact.saturating_add(left)),
            None => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;
    use http_body_util::BodyExt;

    use super::*;

    #[test]
    fn an_answer_comes_in_pieces_and_ends_with_the_last() {
        let whole: Vec<u8> = (0..40_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let mut body = Paced::new(Body::from(whole.clone()), Pace::default());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut read = Vec::new();
        let lengths: Vec<usize> = std::iter::from_fn(|| {
            assert_eq!(body.size_hint().exact(), Some((whole.len() - read.len()) as u64));
            let frame = runtime.block_on(body.frame())?.unwrap().into_data().unwrap();
            read.extend_from_slice(&frame);
            Some(frame.len())
        })
        .collect();
        assert_eq!(lengths, [PIECE_BYTES, PIECE_BYTES, 40_000 - 2 * PIECE_BYTES]);
        assert_eq!(read, whole);
        assert!(body.is_end_stream());
    }

    #[test]
    fn only_a_piece_that_waits_is_late() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let pace = Pace::default();
            let limit = Duration::from_millis(50);
            let soon = || tokio::time::timeout(Duration::from_millis(200), pace.stalled(limit));
            assert!(soon().await.is_err(), "nothing waits");
            pace.wait();
            assert!(soon().await.is_ok(), "a piece waits");
            pace.taken();
            assert!(soon().await.is_err(), "it was taken");
        });
    }
}
