//! The recorder of questions: nothing is answered before its record is on the disk.
//!
//! While one group of records is committed, the next ones gather; so many questions at once cost few commits.

#[cfg(test)]
mod tests;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::metrics::Metrics;
use crate::store::{ACTIVITY_GROUP_MAX, Activity, Store, StoreError};

/// Records that may wait for their group.
const QUEUED_MAX: usize = 1024;

/// The way to the recorder.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    queue: mpsc::Sender<Waiting>,
    metrics: Metrics,
}

#[derive(Debug)]
struct Waiting {
    activity: Activity,
    written: oneshot::Sender<Result<(), NotRecorded>>,
}

/// Why there is no record, and so must be no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotRecorded {
    /// Too many wait.
    Busy,
    /// The store failed, or takes too long.
    StoreFailed,
    /// The store's disk is full.
    StoreFull,
    /// The recorder has ended.
    Stopped,
}

/// Starts the recorder. It ends when every [`Recorder`] is gone, and everything that waited is written.
pub(crate) fn start(store: Store, metrics: Metrics) -> (Recorder, JoinHandle<()>) {
    let (queue, waiting) = mpsc::channel(QUEUED_MAX);
    let task = tokio::spawn(run(store, metrics.clone(), waiting));
    (Recorder { queue, metrics }, task)
}

impl Recorder {
    /// Writes a record down, and waits until it is durable.
    pub(crate) async fn record(&self, activity: Activity) -> Result<(), NotRecorded> {
        let result = self.queue(activity).await;
        if result.is_err() {
            self.metrics.not_recorded();
        }
        result
    }

    async fn queue(&self, activity: Activity) -> Result<(), NotRecorded> {
        let (written, answer) = oneshot::channel();
        self.queue.try_send(Waiting { activity, written }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NotRecorded::Busy,
            mpsc::error::TrySendError::Closed(_) => NotRecorded::Stopped,
        })?;
        answer.await.map_err(|_| NotRecorded::Stopped)?
    }

    /// Whether it runs.
    pub(crate) fn is_running(&self) -> bool {
        !self.queue.is_closed()
    }

    /// Records that wait for their group.
    pub(crate) fn queued(&self) -> usize {
        self.queue.max_capacity().saturating_sub(self.queue.capacity())
    }
}

async fn run(store: Store, metrics: Metrics, mut queue: mpsc::Receiver<Waiting>) {
    let mut group = Vec::with_capacity(ACTIVITY_GROUP_MAX);
    while queue.recv_many(&mut group, ACTIVITY_GROUP_MAX).await > 0 {
        let (activities, waiting): (Vec<_>, Vec<_>) =
            group.drain(..).map(|Waiting { activity, written }| (activity, written)).unzip();
        let written = store.insert_activity(&activities).await.map_err(|error| {
            tracing::error!(%error, records = activities.len(), "records could not be written");
            match error {
                StoreError::Full(_) => NotRecorded::StoreFull,
                _ => NotRecorded::StoreFailed,
            }
        });
        if written.is_ok() {
            metrics.recorded(activities.len());
        }
        for waiting in waiting {
            // Whoever asked may have left.
            let _ = waiting.send(written);
        }
    }
}
