//! A backend's response on its way to the caller, each piece as it comes.

mod list;

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode, Version};
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::watch;

use crate::audit::{Outcome, Record};
use crate::body::{Body, BodyError};
use crate::state::Phase;
use crate::upstream::{Answer, Lease, remove_hop_by_hop};
pub(crate) use list::{ListFilter, Visible};

/// A backend's body on its way. When it ends, its connection is kept and the call's outcome is known.
pub(crate) struct Relay {
    incoming: Incoming,
    lease: Option<Lease>,
    record: Record,
    status: StatusCode,
    filter: Option<ListFilter>,
    stopping: Option<Stopping>,
}

type Stopping = Pin<Box<dyn Future<Output = ()>>>;

/// What happens to a response on its way.
#[derive(Debug, Default)]
pub(crate) struct Way {
    /// Lists of tools in it are looked into.
    pub(crate) filter: Option<ListFilter>,
    /// It has no end of its own: it ends when the proxy drains.
    pub(crate) ends_with: Option<watch::Receiver<Phase>>,
}

/// Starts relaying. The caller gets the backend's status, headers and body, less what belongs to that one hop.
pub(crate) fn relay(answer: Answer, mut record: Record, way: Way) -> Response<Body> {
    let (mut head, incoming) = answer.response.into_parts();
    record.outcome(Outcome::Unknown, Some(head.status.as_u16()));
    remove_hop_by_hop(&mut head.headers);
    head.version = Version::HTTP_11;
    if way.filter.is_some() {
        head.headers.remove(CONTENT_LENGTH);
    }
    let mut relay = Relay {
        incoming,
        lease: Some(answer.lease),
        record,
        status: head.status,
        filter: way.filter,
        stopping: way.ends_with.map(draining),
    };
    if relay.incoming.is_end_stream() {
        relay.end();
    }
    Response::from_parts(head, Body::Relay(Box::new(relay)))
}

fn draining(mut phase: watch::Receiver<Phase>) -> Stopping {
    Box::pin(async move {
        if phase.wait_for(|phase| *phase >= Phase::Drain).await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

/// Whether a content type is a stream of server-sent events.
pub(crate) fn is_event_stream(content_type: &HeaderValue) -> bool {
    essence(content_type).is_some_and(|essence| essence.eq_ignore_ascii_case("text/event-stream"))
}

/// Whether a response is JSON or a stream of events, and not a page of some server on the way.
pub(crate) fn has_message(response: &Response<Incoming>) -> bool {
    let is_json = |kind: &str| kind.eq_ignore_ascii_case("application/json");
    let encoding = response.headers().get(CONTENT_ENCODING);
    encoding.is_none_or(|encoding| encoding == "identity")
        && content_type(response)
            .is_some_and(|kind| essence(kind).is_some_and(is_json) || is_event_stream(kind))
}

/// The content type of a response without its parameters.
pub(crate) fn essence(content_type: &HeaderValue) -> Option<&str> {
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
        if self.stopping.as_mut().is_some_and(|stopping| stopping.as_mut().poll(context).is_ready()) {
            return Poll::Ready(None);
        }
        loop {
            if let Some(filter) = &mut self.filter {
                match filter.next() {
                    Ok(Some(chunk)) => return Poll::Ready(Some(Ok(Frame::data(chunk)))),
                    Ok(None) => {}
                    Err(why) => {
                        tracing::warn!(why, "a list of tools in a stream can't be read; the stream is cut");
                        return Poll::Ready(Some(Err(BodyError::ListUnreadable)));
                    }
                }
            }
            match Pin::new(&mut self.incoming).poll_frame(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => {
                    let frame = match (&mut self.filter, frame.into_data()) {
                        (Some(filter), Ok(data)) => {
                            filter.push(&data);
                            continue;
                        }
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
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(BodyError::Backend(error)))),
                Poll::Ready(None) => {
                    // An event that no empty line has closed by now is none to any reader.
                    self.end();
                    return Poll::Ready(None);
                }
            }
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.filter.is_none() && self.stopping.is_none() && self.incoming.is_end_stream()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        if self.filter.is_some() { SizeHint::default() } else { self.incoming.size_hint() }
    }

    /// The response has come to its end: the connection is free again, and the outcome is known.
    fn end(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
            let outcome = if self.status.as_u16() < 400 { Outcome::Success } else { Outcome::Failed };
            self.record.outcome(outcome, Some(self.status.as_u16()));
        }
    }
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").field("status", &self.status).finish_non_exhaustive()
    }
}
