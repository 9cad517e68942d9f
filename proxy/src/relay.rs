//! A backend's response on its way to the caller, each piece as it comes.

mod idle;
mod list;
mod open_stream;
mod reading;

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Version};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use protocol::content_type::ContentType;

use crate::audit::{Outcome, Record};
use crate::body::{Body, BodyError};
use crate::upstream::{Answer, Failure, Lease, remove_hop_by_hop};
use idle::Idle;
pub(crate) use list::Visible;
use open_stream::Between;
pub(crate) use open_stream::OpenStream;
pub(crate) use reading::{Look, Reading};

/// A backend's body on its way. When it ends, its connection is kept and the call's outcome is known.
pub(crate) struct Relay {
    incoming: Incoming,
    lease: Option<Lease>,
    record: Record,
    status: StatusCode,
    way: Way,
    /// How long it may pause; `None` for a stream of events.
    idle: Option<Idle>,
}

/// What happens to a response on its way.
#[derive(Debug, Default)]
pub(crate) struct Way {
    /// It is a stream that is looked into.
    pub(crate) reading: Option<Box<Reading>>,
    /// It has no end of its own.
    pub(crate) open: Option<Box<OpenStream>>,
    /// It only acknowledges a call whose answer comes in another stream, where nobody tells it from others.
    pub(crate) acknowledges: bool,
}

/// Starts relaying. The caller gets the backend's status, headers and body, less what belongs to that one hop.
pub(crate) fn relay(answer: Answer, mut record: Record, way: Way) -> Response<Body> {
    let (mut head, incoming) = answer.response.into_parts();
    record.outcome(Outcome::Unknown, Some(head.status.as_u16()));
    remove_hop_by_hop(&mut head.headers);
    head.version = Version::HTTP_11;
    if way.reading.is_some() {
        head.headers.remove(CONTENT_LENGTH);
    }
    let is_stream = head.headers.get(CONTENT_TYPE).is_some_and(is_event_stream);
    let idle = (!is_stream).then(|| Idle::new(answer.lease.response_idle()));
    let mut relay = Relay { incoming, lease: Some(answer.lease), record, status: head.status, way, idle };
    if relay.incoming.is_end_stream() {
        relay.end();
    }
    Response::from_parts(head, Body::Relay(Box::new(relay)))
}

/// Whether a content type is a stream of server-sent events.
pub(crate) fn is_event_stream(content_type: &HeaderValue) -> bool {
    essence(content_type).is_some_and(|essence| essence.eq_ignore_ascii_case("text/event-stream"))
}

/// Whether a response is JSON or a stream of events, and not a page of some server on the way.
pub(crate) fn has_message(response: &Response<Incoming>) -> bool {
    is_plain(response.headers()) && (is_json(response) || content_type(response).is_some_and(is_event_stream))
}

/// Whether a response says that it is JSON, in any of its types.
pub(crate) fn is_json(response: &Response<Incoming>) -> bool {
    let types = response.headers().get_all(CONTENT_TYPE).iter();
    types.filter_map(essence).any(|kind| kind.to_ascii_lowercase().contains("json"))
}

/// Whether the bytes of a body are what a client will read: not compressed, and in UTF-8. Clients decode what they are
/// told to, by any of several headers.
pub(crate) fn is_plain(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    let mut types = headers.get_all(CONTENT_TYPE).iter().map(HeaderValue::as_bytes);
    let content_type = types.next();
    encodings.all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
        && types.next().is_none()
        && ContentType::read(content_type).is_some()
}

/// The content type of a response without its parameters.
fn essence(content_type: &HeaderValue) -> Option<&str> {
    content_type.to_str().ok()?.split(';').next().map(str::trim)
}

/// The content type of a response.
pub(crate) fn content_type(response: &Response<Incoming>) -> Option<&HeaderValue> {
    response.headers().get(CONTENT_TYPE)
}

impl Relay {
    pub(crate) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if let Some(reading) = &mut self.way.reading {
                match reading.next() {
                    Ok(Some(chunk)) => return Poll::Ready(Some(Ok(Frame::data(chunk)))),
                    Ok(None) => {}
                    Err(why) => return cut(why),
                }
            }
            // Only whole events were passed on so far: here another one fits in.
            if let Some(open) = &mut self.way.open {
                let has_begun = self.way.reading.as_ref().is_none_or(|reading| reading.has_begun);
                match open.poll_next(context, has_begun) {
                    Poll::Ready(Between::Event(event)) => return Poll::Ready(Some(Ok(Frame::data(event)))),
                    Poll::Ready(Between::End) => return Poll::Ready(None),
                    Poll::Pending => {}
                }
            }
            match Pin::new(&mut self.incoming).poll_frame(context) {
                Poll::Pending => {
                    return match &mut self.idle {
                        Some(idle) => {
                            idle.poll_over(context).map(|()| Some(Err(self.fail(Failure::Stalled))))
                        }
                        None => Poll::Pending,
                    };
                }
                Poll::Ready(Some(Ok(frame))) => {
                    self.idle.iter_mut().for_each(Idle::moved);
                    let frame = match (&mut self.way.reading, frame.into_data()) {
                        (Some(reading), Ok(data)) => match reading.push(&data) {
                            Ok(()) => continue,
                            Err(why) => return cut(why),
                        },
                        (None, Ok(data)) => Frame::data(data),
                        (_, Err(trailers)) => {
                            self.end();
                            trailers
                        }
                    };
                    if self.incoming.is_end_stream() {
                        self.end();
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
                Poll::Ready(Some(Err(error))) => {
                    self.fail(Failure::Cut);
                    return Poll::Ready(Some(Err(BodyError::Backend(error))));
                }
                Poll::Ready(None) => {
                    // An event that no empty line has closed by now is none to any reader.
                    self.end();
                    return Poll::Ready(None);
                }
            }
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.way.reading.is_none() && self.way.open.is_none() && self.incoming.is_end_stream()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        if self.way.reading.is_some() { SizeHint::default() } else { self.incoming.size_hint() }
    }

    /// The response will not come to its end; what became of the call is not known.
    fn fail(&mut self, failure: Failure) -> BodyError {
        if let Some(lease) = self.lease.take() {
            lease.failed_midway(failure);
        }
        BodyError::Stalled
    }

    /// The response has come to its end: the connection is free again, and the outcome is known.
    fn end(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
            let outcome = match self.status.as_u16() {
                400.. => Outcome::Failed,
                _ if self.way.acknowledges => Outcome::Unknown,
                _ => Outcome::Success,
            };
            self.record.outcome(outcome, Some(self.status.as_u16()));
        }
    }
}

/// Ends a stream where something in it can't be read.
fn cut(why: &'static str) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
    tracing::warn!(why, "a message in a stream can't be read; the stream is cut");
    Poll::Ready(Some(Err(BodyError::MessageUnreadable)))
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").field("status", &self.status).finish_non_exhaustive()
    }
}
