//! One thread that keeps an eye on all backends: looks their names up, and asks their endpoints whether they are well.
//! Calls never wait for it.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};

use super::health::Checkup;
use super::{connector, health, resolve};
use crate::connection::reached;
use crate::state::{Phase, Shared};

/// Starts it. It ends when the proxy stops.
pub(crate) fn start(shared: Arc<Shared>) -> io::Result<JoinHandle<()>> {
    let thread = std::thread::Builder::new().name("endpoints".to_owned());
    let runtime = || Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    thread.spawn(move || match runtime() {
        Ok(runtime) => {
            runtime.block_on(watch(&shared));
            // A lookup that hangs does not keep the proxy from stopping.
            runtime.shutdown_background();
        }
        Err(error) => tracing::error!(%error, "endpoints are not watched: no runtime"),
    })
}

async fn watch(shared: &Arc<Shared>) {
    let settings = &shared.settings;
    let refresh = Duration::from_secs(settings.limits.dns_refresh_seconds.into());
    for (place, (endpoints, backend)) in shared.endpoints.iter().zip(&settings.backends).enumerate() {
        for (endpoints, name) in resolve::names(endpoints) {
            tokio::task::spawn_local(resolve::again(endpoints, name, refresh));
        }
        if let Some(health) = &backend.health {
            let checkup = Checkup {
                shared: Arc::clone(shared),
                place,
                health: health.clone(),
                url: backend.url.clone(),
                http: backend.hop.http,
                connector: connector(&settings.limits, &shared.metrics, &backend.name),
            };
            tokio::task::spawn_local(health::again(Arc::clone(endpoints), checkup));
        }
    }
    reached(shared, Phase::Stop).await;
}
