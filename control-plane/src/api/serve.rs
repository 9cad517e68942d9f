//! Serving connections: HTTP/1.1 with a limit on everything a client sends, and on how long it takes.

mod arriving;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONNECTION};
use axum::http::{HeaderValue, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use edge::{Answer, Answering, Full, Place, Places, Progress, Watched, network};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use super::problem::Malformed;
use super::{Problem, Served};
use crate::metrics::Metrics;
use crate::tls::ServerTls;
pub(super) use arriving::Broken;
use arriving::arriving;

/// Connections at once. More are closed at once.
const CONNECTIONS_MAX: usize = 512;

/// Connections at once from one IPv4 address or one IPv6 network of 64 bits. More are closed at once.
const CONNECTIONS_PER_ADDRESS_MAX: u32 = 128;

/// Header fields in a request.
const HEADERS_MAX: usize = 64;

/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Bytes of a request's path and query.
const TARGET_BYTES_MAX: usize = 8 * 1024;

/// Of what a client still sends after its answer, this much is thrown away before it is cut off.
const LINGER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long a connection may stay open.
const CONNECTION_SECONDS_MAX: u64 = 10 * 60;

/// How long a connection that is being closed may take to finish its request.
const FINISH_SECONDS: u64 = 5;

/// How long to wait before the next accept after one that failed, such as for want of file descriptors.
const ACCEPT_RETRY_MS: u64 = 100;

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For a request's head, from its first byte; and for a connection's first byte.
    pub(crate) header: Duration,
    /// Between requests.
    pub(crate) keep_alive: Duration,
    /// For a request's body, from the end of its head.
    pub(crate) body: Duration,
    /// From a request's head to the head of its answer.
    pub(crate) request: Duration,
    /// While it takes nothing of an answer that waits for it.
    pub(crate) write: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(15),
            keep_alive: Duration::from_secs(15),
            body: Duration::from_secs(15),
            request: Duration::from_secs(20),
            write: Duration::from_secs(20),
        }
    }
}

/// Both ends of a client's connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) remote: SocketAddr,
    pub(super) local: SocketAddr,
}

/// What every connection needs.
#[derive(Clone, Debug)]
struct Serving {
    router: Router,
    patience: Patience,
    tls: Option<ServerTls>,
    limits: Arc<edge::Limits>,
}

/// Serves until `shutdown` is done and the requests then under way have finished.
pub(crate) async fn serve(
    listener: TcpListener,
    Served { router, metrics }: Served,
    (patience, tls): (Patience, Option<ServerTls>),
    shutdown: impl Future<Output = ()>,
) {
    let places = Places::new(CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX);
    let limits = Arc::new(limits(patience, &metrics));
    let serving = Serving { router, patience, tls, limits };
    let (stop, stopping) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        let accepted = accepted.and_then(|(stream, remote)| {
            let peer = Peer { remote, local: stream.local_addr()? };
            // What is sent in parts must not wait for the client's system to have taken the one before.
            stream.set_nodelay(true)?;
            Ok((stream, peer, places.take(network(remote.ip()))))
        });
        match accepted {
            Ok((stream, peer, Ok(place))) => {
                let connection = opened(stream, peer, serving.clone(), stopping.clone());
                connections.spawn(holding(place, connection));
            }
            Ok((_, _, Err(Full::All))) => metrics.limit_reached("max_connections"),
            Ok((_, _, Err(Full::Each))) => metrics.limit_reached("max_connections_per_address"),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(Duration::from_millis(ACCEPT_RETRY_MS)).await;
            }
        }
        while let Some(ended) = connections.try_join_next() {
            note(ended);
        }
    }
    drop(listener);
    drop(serving);
    let _ = stop.send(());
    while let Some(ended) = connections.join_next().await {
        note(ended);
    }
}

fn limits(patience: Patience, metrics: &Metrics) -> edge::Limits {
    edge::Limits {
        head: protocol::http1::Limits {
            max_head_bytes: HEAD_BYTES_MAX,
            max_headers: HEADERS_MAX,
            max_target_bytes: TARGET_BYTES_MAX,
        },
        header_timeout: patience.header,
        keep_alive: patience.keep_alive,
        write_timeout: patience.write,
        linger_bytes: LINGER_BYTES_MAX,
        reached: metrics.limits_reached().clone(),
    }
}

async fn holding(place: Place, connection: impl Future<Output = ()>) {
    connection.await;
    drop(place);
}

/// Says that a connection broke by a fault of this program, if it did: its client was not answered.
fn note(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection failed");
    }
}

/// Serves one connection, over TLS where there is any.
async fn opened(stream: TcpStream, peer: Peer, serving: Serving, mut stopping: watch::Receiver<()>) {
    let Some(tls) = serving.tls.clone() else { return connection(stream, peer, serving, stopping).await };
    let shaken = tokio::select! {
        shaken = tls.handshake(stream) => shaken,
        _ = stopping.changed() => None,
    };
    if let Some(stream) = shaken {
        connection(stream, peer, serving, stopping).await;
    }
}

/// Serves one connection until it ends, is too old, or the server stops.
async fn connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    peer: Peer,
    serving: Serving,
    mut stopping: watch::Receiver<()>,
) {
    let progress = Arc::<Progress>::default();
    let stream = Watched::new(stream, Arc::clone(&progress), Arc::clone(&serving.limits));
    let service = service_fn(|request| {
        let answering = Answering::new(&progress);
        let serving = serving.clone();
        let refused = progress.refused();
        async move {
            let mut response = match refused {
                Some(refused) => Problem::RequestMalformed(Malformed(refused)).into_response(),
                None => serving.answer(peer, request).await,
            };
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                answering.upgraded();
            } else if answering.is_in_body() {
                // What is left of the request will not be read.
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response.map(|body| Answer::new(body, answering)))
        }
    });
    // The watched stream has times of its own.
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_headers(HEADERS_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        // A link leaves with its stream, and gives its place back.
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        _ = stopping.changed() => None,
        () = sleep(Duration::from_secs(CONNECTION_SECONDS_MAX)) => None,
    };
    let ended = match ended {
        Some(ended) => Ok(ended),
        None => {
            connection.as_mut().graceful_shutdown();
            timeout(Duration::from_secs(FINISH_SECONDS), connection).await
        }
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, peer = %peer.remote, "a connection broke"),
        Err(_) => tracing::debug!(peer = %peer.remote, "a connection did not finish in time"),
    }
}

impl Serving {
    async fn answer(self, peer: Peer, mut request: Request<Incoming>) -> Response {
        request.extensions_mut().insert(peer);
        let request = request.map(|body| arriving(body, self.patience.body, &self.limits));
        let service = TowerToHyperService::new(self.router);
        let answered = hyper::service::Service::call(&service, request);
        match timeout(self.patience.request, answered).await {
            Ok(Ok(response)) => response,
            Err(_) => {
                self.limits.count("request_timeout_seconds");
                Problem::TimedOut.into_response()
            }
        }
    }
}
