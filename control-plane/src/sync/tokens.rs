//! Whether the tokens of linked proxies are still good: asked every second, for all of them at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::table::LinkTable;
use crate::clock;
use crate::store::Store;

/// How often it is asked.
const EVERY: Duration = Duration::from_millis(500);

/// Asks for ever.
pub(super) async fn run(store: Store, table: Arc<LinkTable>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut fails = false;
    loop {
        ticks.tick().await;
        let asked = table.tokens();
        match store.good_tokens(&asked, clock::now()).await {
            Ok(good) => {
                fails = false;
                table.revoke(&asked, |sha256| good.contains(sha256));
            }
            // Where nothing can be asked nothing can be revoked either; a proxy that lost its link would only go on with
            // what it has.
            Err(error) if !fails => {
                fails = true;
                tracing::error!(%error, "it can't be asked whether the tokens of linked proxies are still good");
            }
            Err(_) => {}
        }
    }
}
