//! Removes from the store what has outlived its use.

use std::time::Duration;

use policy::UnixMillis;
use tokio::time::{MissedTickBehavior, interval};

use crate::clock;
use crate::metrics::Metrics;
use crate::store::{Store, StoreError};

/// How often it looks.
const EVERY_SECONDS: u64 = 60;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Sweeps until it is dropped. Activity goes by whole days (UTC), once it is older than so many of them.
pub(crate) async fn run(store: Store, metrics: Metrics, activity_days: u32) {
    let mut ticks = interval(Duration::from_secs(EVERY_SECONDS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut swept_before = UnixMillis(0);
    loop {
        ticks.tick().await;
        if let Err(error) = sweep(&store, &metrics).await {
            tracing::error!(%error, "old nonces and executions could not be removed");
        }
        let before = days_ago(activity_days, clock::now());
        if before == swept_before {
            continue;
        }
        match sweep_activity(&store, &metrics, before).await {
            Ok(()) => swept_before = before,
            Err(error) => tracing::error!(%error, "old activity could not be removed"),
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

/// Removes what was written before that moment: organisation by organisation, each batch by batch.
async fn sweep_activity(store: &Store, metrics: &Metrics, before: UnixMillis) -> Result<(), StoreError> {
    let mut org = String::new();
    while let Some(next) = store.next_active_org(&org).await? {
        org = next;
        for batch in 0.. {
            let swept = store.sweep_activity(&org, before, batch, clock::now()).await?;
            metrics.swept_activity(swept);
            if swept == 0 {
                break;
            }
        }
    }
    Ok(())
}

/// The beginning of the day so many days ago.
fn days_ago(days: u32, now: UnixMillis) -> UnixMillis {
    UnixMillis((now.0 / DAY_MS).saturating_sub(days.into()) * DAY_MS)
}

#[cfg(test)]
mod tests;
