//! HTTP/2 connections to one backend (RFC 9113): each is used by many calls at once, and a call has a stream of it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use config::Http;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::IntGauge;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Mutex;

use super::connection::Wanted;
use crate::metrics::Gauged;

/// A call with a field or a head that is larger than this has a connection of its own: many servers end a connection for
/// what other servers take, and with it everybody's calls.
const SHARED_FIELD_MAX_BYTES: usize = 4 * 1024;
const SHARED_HEAD_MAX_BYTES: usize = 8 * 1024;
/// So many calls of one connection may be broken off before it is used for no further one: servers end connections for
/// more (CVE-2023-44487).
const BROKEN_OFF_MAX: usize = 100;
/// Most calls on one connection, also where its backend would take more.
const STREAMS_MAX: usize = 100;
/// What a backend may send on a stream before the caller has read it, and on all of them: nobody who reads slowly takes
/// another one's room.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 32 * 1024 * 1024;
/// Largest frame that is taken (RFC 9113, section 4.2: the smallest limit there is).
const FRAME_MAX_BYTES: u32 = 16 * 1024;
/// A connection in use is asked this often whether it is still there, and has so long to answer.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// One worker's HTTP/2 connections to one backend.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    connections: RefCell<Vec<Rc<Multiplexed>>>,
    /// Whether the backend is known to speak HTTP/2.
    is_spoken: Cell<bool>,
    /// Held while a connection is opened: all who wait can use it.
    pub(super) turn: Mutex<()>,
}

/// One HTTP/2 connection.
pub(crate) struct Multiplexed {
    sender: SendRequest<Full<Bytes>>,
    generation: u64,
    /// How many streams the backend allows now.
    allowed: Box<dyn Fn() -> usize>,
    streams: Cell<usize>,
    broken_off: Cell<usize>,
    idle_since: Cell<Instant>,
    /// Whether it failed to take a request.
    is_over: Cell<bool>,
    _counted: Gauged,
}

/// A call's place on a connection.
#[derive(Debug)]
pub(crate) struct Stream {
    connection: Rc<Multiplexed>,
    is_through: bool,
}

/// Whether a request may go on a connection that others use too.
pub(crate) fn may_be_shared(headers: &HeaderMap) -> bool {
    let fields = headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    let (largest, all) = fields.fold((0, 0), |(largest, all), field| (field.max(largest), all + field));
    largest <= SHARED_FIELD_MAX_BYTES && all <= SHARED_HEAD_MAX_BYTES
}

/// Opens HTTP/2 on a stream of bytes. The backend's settings are not waited for: until they are there, one call goes out.
pub(super) async fn open(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    header_max_bytes: usize,
    generation: u64,
    gauge: &IntGauge,
) -> io::Result<Rc<Multiplexed>> {
    let (sender, connection) = Builder::new(Local)
        .timer(TokioTimer::new())
        .initial_max_send_streams(1)
        .max_header_list_size(u32::try_from(header_max_bytes).unwrap_or(u32::MAX))
        .max_frame_size(FRAME_MAX_BYTES)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let connection = Rc::new(RefCell::new(Some(connection)));
    let watched = Rc::clone(&connection);
    tokio::task::spawn_local(async move {
        let ended = std::future::poll_fn(|context| match &mut *connection.borrow_mut() {
            Some(connection) => Pin::new(connection).poll(context),
            None => Poll::Ready(Ok(())),
        });
        if let Err(error) = ended.await {
            tracing::debug!(%error, "a backend's connection ended");
        }
        // The requests that wait in it come back, unsent.
        drop(connection.take());
    });
    let streams_max = move || watched.borrow().as_ref().map_or(0, |open| open.current_max_send_streams());
    Ok(Rc::new(Multiplexed {
        sender,
        generation,
        allowed: Box::new(streams_max),
        streams: Cell::new(0),
        broken_off: Cell::new(0),
        idle_since: Cell::new(Instant::now()),
        is_over: Cell::new(false),
        _counted: Gauged::new(gauge),
    }))
}

impl Shared {
    /// A place on a connection that is there; the ones that are over, or were idle for too long, are forgotten.
    pub(super) fn stream(&self, wanted: &Wanted, idle_max: Duration) -> Option<Stream> {
        if !self.is_spoken.get() || wanted.http == Http::One {
            return None;
        }
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| connection.is_usable(wanted, idle_max));
        connections.iter().find(|connection| connection.has_room()).map(Stream::on)
    }

    /// Whether a new connection would be used by others too.
    pub(super) fn are_wanted(&self, wanted: &Wanted) -> bool {
        match wanted.http {
            Http::Auto => self.is_spoken.get(),
            Http::One => false,
            Http::Two => true,
        }
    }

    /// Notes that the backend chose HTTP/1.1 where it could have HTTP/2: connections are no longer opened in turn.
    pub(super) fn declined(&self, wanted: &Wanted) {
        if wanted.http == Http::Auto {
            self.is_spoken.set(false);
        }
    }

    /// Keeps a connection for others too.
    pub(super) fn add(&self, connection: Rc<Multiplexed>) -> Stream {
        self.is_spoken.set(true);
        let stream = Stream::on(&connection);
        self.connections.borrow_mut().push(connection);
        stream
    }
}

impl Multiplexed {
    fn is_usable(&self, wanted: &Wanted, idle_max: Duration) -> bool {
        let is_fresh = self.streams.get() > 0 || self.idle_since.get().elapsed() < idle_max;
        self.generation == wanted.generation() && is_fresh && !self.is_over.get() && !self.sender.is_closed()
    }

    fn has_room(&self) -> bool {
        self.streams.get() < (self.allowed)().min(STREAMS_MAX)
    }
}

impl Stream {
    pub(super) fn on(connection: &Rc<Multiplexed>) -> Self {
        connection.streams.set(connection.streams.get() + 1);
        Self { connection: Rc::clone(connection), is_through: false }
    }

    /// Its answer was read to its end.
    pub(super) fn end(mut self) {
        self.is_through = true;
    }

    pub(super) async fn try_send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>> {
        let sent = self.connection.sender.clone().try_send_request(request).await;
        if sent.as_ref().is_err_and(|failed| failed.message().is_some()) {
            self.connection.is_over.set(true);
        }
        sent
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.streams.set(connection.streams.get().saturating_sub(1));
        connection.idle_since.set(Instant::now());
        if !self.is_through {
            connection.broken_off.set(connection.broken_off.get() + 1);
            if connection.broken_off.get() >= BROKEN_OFF_MAX {
                connection.is_over.set(true);
            }
        }
    }
}

impl fmt::Debug for Multiplexed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multiplexed").field("streams", &self.streams).finish_non_exhaustive()
    }
}

/// Runs the parts of a connection on this thread.
#[derive(Clone, Copy, Debug)]
struct Local;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, part: F) {
        tokio::task::spawn_local(part);
    }
}
