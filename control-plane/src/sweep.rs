//! Removes from the store what has outlived its use.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::clock;
use crate::metrics::Metrics;
use crate::store::{Store, StoreError};

/// How often it looks.
const EVERY_SECONDS: u64 = 60;

/// Sweeps until it is dropped.
pub(crate) async fn run(store: Store, metrics: Metrics) {
    let mut ticks = interval(Duration::from_secs(EVERY_SECONDS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = sweep(&store, &metrics).await {
            tracing::error!(%error, "old nonces and executions could not be removed");
        }
    }
}

/// Goes batch by batch, so that others can write in between.
async fn sweep(store: &Store, metrics: &Metrics) -> Result<(), StoreError> {
    let now = clock::now();
    loop {
        let (swept, more) = store.sweep_nonces(now).await?;
        metrics.swept_nonces(swept);
        if !more {
            break;
        }
    }
    while store.sweep_executions(now).await? {}
    Ok(())
}
