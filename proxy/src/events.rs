//! The stream of a held call: opened while `gate` is still under way, and driven by it.
//!
//! `gate` opens the stream and goes on; from then on it runs inside the response's body. A caller who leaves drops the
//! body and with it `gate`, wherever it waits.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body as _, Frame};
use protocol::sse;

use crate::body::{Body, BodyError};
use crate::http_sse::{self, Session};
use crate::respond;
use crate::state::{Room, Shared};

/// A response that is not a stream is read whole, up to here, to become one event.
const EVENT_MAX_BYTES: usize = 16 * 1024 * 1024;

/// A request on its way through `gate`, not answered yet.
pub(crate) type Underway = Pin<Box<dyn Future<Output = Response<Body>>>>;

/// Where a held call writes while it waits.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventStream(Rc<RefCell<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    open: bool,
    chunks: VecDeque<Bytes>,
    reader: Option<Waker>,
    /// Where the stream goes in the old HTTP+SSE transport: into another response.
    session: Option<Arc<Session>>,
}

impl EventStream {
    /// From here on the stream is that of a session.
    pub(crate) fn is_of(&self, session: Arc<Session>) {
        self.0.borrow_mut().session = Some(session);
    }

    pub(crate) fn session(&self) -> Option<Arc<Session>> {
        self.0.borrow().session.clone()
    }

    /// Opens the stream, if it is not open yet, and writes to it.
    pub(crate) fn write(&self, chunk: impl Into<Bytes>) {
        let mut queue = self.0.borrow_mut();
        queue.open = true;
        queue.chunks.push_back(chunk.into());
        if let Some(reader) = queue.reader.take() {
            reader.wake();
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.0.borrow().open
    }

    /// What was written and not read yet.
    pub(crate) fn take(&self) -> Option<Bytes> {
        self.0.borrow_mut().chunks.pop_front()
    }

    pub(crate) fn next(&self, context: &Context<'_>) -> Option<Bytes> {
        let mut queue = self.0.borrow_mut();
        let chunk = queue.chunks.pop_front();
        if chunk.is_none() {
            queue.reader = Some(context.waker().clone());
        }
        chunk
    }
}

/// Waits for a underway's response, or for the opening of its stream, whichever comes first.
pub(crate) async fn response_or_stream(
    shared: &Shared,
    mut underway: Underway,
    stream: EventStream,
) -> Response<Body> {
    let done = std::future::poll_fn(|context| match underway.as_mut().poll(context) {
        Poll::Ready(response) => Poll::Ready(Some(response)),
        Poll::Pending if stream.is_open() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await;
    match (done, stream.session()) {
        (Some(response), _) => response,
        (None, Some(session)) => {
            tokio::task::spawn_local(http_sse::go_on(underway, stream, session));
            respond::accepted()
        }
        (None, None) => {
            let room = Room::new(Arc::clone(&shared.buffered_responses));
            let source = Source::Underway(underway);
            let mut response = Response::new(Body::Events(Events { stream, source, room }));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
            response
        }
    }
}

/// The body of a held call's response.
pub(crate) struct Events {
    stream: EventStream,
    source: Source,
    /// For an answer that becomes one event.
    room: Room,
}

enum Source {
    /// `gate` is under way.
    Underway(Underway),
    /// The backend answers with a stream of its own.
    Stream(Box<Body>),
    /// The answer is one message, to become one event.
    Message {
        body: Box<Body>,
        read: BytesMut,
    },
    Done,
}

impl Events {
    pub(crate) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if let Some(chunk) = self.stream.next(context) {
                return Poll::Ready(Some(Ok(Frame::data(chunk))));
            }
            match &mut self.source {
                Source::Underway(underway) => match underway.as_mut().poll(context) {
                    Poll::Ready(response) => self.source = Source::of(response),
                    Poll::Pending => match self.stream.next(context) {
                        Some(chunk) => return Poll::Ready(Some(Ok(Frame::data(chunk)))),
                        None => return Poll::Pending,
                    },
                },
                Source::Stream(body) => return Pin::new(body.as_mut()).poll_frame(context),
                Source::Message { body, read } => match Pin::new(body.as_mut()).poll_frame(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(Ok(frame))) => {
                        let Ok(data) = frame.into_data() else { continue };
                        if read.len() + data.len() > EVENT_MAX_BYTES || !self.room.take(data.len()) {
                            return Poll::Ready(Some(Err(BodyError::TooLarge)));
                        }
                        read.extend_from_slice(&data);
                    }
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                    Poll::Ready(None) => {
                        let event = self.room.hold(sse::write_event(read).into());
                        self.source = Source::Done;
                        return Poll::Ready(Some(Ok(Frame::data(event))));
                    }
                },
                Source::Done => return Poll::Ready(None),
            }
        }
    }
}

impl Source {
    fn of(response: Response<Body>) -> Self {
        let is_stream = response.status() == StatusCode::OK
            && response.headers().get(CONTENT_TYPE).is_some_and(crate::relay::is_event_stream);
        let body = Box::new(response.into_body());
        if is_stream { Self::Stream(body) } else { Self::Message { body, read: BytesMut::new() } }
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}
