//! Audit records of proxies on their way to the store: those of many proxies in one transaction.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::clock;
use crate::metrics::Metrics;
use crate::store::{AuditRecords, Store};

/// Batches that may wait for their transaction. A link has one at most, and reads nothing meanwhile.
const QUEUED_MAX: usize = 64;

/// Batches in one transaction.
const GROUP_MAX: usize = 32;

/// How long to wait after the store failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The way to the store.
#[derive(Clone, Debug)]
pub(super) struct AuditStore(mpsc::Sender<Waiting>);

#[derive(Debug)]
struct Waiting {
    batch: AuditRecords,
    stored: oneshot::Sender<()>,
}

/// Nobody stores anything any more.
#[derive(Debug)]
pub(super) struct Stopped;

impl AuditStore {
    pub(super) fn start(tasks: &mut JoinSet<()>, store: Store, metrics: Metrics) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUED_MAX);
        tasks.spawn(run(store, metrics, waiting));
        Self(queue)
    }

    /// Stores records, and waits until they are durable, however long the store fails.
    pub(super) async fn store(&self, batch: AuditRecords) -> Result<(), Stopped> {
        let (stored, is_stored) = oneshot::channel();
        self.0.send(Waiting { batch, stored }).await.map_err(|_| Stopped)?;
        is_stored.await.map_err(|_| Stopped)
    }
}

async fn run(store: Store, metrics: Metrics, mut queue: mpsc::Receiver<Waiting>) {
    let mut group = Vec::with_capacity(GROUP_MAX);
    while queue.recv_many(&mut group, GROUP_MAX).await > 0 {
        let (batches, waiting): (Vec<_>, Vec<_>) =
            group.drain(..).map(|Waiting { batch, stored }| (batch, stored)).unzip();
        while let Err(error) = store.store_audit(&batches, clock::now()).await {
            tracing::error!(%error, batches = batches.len(), "audit records of proxies can't be stored; tried again");
            sleep(RETRY_AFTER).await;
        }
        metrics.sync.audited(batches.iter().map(|batch| batch.records.len()).sum());
        for stored in waiting {
            // Its link may be gone: then the proxy sends them again.
            let _gone = stored.send(());
        }
    }
}
