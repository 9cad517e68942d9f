//! HTTP/2 with a client (RFC 9113): its limits, what is refused before `gate`, and how a connection ends.

use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use config::Limits;
use http::header::{CONTENT_LENGTH, COOKIE, HOST, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use protocol::http1::FramingRefused;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::MissedTickBehavior;

use super::answers::{Pace, Paced, Tasks, UnderWay};
use super::frames::{Seen, Watched};
use super::{Connection, cut, ending};
use crate::gate::gate;
use crate::header::is_read_as;
use crate::metrics::Gauged;
use crate::recognise::ReplyTo;
use crate::refusal::Refusal;
use crate::respond;
use crate::state::Shared;

/// Of one answer, this much may wait in the connection: two pieces.
const SEND_MAX_BYTES: usize = 32 * 1024;
/// How often in each `header_timeout_seconds` it is looked whether a connection has become late.
const LOOKS_PER_TIMEOUT: u32 = 4;

impl Connection {
    /// Serves HTTP/2. The client's preface is still to be read.
    pub(super) async fn http2(self, stream: impl AsyncRead + AsyncWrite + Unpin + 'static) {
        let shared = Arc::clone(&self.worker.shared);
        let limits = &shared.settings.limits;
        let _counted = Gauged::new(&shared.metrics.connections.http2);
        let seen = Seen::new(Arc::clone(&shared));
        let under_way = UnderWay::new(Arc::clone(&shared));
        let tasks = under_way.tasks();
        let service = service_fn(|request| answer(&self, request, tasks.begin()));
        let stream = Watched::new(stream, Rc::clone(&seen));
        let connection = builder(limits, tasks.clone()).serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let mut ending = pin!(ending(&shared, &self.peer));
        let mut cut = pin!(cut(&shared, &self.peer));
        let patience = Duration::from_secs(limits.header_timeout_seconds.into());
        let mut look = tokio::time::interval(patience / LOOKS_PER_TIMEOUT);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_ending = false;
        let ended = loop {
            tokio::select! {
                ended = connection.as_mut() => break ended,
                () = ending.as_mut(), if !is_ending => {
                    connection.as_mut().graceful_shutdown();
                    is_ending = true;
                }
                () = cut.as_mut(), if is_ending => break Ok(()),
                _ = look.tick() => match late(&seen, &under_way, limits, is_ending) {
                    Late::No => {}
                    Late::Idle => {
                        count(&shared, "keep_alive_seconds");
                        connection.as_mut().graceful_shutdown();
                        is_ending = true;
                    }
                    Late::Head => {
                        count(&shared, "header_timeout_seconds");
                        break Ok(());
                    }
                    Late::Leaving => break Ok(()),
                },
            }
        };
        if let Err(error) = ended {
            if error.is_timeout() {
                count(&shared, "http2_ping_timeout_seconds");
            }
            tracing::debug!(%error, "a client's connection ended");
        }
    }
}

/// Answers one request.
fn answer(
    connection: &Connection,
    mut request: Request<Incoming>,
    pace: Pace,
) -> impl Future<Output = Result<Response<Paced>, Infallible>> + use<> {
    let (worker, listening) = (Rc::clone(&connection.worker), Rc::clone(&connection.listening));
    let peer = Arc::clone(&connection.peer);
    async move {
        let response = match readable(&mut request, &worker.shared) {
            Ok(()) => gate(worker, listening, peer, request).await,
            Err(refusal) => {
                worker.shared.metrics.refusals.with_label_values(&[refusal.name()]).inc();
                respond::refused(&refusal, None, &ReplyTo::Http, "")
            }
        };
        Ok(response.map(|body| Paced::new(body, pace)))
    }
}

/// Every limit of a connection that hyper and the `h2` crate hold.
fn builder(limits: &Limits, tasks: Tasks) -> http2::Builder<Tasks> {
    let size = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
    let mut builder = http2::Builder::new(tasks);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.max_http2_streams)
        .max_frame_size(limits.max_http2_frame_bytes)
        .max_header_list_size(limits.max_header_bytes)
        .initial_stream_window_size(limits.http2_stream_window_bytes)
        .initial_connection_window_size(limits.http2_connection_window_bytes)
        .max_send_buf_size(SEND_MAX_BYTES)
        .max_pending_accept_reset_streams(size(limits.max_http2_early_resets))
        .max_local_error_reset_streams(size(limits.max_http2_error_resets))
        .keep_alive_interval(Duration::from_secs(limits.http2_ping_seconds.into()))
        .keep_alive_timeout(Duration::from_secs(limits.http2_ping_timeout_seconds.into()));
    builder
}

/// What a connection is late with.
enum Late {
    No,
    /// Nothing has been under way for long: it is asked to leave.
    Idle,
    /// The head of a request: it is cut.
    Head,
    /// Nothing is under way, it was asked to leave, and has not: it is cut.
    Leaving,
}

fn late(seen: &Seen, under_way: &UnderWay, limits: &Limits, is_ending: bool) -> Late {
    let patience = Duration::from_secs(limits.header_timeout_seconds.into());
    let idle_max = Duration::from_secs(limits.keep_alive_seconds.into());
    match (seen.head_awaited(), under_way.idle()) {
        (Some(awaited), _) if awaited > patience => Late::Head,
        (_, Some(idle)) if is_ending && idle > patience => Late::Leaving,
        (_, Some(idle)) if !is_ending && idle > idle_max => Late::Idle,
        _ => Late::No,
    }
}

/// Makes of a request what it would be in HTTP/1.1, so that all that follows is the same for both: `Host` says what
/// `:authority` says (RFC 9113, section 8.3.1), and there is one `Cookie` (section 8.2.3).
fn readable(request: &mut Request<Incoming>, shared: &Shared) -> Result<(), Refusal> {
    let limits = &shared.settings.limits;
    let is_over = |size: usize, max: u32| size > usize::try_from(max).unwrap_or(usize::MAX);
    let target_bytes = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let refused = if is_over(request.headers().len(), limits.max_headers) {
        Some(FramingRefused::TooManyHeaders)
    } else {
        is_over(target_bytes, limits.max_target_bytes).then_some(FramingRefused::TargetTooLong)
    };
    if let Some(refused) = refused {
        refused.limit().into_iter().for_each(|limit| count(shared, limit));
        return Err(Refusal::Framing(refused));
    }
    // Servers that take `_` for `-` would see another length than the one that was read.
    let is_ambiguous =
        |name: &HeaderName| is_read_as(name, TRANSFER_ENCODING.as_str()) || is_other_length(name);
    if request.headers().keys().any(is_ambiguous) {
        return Err(Refusal::Framing(FramingRefused::AmbiguousFraming));
    }
    if request.method() == Method::CONNECT {
        return Err(Refusal::MethodNotAllowed);
    }
    let is_padded = |value: &HeaderValue| {
        let ends = [value.as_bytes().first(), value.as_bytes().last()];
        ends.into_iter().flatten().any(|byte| matches!(byte, b' ' | b'\t'))
    };
    // Malformed (RFC 9113, section 8.2.1), and two lengths are two opinions.
    let lengths = request.headers().get_all(CONTENT_LENGTH).iter().count();
    if lengths > 1 || request.headers().values().any(is_padded) {
        return Err(Refusal::UnreadableRequest);
    }
    if let Some(authority) = request.uri().authority()
        && !request.headers().contains_key(HOST)
    {
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Refusal::UnclearHost)?;
        request.headers_mut().insert(HOST, host);
    }
    let crumbs: Vec<&[u8]> = request.headers().get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1 {
        let cookie =
            HeaderValue::from_bytes(&crumbs.join(&b"; "[..])).map_err(|_| Refusal::UnreadableRequest)?;
        request.headers_mut().insert(COOKIE, cookie);
    }
    Ok(())
}

fn is_other_length(name: &HeaderName) -> bool {
    name != CONTENT_LENGTH && is_read_as(name, CONTENT_LENGTH.as_str())
}

fn count(shared: &Shared, limit: &str) {
    shared.metrics.limits_reached.with_label_values(&[limit]).inc();
}
