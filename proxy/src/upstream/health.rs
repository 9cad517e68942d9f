//! Active checks: every endpoint is asked again and again whether it is well.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use config::{BackendUrl, Health, Http};
use http::header::{HOST, HeaderValue, USER_AGENT};
use http::uri::PathAndQuery;
use http::{Request, StatusCode, Uri};
use http_body_util::Full;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::connection::{Connector, Wanted};
use super::endpoint::Endpoint;
use super::endpoints::Endpoints;
use super::head::fit;
use crate::state::Shared;

/// A check failed.
#[derive(Debug, thiserror::Error)]
enum CheckFailed {
    #[error("a check found no connection: {0}")]
    NoConnection(io::Error),
    #[error("a check was broken off: {0}")]
    Broken(hyper::Error),
    #[error("a check was answered with status {0}")]
    Status(StatusCode),
    #[error("a check was not answered in time")]
    Timeout,
}

/// How a backend's endpoints are asked.
#[derive(Debug)]
pub(super) struct Checkup {
    pub(super) shared: Arc<Shared>,
    /// The backend's place in the settings.
    pub(super) place: usize,
    pub(super) health: Health,
    pub(super) url: BackendUrl,
    pub(super) http: Http,
    pub(super) connector: Connector,
}

/// Checks all endpoints of a backend for as long as the proxy runs, side by side.
pub(super) async fn again(endpoints: Arc<Endpoints>, checkup: Checkup) {
    let checkup = Arc::new(checkup);
    let mut ticks = interval(checkup.health.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut round = JoinSet::new();
        for endpoint in &endpoints.set().endpoints {
            let (endpoints, endpoint) = (Arc::clone(&endpoints), Arc::clone(endpoint));
            let checkup = Arc::clone(&checkup);
            round.spawn_local(async move {
                let result = checkup.ask_in_time(endpoint.address).await;
                note(&endpoints, &endpoint, &checkup.health, result);
            });
        }
        while round.join_next().await.is_some() {}
    }
}

fn note(endpoints: &Endpoints, endpoint: &Endpoint, health: &Health, result: Result<(), CheckFailed>) {
    let is_good = result.is_ok();
    let counter = if is_good { &endpoints.counters.good_checks } else { &endpoints.counters.failed_checks };
    counter.inc();
    if !endpoint.checks.note(is_good, health) {
        return;
    }
    let (backend, address) = (&endpoints.backend, endpoint.address);
    match result {
        Ok(()) => tracing::info!(backend, endpoint = %address, "an endpoint is healthy again"),
        Err(error) => {
            tracing::warn!(backend, endpoint = %address, %error, "an endpoint is unhealthy; it is left out");
            endpoint.is_left_out(error.to_string());
        }
    }
}

impl Checkup {
    async fn ask_in_time(&self, address: SocketAddr) -> Result<(), CheckFailed> {
        let asking = timeout(self.health.timeout, self.ask(address));
        asking.await.map_err(|_| CheckFailed::Timeout)?
    }

    async fn ask(&self, address: SocketAddr) -> Result<(), CheckFailed> {
        let tls = self.shared.in_force.load().access(self.place).tls;
        let wanted = Wanted { tls, http: self.http, may_be_shared: false };
        let opened = self.connector.open(address, &wanted).await.map_err(CheckFailed::NoConnection)?;
        let Some(path) = &self.health.path else { return Ok(()) };
        let (mut sender, mut request) = (opened.alone(), self.request(path.clone()));
        fit(&mut request, sender.is_http2(), &self.url)
            .map_err(|error| CheckFailed::NoConnection(io::Error::other(error)))?;
        let sent = sender.try_send(request).await;
        let response = sent.map_err(|failed| CheckFailed::Broken(failed.into_error()))?;
        if response.status().is_success() { Ok(()) } else { Err(CheckFailed::Status(response.status())) }
    }

    fn request(&self, path: PathAndQuery) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = Uri::from(path);
        if let Ok(host) = HeaderValue::from_str(self.url.authority.as_str()) {
            request.headers_mut().insert(HOST, host);
        }
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("oakgate-health"));
        request
    }
}
