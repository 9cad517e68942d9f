//! One worker's connections to one backend: the newest idle one is used first, an old one is closed.

use std::cell::RefCell;
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::BackendUrl;
use prometheus::{IntCounter, IntGauge};
use tokio::net::lookup_host;

use super::connection::{Connector, Http1, Opened, Sender, Wanted};
use super::http2::Shared;
use crate::metrics::Metrics;

/// A kept connection that is not ready within this is closed, and another one is used.
const READY_TIMEOUT: Duration = Duration::from_millis(100);

/// Limits of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolLimits {
    pub(crate) idle_max: usize,
    pub(crate) idle: Duration,
    pub(crate) connect: Duration,
}

/// The idle connections, and those of HTTP/2, idle or not.
#[derive(Debug)]
pub(crate) struct Pool {
    idle: RefCell<Vec<Idle>>,
    shared: Shared,
    limits: PoolLimits,
    connector: Connector,
    opened: IntCounter,
    idle_count: IntGauge,
}

#[derive(Debug)]
struct Idle {
    connection: Http1,
    since: Instant,
}

/// A connection in use. Given back, it is kept; dropped, it is closed, or its stream of a shared one is.
#[derive(Debug)]
pub(crate) struct Lease {
    sender: Sender,
    pool: Weak<Pool>,
    was_kept: bool,
}

impl Pool {
    pub(crate) fn new(
        limits: PoolLimits,
        connector: Connector,
        metrics: &Arc<Metrics>,
        backend: &str,
    ) -> Rc<Self> {
        Rc::new(Self {
            idle: RefCell::default(),
            shared: Shared::default(),
            limits,
            connector,
            opened: metrics.backend_connections.with_label_values(&[backend]),
            idle_count: metrics.backend_idle.with_label_values(&[backend]),
        })
    }

    /// A connection that is ready to be sent on: a kept one, or a new one.
    pub(crate) async fn lease(self: &Rc<Self>, url: &BackendUrl, wanted: &Wanted) -> io::Result<Lease> {
        let lease = |sender, was_kept| Lease { sender, pool: Rc::downgrade(self), was_kept };
        if let Some(stream) = self.shared.stream(wanted, self.limits.idle) {
            return Ok(lease(Sender::Http2(stream), true));
        }
        while let Some(mut connection) = self.newest(wanted) {
            // Ready within a turn of the loop, or stuck with a backend that does not read on.
            let is_ready = connection.is_ready()
                || matches!(tokio::time::timeout(READY_TIMEOUT, connection.ready()).await, Ok(Ok(())));
            if is_ready {
                return Ok(lease(Sender::Http1(connection), true));
            }
        }
        let connecting = tokio::time::timeout(self.limits.connect, self.fresh(url, wanted));
        let (sender, was_kept) = connecting.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        Ok(lease(sender, was_kept))
    }

    fn newest(&self, wanted: &Wanted) -> Option<Http1> {
        let mut idle = self.idle.borrow_mut();
        while let Some(newest) = idle.pop() {
            self.idle_count.dec();
            if newest.since.elapsed() >= self.limits.idle || newest.connection.is_closed() {
                // All others have been idle for longer still.
                self.idle_count.sub(idle.len().try_into().unwrap_or(0));
                idle.clear();
            } else if newest.connection.suits(wanted) {
                return Some(newest.connection);
            }
        }
        None
    }

    /// A new connection, or a place on one that another call opened meanwhile (true).
    async fn fresh(&self, url: &BackendUrl, wanted: &Wanted) -> io::Result<(Sender, bool)> {
        let are_shared = self.shared.are_wanted(wanted);
        let _turn = if are_shared { Some(self.shared.turn.lock().await) } else { None };
        if let Some(stream) = self.shared.stream(wanted, self.limits.idle) {
            return Ok((Sender::Http2(stream), true));
        }
        Ok((self.connect(url, wanted).await?, false))
    }

    async fn connect(&self, url: &BackendUrl, wanted: &Wanted) -> io::Result<Sender> {
        let mut failed = io::Error::from(io::ErrorKind::NotFound);
        for address in lookup_host((url.host.as_str(), url.port)).await? {
            match self.connector.open(address, wanted).await {
                Ok(opened) => {
                    self.opened.inc();
                    return Ok(match opened {
                        Opened::Http1(connection) => {
                            self.shared.declined(wanted);
                            Sender::Http1(connection)
                        }
                        Opened::Http2(connection) => Sender::Http2(self.shared.add(connection)),
                    });
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }
}

impl Lease {
    pub(crate) const fn sender(&mut self) -> &mut Sender {
        &mut self.sender
    }

    /// Whether it served another call before.
    pub(crate) const fn was_kept(&self) -> bool {
        self.was_kept
    }

    /// Keeps the connection for the next call. Only for one whose response was read to its end.
    pub(crate) fn give_back(self) {
        // A stream of HTTP/2 is over, and its connection is there for others all the time.
        let (Sender::Http1(connection), Some(pool)) = (self.sender, self.pool.upgrade()) else { return };
        let mut idle = pool.idle.borrow_mut();
        if idle.len() < pool.limits.idle_max && !connection.is_closed() {
            idle.push(Idle { connection, since: Instant::now() });
            pool.idle_count.inc();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.idle_count.sub(self.idle.borrow().len().try_into().unwrap_or(0));
    }
}
