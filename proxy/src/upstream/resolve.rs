//! Names of endpoints, looked up again and again. A look that fails changes nothing.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::endpoints::Endpoints;

/// A name is not looked up more often than this, however many calls find nobody at its addresses.
const REST: Duration = Duration::from_secs(1);

/// Looks every name up for the first time, for no longer than `limit`: what is not known by then is looked up later.
pub(crate) async fn first(all: &[Arc<Endpoints>], limit: Duration) {
    let mut looks = JoinSet::new();
    for (endpoints, place) in all.iter().flat_map(names) {
        looks.spawn(async move { look_up(&endpoints, place, &system).await });
    }
    let done = async { while looks.join_next().await.is_some() {} };
    if timeout(limit, done).await.is_err() {
        tracing::warn!("not all names of backends could be looked up in time; it goes on without them");
    }
}

/// Names to look up: each with its endpoints, and its place among their names.
pub(super) fn names(endpoints: &Arc<Endpoints>) -> impl Iterator<Item = (Arc<Endpoints>, usize)> {
    let names = endpoints.names.iter().enumerate().filter(|(_, name)| name.literal().is_none());
    names.map(|(place, _)| (Arc::clone(endpoints), place))
}

/// Looks one name up for as long as the proxy runs: as often as the settings say, and when nobody is at its addresses.
pub(super) async fn again(endpoints: Arc<Endpoints>, place: usize, interval: Duration) {
    let Some(name) = endpoints.names.get(place) else { return };
    loop {
        sleep(REST).await;
        let is_known = endpoints.known().get(place).is_some_and(|known| !known.addresses.is_empty());
        if is_known {
            // Asked for or not: it is time.
            let _asked = timeout(interval.saturating_sub(REST), name.asked.notified()).await;
        }
        look_up(&endpoints, place, &system).await;
    }
}

async fn system(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(lookup_host((host, port)).await?.collect())
}

/// Looks one name up, once. No address at all is a failure too: a backend does not vanish without a trace.
pub(super) async fn look_up(
    endpoints: &Endpoints,
    place: usize,
    lookup: &impl AsyncFn(&str, u16) -> io::Result<Vec<SocketAddr>>,
) {
    let Some(name) = endpoints.names.get(place) else { return };
    let result = match lookup(&name.settings.host, name.settings.port).await {
        Ok(addresses) if addresses.is_empty() => Err("it has no address".to_owned()),
        Ok(addresses) => Ok(addresses),
        Err(error) => Err(error.to_string()),
    };
    match result {
        Ok(addresses) => {
            endpoints.counters.found.inc();
            endpoints.found(place, addresses);
        }
        Err(error) => {
            endpoints.counters.not_found.inc();
            endpoints.not_found(place, error);
        }
    }
}
