//! Sending to a backend: the only way out, and it takes a passage by value.

mod access;
mod connection;
mod ejection;
mod endpoint;
mod endpoints;
mod head;
mod health;
mod http2;
mod pool;
mod report;
mod resolve;
mod secure;
mod sessions;
mod set;
mod verify;
mod watch;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use config::{BackendUrl, Limits};
use http::header::UPGRADE;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use policy::Permit;
use tokio::time::{Instant, timeout_at};

use crate::causes::causes;
use crate::metrics::Metrics;
use crate::recognise::Transparent;
pub(crate) use access::Access;
pub(crate) use connection::{Connector, Wanted};
pub(crate) use ejection::Failure;
pub(crate) use endpoint::Endpoint;
pub(crate) use endpoints::{Affinity, Endpoints};
pub(crate) use head::{Outbound, named_by_connection, remove_hop_by_hop};
pub(crate) use http2::may_be_shared;
pub(crate) use pool::{Lease, Pool, PoolLimits};
pub(crate) use report::{measure, report};
pub(crate) use resolve::first as look_up_first;
use secure::untrusted;
pub(crate) use sessions::Sessions;
pub(crate) use watch::start as start_watching;

/// The right to reach a backend. Each is made in one place only and is used up by [`send`].
#[derive(Debug)]
pub(crate) enum Passage {
    /// Policy let this one call through.
    Permit(Permit),
    /// Policy has no say in this message.
    Transparent(Transparent),
    /// Each message of a batch has one of its own.
    Batch { first: Box<Self>, rest: Vec<Self> },
}

/// Where a request goes, and on what connection.
#[derive(Debug)]
pub(crate) struct Destination<'a> {
    pub(crate) url: &'a BackendUrl,
    pub(crate) wanted: Wanted,
    pub(crate) affinity: Affinity<'a>,
}

/// What a backend answered, its body still to come.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response<Incoming>,
    pub(crate) lease: Lease,
}

/// A backend did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// Nothing was sent: too many calls are under way to the backend.
    #[error("too many calls are under way to it")]
    Overloaded,
    /// Nothing was sent.
    #[error("no connection: {0}")]
    Unreachable(std::io::Error),
    /// Nothing was sent: who answered there could not prove to be the backend.
    #[error("not who the settings say ({why}): {error}")]
    Untrusted { why: &'static str, error: std::io::Error },
    /// It was sent, or part of it, and no answer came.
    #[error("broke off: {}", causes(.0))]
    Broken(hyper::Error),
    /// It was sent, and no answer came in time.
    #[error("no answer in time")]
    Timeout,
    /// It was sent, and answered with `101 Switching Protocols`.
    #[error("it switched protocols unasked")]
    Upgraded,
}

impl Passage {
    /// One passage for all messages of a batch; `None` for none.
    pub(crate) fn of_batch(passages: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut passages = passages.into_iter();
        let first = Box::new(passages.next()?);
        Some(Self::Batch { first, rest: passages.collect() })
    }

    /// It was good for one request, whatever becomes of that.
    fn use_up(self) {
        match self {
            Self::Permit(permit) => drop(permit),
            Self::Transparent(_) => {}
            Self::Batch { first, rest } => [*first].into_iter().chain(rest).for_each(Self::use_up),
        }
    }
}

impl SendError {
    /// The stable name: a metric label.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::Unreachable(_) => "unreachable",
            Self::Untrusted { .. } => "untrusted",
            Self::Broken(_) => "broken",
            Self::Timeout => "timeout",
            Self::Upgraded => "upgraded",
        }
    }
}

impl From<std::io::Error> for SendError {
    /// No connection could be opened.
    fn from(error: std::io::Error) -> Self {
        match untrusted(&error) {
            Some(why) => Self::Untrusted { why, error },
            None => Self::Unreachable(error),
        }
    }
}

/// How connections to a backend are opened.
pub(crate) fn connector(limits: &Limits, metrics: &Metrics, backend: &str) -> Connector {
    Connector {
        header_max_bytes: usize::try_from(limits.max_header_bytes).unwrap_or(usize::MAX),
        multiplexed: metrics.backends.multiplexed.with_label_values(&[backend]),
    }
}

/// Sends one request, once. Before a byte of it went out, a kept connection that turns out to be closed is replaced by
/// another, and an endpoint that takes no connection by another; after that a failure is final, and the call is never sent
/// again.
pub(crate) async fn send(
    passage: Passage,
    pool: &Rc<Pool>,
    destination: &Destination<'_>,
    request: Request<Full<Bytes>>,
    response_timeout: Duration,
) -> Result<Answer, SendError> {
    let deadline = Instant::now() + response_timeout;
    let mut request = request;
    let asks_upgrade = request.headers().contains_key(UPGRADE);
    passage.use_up();
    let counted = pool.endpoints.enter().ok_or(SendError::Overloaded)?;
    let mut search = pool.search(&destination.affinity, &destination.wanted);
    loop {
        let mut lease = search.lease().await?;
        head::fit(&mut request, lease.sender().is_http2(), destination.url)
            .map_err(|error| SendError::Unreachable(std::io::Error::other(error)))?;
        match timeout_at(deadline, lease.sender().try_send(request)).await {
            Err(_) => {
                lease.timed_out(response_timeout);
                return Err(SendError::Timeout);
            }
            // An upgrade that nobody asked for: what follows is no HTTP.
            Ok(Ok(response)) if response.status() == StatusCode::SWITCHING_PROTOCOLS && !asks_upgrade => {
                return Err(SendError::Upgraded);
            }
            Ok(Ok(response)) => {
                lease.heed(response.headers());
                lease.holds(counted);
                return Ok(Answer { response, lease });
            }
            Ok(Err(mut failed)) => match failed.take_message() {
                // The request came back whole: not a byte of it went out.
                Some(unsent) => {
                    request = unsent;
                    if !lease.was_kept() {
                        let error = std::io::Error::other(failed.into_error());
                        search.refused(Arc::clone(lease.endpoint()), error);
                    }
                }
                None => {
                    lease.failed(Failure::Broken);
                    return Err(SendError::Broken(failed.into_error()));
                }
            },
        }
    }
}
