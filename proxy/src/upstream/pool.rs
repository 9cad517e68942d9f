//! One worker's connections to one backend: the newest idle one is used first, an old one is closed.

use std::cell::RefCell;
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use config::BackendUrl;
use prometheus::{IntCounter, IntGauge};
use tokio::net::lookup_host;

use super::connection::{Connector, Sender};
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

/// The idle connections.
#[derive(Debug)]
pub(crate) struct Pool {
    idle: RefCell<Vec<Idle>>,
    limits: PoolLimits,
    connector: Connector,
    opened: IntCounter,
    idle_count: IntGauge,
}

#[derive(Debug)]
struct Idle {
    sender: Sender,
    since: Instant,
}

/// A connection in use. Given back, it is kept; dropped, it is closed.
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
            limits,
            connector,
            opened: metrics.backend_connections.with_label_values(&[backend]),
            idle_count: metrics.backend_idle.with_label_values(&[backend]),
        })
    }

    /// A connection that is ready to be sent on: a kept one, or a new one.
    pub(crate) async fn lease(self: &Rc<Self>, url: &BackendUrl) -> io::Result<Lease> {
        while let Some(idle) = self.newest() {
            let mut sender = idle.sender;
            // Ready within a turn of the loop, or stuck with a backend that does not read on.
            let is_ready = sender.is_ready()
                || matches!(tokio::time::timeout(READY_TIMEOUT, sender.ready()).await, Ok(Ok(())));
            if is_ready {
                return Ok(Lease { sender, pool: Rc::downgrade(self), was_kept: true });
            }
        }
        let connecting = tokio::time::timeout(self.limits.connect, self.connect(url));
        let sender = connecting.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        Ok(Lease { sender, pool: Rc::downgrade(self), was_kept: false })
    }

    fn newest(&self) -> Option<Idle> {
        let mut idle = self.idle.borrow_mut();
        let newest = idle.pop()?;
        self.idle_count.dec();
        if newest.since.elapsed() < self.limits.idle && !newest.sender.is_closed() {
            return Some(newest);
        }
        // All others have been idle for longer still.
        self.idle_count.sub(idle.len().try_into().unwrap_or(0));
        idle.clear();
        None
    }

    async fn connect(&self, url: &BackendUrl) -> io::Result<Sender> {
        let mut failed = io::Error::from(io::ErrorKind::NotFound);
        for address in lookup_host((url.host.as_str(), url.port)).await? {
            match self.connector.open(address).await {
                Ok(sender) => {
                    self.opened.inc();
                    return Ok(sender);
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
        let Some(pool) = self.pool.upgrade() else { return };
        let mut idle = pool.idle.borrow_mut();
        if idle.len() < pool.limits.idle_max && !self.sender.is_closed() {
            idle.push(Idle { sender: self.sender, since: Instant::now() });
            pool.idle_count.inc();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.idle_count.sub(self.idle.borrow().len().try_into().unwrap_or(0));
    }
}
