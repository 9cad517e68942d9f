//! Keeps an issuer's keys up to date: fetched now and then, and once more when a token names a key that is not known.
//!
//! Whatever comes that is not a JWK set changes nothing but a metric; the last good set stays, until it is too old.

use std::sync::Arc;
use std::time::Duration;

use config::Jwt;
use policy::UnixMillis;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, sleep_until, timeout};

use super::Issuer;
use super::fetch::{FetchError, Fetched, fetch};
use crate::clock;
use crate::state::{Count, Shared};

/// A whole fetch takes no longer than this.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// A request waits no longer than this for a fetch.
const WAIT: Duration = Duration::from_secs(3);

/// Requests that wait for keys, and the fetch that they wait for.
#[derive(Debug)]
pub(super) struct Asked {
    wanted: Notify,
    state: watch::Sender<State>,
    waiting: Arc<Count>,
    max_waiting: u32,
    min_interval_ms: u64,
}

/// How fetching stands.
#[derive(Clone, Copy, Debug)]
struct State {
    /// Fetches that ended.
    ended: u64,
    ended_at: UnixMillis,
    is_under_way: bool,
    /// Whether the last one gave keys.
    was_good: bool,
}

impl Asked {
    pub(super) fn new(settings: &Jwt, max_waiting: u32) -> Self {
        let is_under_way = settings.jwks.is_fetched();
        let state = State { ended: 0, ended_at: UnixMillis(0), is_under_way, was_good: !is_under_way };
        Self {
            wanted: Notify::new(),
            state: watch::Sender::new(state),
            waiting: Arc::default(),
            max_waiting,
            min_interval_ms: if is_under_way { settings.jwks_min_interval_seconds * 1000 } else { u64::MAX },
        }
    }

    /// Asks for newer keys, and waits for them if they may come now; false if too many wait already.
    pub(super) async fn ask(&self, now: UnixMillis) -> bool {
        let mut watched = self.state.subscribe();
        let state = *watched.borrow_and_update();
        if !state.is_under_way && now.0.saturating_sub(state.ended_at.0) < self.min_interval_ms {
            return true;
        }
        let Some(_waiting) = self.waiting.enter(self.max_waiting) else { return false };
        if !state.is_under_way {
            self.wanted.notify_one();
        }
        let newer = watched.wait_for(|newer| newer.ended > state.ended);
        // In time or not: what is known then counts.
        let _in_time = timeout(WAIT, newer).await;
        true
    }

    /// Whether the keys that are known are those that the issuer has.
    pub(super) fn is_up_to_date(&self) -> bool {
        let state = self.state.borrow();
        state.was_good && !state.is_under_way
    }
}

/// Keeps the keys of an issuer until the proxy stops.
pub(crate) async fn keep(issuer: Arc<Issuer>, shared: Arc<Shared>) {
    let settings = &issuer.settings;
    let min_interval = Duration::from_secs(settings.jwks_min_interval_seconds);
    loop {
        issuer.asked.state.send_modify(|state| state.is_under_way = true);
        let fetched = timeout(FETCH_TIMEOUT, fetch(settings)).await.unwrap_or(Err(FetchError::TooSlow));
        let ended_at = tokio::time::Instant::now();
        let next = put(&issuer, &shared, fetched);
        sleep(min_interval).await;
        tokio::select! {
            () = sleep_until(ended_at + next) => {}
            () = issuer.asked.wanted.notified() => {}
        }
    }
}

/// Puts what came in force, and says when to fetch again.
fn put(issuer: &Issuer, shared: &Shared, fetched: Result<Fetched, FetchError>) -> Duration {
    let listener = issuer.listener.as_str();
    let settings = &issuer.settings;
    let result = match &fetched {
        Ok(_) => "fetched",
        Err(error) => error.name(),
    };
    let (was_good, next_seconds) = match fetched {
        Ok(Fetched { keys, fresh_seconds }) => {
            if issuer.put(keys) {
                shared.changes.send_modify(|change| *change = change.wrapping_add(1));
            }
            let refresh = settings.jwks_refresh_seconds;
            (true, fresh_seconds.map_or(refresh, |fresh| fresh.min(refresh)))
        }
        Err(error) => {
            tracing::warn!(listener, %error, "the issuer's keys could not be fetched; what was known stays");
            (false, settings.jwks_min_interval_seconds)
        }
    };
    issuer.metrics.tokens.jwks_fetches.with_label_values(&[listener, result]).inc();
    issuer.asked.state.send_modify(|state| {
        *state = State { ended: state.ended + 1, ended_at: clock::now(), is_under_way: false, was_good };
    });
    Duration::from_secs(next_seconds)
}
