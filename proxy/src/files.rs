//! The watched files: policy, API keys, receipt keys, TLS. A version that does not load changes nothing but a metric.

mod load;
mod reload;
mod watched;

use std::sync::Arc;

use tokio::sync::watch;
use watched_files::{Look, WATCH_INTERVAL, Watch};

use crate::clock;
use crate::state::Shared;
pub(crate) use load::{compile, load_first, signing_keys};
use reload::reload;
pub(crate) use reload::told;
use watched::Watched;

/// Watches the files until the proxy stops. `reread` asks for a look at once.
pub(crate) async fn watch(shared: Arc<Shared>, mut reread: watch::Receiver<()>) {
    let mut watchers: Vec<Watcher> = Watched::all(&shared.settings)
        .map(|watched| {
            let mut watch = Watch::begin(&watched.paths(&shared.settings));
            // What was loaded at the start is loaded again: it may have changed before this looked for the first time.
            watch.demand();
            Watcher { watched, watch, in_force: false }
        })
        .collect();
    loop {
        for watcher in &mut watchers {
            watcher.look(&shared).await;
        }
        tokio::select! {
            () = tokio::time::sleep(WATCH_INTERVAL) => {}
            asked = reread.changed() => match asked {
                // Asked for or not, a file is loaded only while it stands still.
                Ok(()) => watchers.iter_mut().for_each(|watcher| watcher.watch.demand()),
                Err(_) => return,
            },
        }
    }
}

struct Watcher {
    watched: Watched,
    watch: Watch,
    /// Whether what was loaded last is in force.
    in_force: bool,
}

impl Watcher {
    async fn look(&mut self, shared: &Arc<Shared>) {
        let paths = self.watched.paths(&shared.settings);
        if paths.is_empty() {
            return;
        }
        let look = self.watch.look(&paths);
        if look == Look::Load {
            let (shared, watched) = (Arc::clone(shared), self.watched);
            // Reading and compiling a large policy takes a while: not on this thread.
            let reloaded = tokio::task::spawn_blocking(move || reload(&shared, watched)).await;
            self.in_force = reloaded.unwrap_or_else(|_| {
                tracing::error!(?watched, "loading the file failed in an unforeseen way");
                false
            });
        } else if self.watched == Watched::Policy && self.in_force && look == Look::Loaded {
            shared.confirm_policy(clock::now());
        }
    }
}
