//! One worker's connections to one backend's endpoints: the newest idle one is used first, an old one is closed.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderMap;
use prometheus::{IntCounter, IntCounterVec};

use super::connection::{Connector, Http1, Opened, Sender, Wanted};
use super::ejection::Failure;
use super::endpoint::{Endpoint, Underway};
use super::endpoints::{Affinity, Endpoints};
use super::http2::Shared;
use crate::metrics::Metrics;
use crate::state::Counted;

/// A kept connection that is not ready within this is closed, and another one is used.
const READY_TIMEOUT: Duration = Duration::from_millis(100);
/// Of the time that a backend says it keeps a connection, we keep it for this part: it must not close it under a request.
const KEEP_ALIVE_PART: f64 = 0.75;

/// Limits of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolLimits {
    /// Per endpoint.
    pub(crate) idle_max: usize,
    pub(crate) idle: Duration,
    pub(crate) connect: Duration,
    /// How long a response may pause.
    pub(crate) response_idle: Duration,
}

/// The connections that are kept.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) endpoints: Arc<Endpoints>,
    shelves: RefCell<Vec<Shelf>>,
    limits: PoolLimits,
    connector: Connector,
    opened: IntCounter,
    errors: IntCounterVec,
}

/// The idle connections to one endpoint, and those of HTTP/2, idle or not.
#[derive(Debug)]
struct Shelf {
    endpoint: Arc<Endpoint>,
    idle: Vec<Idle>,
    shared: Rc<Shared>,
}

#[derive(Debug)]
struct Idle {
    connection: Http1,
    until: Instant,
}

/// A connection in use. Given back, it is kept; dropped, it is closed, or its stream of a shared one is.
#[derive(Debug)]
pub(crate) struct Lease {
    sender: Sender,
    pool: Rc<Pool>,
    underway: Underway,
    was_kept: bool,
    /// How long it may be idle after this.
    idle: Duration,
    counted: Option<Counted>,
}

/// The search for a connection for one call. An endpoint that takes none is not tried again.
#[derive(Debug)]
pub(super) struct Search<'a> {
    pool: &'a Rc<Pool>,
    affinity: &'a Affinity<'a>,
    wanted: &'a Wanted,
    until: Instant,
    tried: Vec<Arc<Endpoint>>,
    failed: Option<io::Error>,
}

impl Pool {
    pub(crate) fn new(
        limits: PoolLimits,
        connector: Connector,
        metrics: &Metrics,
        endpoints: &Arc<Endpoints>,
    ) -> Rc<Self> {
        Rc::new(Self {
            shelves: RefCell::default(),
            limits,
            connector,
            opened: metrics.backends.connections.with_label_values(&[&endpoints.backend]),
            errors: metrics.backends.errors.clone(),
            endpoints: Arc::clone(endpoints),
        })
    }

    /// Closes the idle connections that are too old, or whose endpoint is gone.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        self.shelves.borrow_mut().retain_mut(|shelf| {
            let before = shelf.idle.len();
            let is_gone = shelf.endpoint.is_gone();
            shelf.idle.retain(|idle| !is_gone && idle.until > now && !idle.connection.is_closed());
            shelf.endpoint.keeps_fewer(before - shelf.idle.len());
            !shelf.idle.is_empty() || !is_gone
        });
    }

    pub(super) fn search<'a>(
        self: &'a Rc<Self>,
        affinity: &'a Affinity<'a>,
        wanted: &'a Wanted,
    ) -> Search<'a> {
        Search {
            pool: self,
            affinity,
            wanted,
            until: Instant::now() + self.limits.connect,
            tried: Vec::new(),
            failed: None,
        }
    }

    /// A kept connection that is ready to be sent on.
    async fn kept(&self, endpoint: &Arc<Endpoint>, wanted: &Wanted) -> Option<Sender> {
        if wanted.may_be_http2()
            && wanted.may_be_shared
            && let Some(stream) = self.shared(endpoint).stream(wanted, self.limits.idle)
        {
            return Some(Sender::Http2(stream));
        }
        while let Some(mut connection) = self.newest(endpoint, wanted) {
            // Ready within a turn of the loop, or stuck with a backend that does not read on.
            let is_ready = connection.is_ready()
                || matches!(tokio::time::timeout(READY_TIMEOUT, connection.ready()).await, Ok(Ok(())));
            if is_ready {
                return Some(Sender::Http1(connection));
            }
        }
        None
    }

    fn newest(&self, endpoint: &Arc<Endpoint>, wanted: &Wanted) -> Option<Http1> {
        let mut shelves = self.shelves.borrow_mut();
        let shelf = shelves.iter_mut().find(|shelf| Arc::ptr_eq(&shelf.endpoint, endpoint))?;
        while let Some(newest) = shelf.idle.pop() {
            endpoint.keeps_fewer(1);
            let is_good = newest.until > Instant::now() && !newest.connection.is_closed();
            if is_good && newest.connection.suits(wanted) {
                return Some(newest.connection);
            }
        }
        None
    }

    /// A new connection, or a place on one that another call opened meanwhile (true).
    async fn fresh(&self, endpoint: &Arc<Endpoint>, wanted: &Wanted) -> io::Result<(Sender, bool)> {
        if !wanted.may_be_http2() || !wanted.may_be_shared {
            return Ok((self.open(endpoint, wanted).await?, false));
        }
        let shared = self.shared(endpoint);
        let _turn = if shared.are_wanted(wanted) { Some(shared.turn.lock().await) } else { None };
        if let Some(stream) = shared.stream(wanted, self.limits.idle) {
            return Ok((Sender::Http2(stream), true));
        }
        Ok((self.open(endpoint, wanted).await?, false))
    }

    async fn open(&self, endpoint: &Arc<Endpoint>, wanted: &Wanted) -> io::Result<Sender> {
        let opened = self.connector.open(endpoint.address, wanted).await?;
        self.opened.inc();
        Ok(match opened {
            Opened::Http1(connection) => {
                if wanted.may_be_http2() {
                    self.shared(endpoint).declined(wanted);
                }
                Sender::Http1(connection)
            }
            Opened::Http2(connection) if wanted.may_be_shared => {
                Sender::Http2(self.shared(endpoint).add(connection))
            }
            opened @ Opened::Http2(_) => opened.alone(),
        })
    }

    /// The HTTP/2 connections to an endpoint.
    fn shared(&self, endpoint: &Arc<Endpoint>) -> Rc<Shared> {
        let mut shelves = self.shelves.borrow_mut();
        if let Some(shelf) = shelves.iter().find(|shelf| Arc::ptr_eq(&shelf.endpoint, endpoint)) {
            return Rc::clone(&shelf.shared);
        }
        let shelf = Shelf::new(endpoint);
        let shared = Rc::clone(&shelf.shared);
        shelves.push(shelf);
        shared
    }

    fn keep(&self, endpoint: &Arc<Endpoint>, connection: Http1, idle: Duration) {
        let is_over = endpoint.is_gone() || connection.is_closed();
        if is_over || idle.is_zero() || self.limits.idle_max == 0 {
            return;
        }
        let kept = Idle { connection, until: Instant::now() + idle };
        let mut shelves = self.shelves.borrow_mut();
        match shelves.iter_mut().find(|shelf| Arc::ptr_eq(&shelf.endpoint, endpoint)) {
            Some(shelf) if shelf.idle.len() >= self.limits.idle_max => return,
            Some(shelf) => shelf.idle.push(kept),
            None => shelves.push(Shelf { idle: vec![kept], ..Shelf::new(endpoint) }),
        }
        endpoint.keeps_one_more();
    }
}

impl Shelf {
    fn new(endpoint: &Arc<Endpoint>) -> Self {
        Self { endpoint: Arc::clone(endpoint), idle: Vec::new(), shared: Rc::default() }
    }
}

impl Search<'_> {
    /// A connection that is ready to be sent on: a kept one, or a new one.
    ///
    /// # Errors
    /// No endpoint takes a connection, or not in time.
    pub(super) async fn lease(&mut self) -> io::Result<Lease> {
        let pool = self.pool;
        let tries = pool.endpoints.tries(self.affinity);
        while self.tried.len() < tries
            && let Some(endpoint) = pool.endpoints.choose(self.affinity, &self.tried)
        {
            if let Some(sender) = pool.kept(&endpoint, self.wanted).await {
                return Ok(Lease::new(pool, sender, &endpoint, true));
            }
            // What is left of the time is for all that may still be tried.
            let left = self.until.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(tries - self.tried.len()).unwrap_or(1);
            // On the heap: it is large (TLS, HTTP/2), seldom needed, and would be a part of every call.
            let opening = Box::pin(pool.fresh(&endpoint, self.wanted));
            let opening = tokio::time::timeout(share, opening).await;
            match opening.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok((sender, was_kept)) => return Ok(Lease::new(pool, sender, &endpoint, was_kept)),
                Err(error) => self.refused(endpoint, error),
            }
        }
        Err(self.failed.take().unwrap_or_else(|| io::Error::other("no address of it is known")))
    }

    /// An endpoint took no connection, or not a byte of the request.
    pub(super) fn refused(&mut self, endpoint: Arc<Endpoint>, error: io::Error) {
        self.pool.endpoints.failed(&endpoint, Failure::Unreachable);
        if self.tried.is_empty() && self.pool.endpoints.tries(self.affinity) > 1 {
            self.pool.endpoints.counters.failovers.inc();
        }
        self.tried.push(endpoint);
        self.failed = Some(error);
    }
}

impl Lease {
    fn new(pool: &Rc<Pool>, sender: Sender, endpoint: &Arc<Endpoint>, was_kept: bool) -> Self {
        let (pool, idle) = (Rc::clone(pool), pool.limits.idle);
        Self { sender, pool, underway: endpoint.enter(), was_kept, idle, counted: None }
    }

    pub(crate) const fn sender(&mut self) -> &mut Sender {
        &mut self.sender
    }

    /// Whether it served another call before.
    pub(crate) const fn was_kept(&self) -> bool {
        self.was_kept
    }

    /// The endpoint that it is to.
    pub(crate) const fn endpoint(&self) -> &Arc<Endpoint> {
        self.underway.endpoint()
    }

    /// How long a response may pause that is no stream of events.
    pub(crate) fn response_idle(&self) -> Duration {
        self.pool.limits.response_idle
    }

    /// It counts among the calls under way to the backend for as long as it is used.
    pub(super) fn holds(&mut self, counted: Counted) {
        self.counted = Some(counted);
    }

    /// Believes what the backend says of how long it keeps the connection.
    pub(super) fn heed(&mut self, headers: &HeaderMap) {
        if self.pool.endpoints.may_be_several() {
            self.endpoint().has_answered();
        }
        if let Some(kept) = keep_alive(headers) {
            self.idle = self.idle.min(kept.mul_f64(KEEP_ALIVE_PART));
        }
    }

    /// The endpoint did not answer in time. While it answers others, that says something of the call and not of it: or a
    /// caller with slow calls would have it left out for all.
    pub(super) fn timed_out(&self, limit: Duration) {
        if !self.endpoint().has_answered_within(limit) {
            self.failed(Failure::Timeout);
        }
    }

    /// The endpoint failed the call.
    pub(crate) fn failed(&self, failure: Failure) {
        self.pool.endpoints.failed(self.endpoint(), failure);
    }

    /// The endpoint failed in the middle of its answer.
    pub(crate) fn failed_midway(&self, failure: Failure) {
        let labels = [self.pool.endpoints.backend.as_str(), failure.name()];
        self.pool.errors.with_label_values(&labels).inc();
        tracing::warn!(
            backend = self.pool.endpoints.backend,
            endpoint = %self.endpoint().address,
            failure = failure.name(),
            "an answer did not come to its end"
        );
        self.failed(failure);
    }

    /// Keeps the connection for the next call. Only for one whose response was read to its end.
    pub(crate) fn give_back(self) {
        self.endpoint().failures.succeeded();
        // A stream of HTTP/2 is over, and its connection is there for others all the time.
        match self.sender {
            Sender::Http1(connection) => self.pool.keep(self.underway.endpoint(), connection, self.idle),
            Sender::Http2(stream) => stream.end(),
        }
    }
}

/// `timeout` of `Keep-Alive`: for how long the backend keeps an idle connection (RFC 2068, section 19.7.1.1).
fn keep_alive(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("keep-alive")?.to_str().ok()?;
    let parameters = value.split(',').filter_map(|parameter| parameter.split_once('='));
    let mut timeouts = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("timeout"));
    let seconds = timeouts.next()?.1.trim().trim_matches('"').parse::<u32>().ok()?;
    Some(Duration::from_secs(seconds.into()))
}

impl Drop for Pool {
    fn drop(&mut self) {
        for shelf in self.shelves.borrow().iter() {
            shelf.endpoint.keeps_fewer(shelf.idle.len());
        }
    }
}

#[cfg(test)]
mod tests;
