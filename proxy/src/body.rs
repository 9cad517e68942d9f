//! Bodies: of responses, of whatever source; and of requests, read whole.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use edge::refused_by;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, EXPECT};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use protocol::http1::FramingRefused;

use crate::events::Events;
use crate::refusal::Refusal;
use crate::relay::Relay;
use crate::state::{Room, Shared};

/// Of a body that is refused, this much is still read, for this long.
pub(crate) const DISCARD_MAX_BYTES: usize = 64 * 1024 * 1024;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

/// A response's body.
#[derive(Debug)]
pub(crate) enum Body {
    /// All there, or nothing more to come.
    Full(Bytes),
    /// From a backend, as it comes.
    Relay(Box<Relay>),
    /// A held call's stream.
    Events(Events),
}

/// A response's body broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the backend's response broke off: {0}")]
    Backend(hyper::Error),
    #[error("the backend's response fell silent")]
    Stalled,
    #[error("the backend's response is too large to be one event")]
    TooLarge,
    #[error("the backend's message can't be read")]
    MessageUnreadable,
}

/// A request's body, whole; its room in memory is given back on drop.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) bytes: Bytes,
    room: Room,
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Full(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Relay(relay) => relay.poll_frame(context),
            Self::Events(events) => events.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_empty(),
            Self::Relay(relay) => relay.is_end_stream(),
            Self::Events(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.len().try_into().unwrap_or(u64::MAX)),
            Self::Relay(relay) => relay.size_hint(),
            Self::Events(_) => SizeHint::default(),
        }
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Full(bytes.into())
    }
}

impl Whole {
    /// Reads a request's body to its end, within the limits.
    pub(crate) async fn read(
        shared: &Arc<Shared>,
        headers: &HeaderMap,
        mut incoming: Incoming,
    ) -> Result<Self, Refusal> {
        let limits = &shared.settings.limits;
        let max_bytes = limits.max_body_bytes;
        let too_large = || {
            shared.metrics.limits_reached.with_label_values(&["max_body_bytes"]).inc();
            Refusal::BodyTooLarge { max_bytes }
        };
        if headers.get_all(CONTENT_ENCODING).iter().any(|encoding| encoding != "identity") {
            return Err(Refusal::Compressed);
        }
        let announced =
            headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > max_bytes.into()) {
            if !headers.contains_key(EXPECT) {
                discard(&mut incoming).await;
            }
            return Err(too_large());
        }
        let room = Room::new(Arc::clone(&shared.buffered_bodies));
        let mut whole = Self { bytes: Bytes::new(), room };
        let deadline = Duration::from_secs(limits.body_timeout_seconds.into());
        match tokio::time::timeout(deadline, whole.fill(&mut incoming, max_bytes)).await {
            Ok(Ok(())) => Ok(whole),
            Ok(Err(Filling::TooLarge)) => {
                discard(&mut incoming).await;
                Err(too_large())
            }
            Ok(Err(Filling::NoRoom)) => {
                shared.metrics.limits_reached.with_label_values(&["max_buffered_body_bytes"]).inc();
                Err(Refusal::BodiesFull)
            }
            Ok(Err(Filling::Broken(refused))) => {
                Err(refused.map_or(Refusal::BodyUnreadable, Refusal::Framing))
            }
            Err(_) => {
                shared.metrics.limits_reached.with_label_values(&["body_timeout_seconds"]).inc();
                Err(Refusal::BodyTimeout)
            }
        }
    }

    async fn fill(&mut self, incoming: &mut Incoming, max_bytes: u32) -> Result<(), Filling> {
        let mut more: Option<BytesMut> = None;
        let max_bytes = usize::try_from(max_bytes).unwrap_or(usize::MAX);
        while let Some(frame) = incoming.frame().await {
            let Ok(data) = frame.map_err(|error| Filling::Broken(refused_by(&error)))?.into_data() else {
                continue;
            };
            let length = more.as_ref().map_or(self.bytes.len(), BytesMut::len) + data.len();
            if length > max_bytes {
                return Err(Filling::TooLarge);
            }
            if !self.room.take(data.len()) {
                return Err(Filling::NoRoom);
            }
            // The usual body comes in one piece and is never copied.
            match &mut more {
                Some(more) => more.extend_from_slice(&data),
                None if self.bytes.is_empty() => self.bytes = data,
                None => {
                    let mut joined = BytesMut::with_capacity(length);
                    joined.extend_from_slice(&self.bytes);
                    joined.extend_from_slice(&data);
                    more = Some(joined);
                }
            }
        }
        if let Some(more) = more {
            self.bytes = more.freeze();
        }
        Ok(())
    }
}

/// Reads on for a while and forgets what comes: a client that is cut off in the middle of sending never reads why.
async fn discard(incoming: &mut Incoming) {
    let reading = async {
        let mut left_bytes = DISCARD_MAX_BYTES;
        while let Some(Ok(frame)) = incoming.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            match left_bytes.checked_sub(length) {
                Some(left) => left_bytes = left,
                None => return,
            }
        }
    };
    // Whether all of it came does not matter: it is refused.
    let _done = tokio::time::timeout(DISCARD_TIMEOUT, reading).await;
}

enum Filling {
    /// It broke off, perhaps because it was refused for its form.
    Broken(Option<FramingRefused>),
    NoRoom,
    TooLarge,
}

/// For code that is generic over errors: a full body has none.
impl From<Infallible> for BodyError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
