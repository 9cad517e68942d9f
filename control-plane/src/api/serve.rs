//! Serving connections: HTTP/1.1 with a limit on everything a client sends, and on how long it takes.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, Request};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Api, Problem};

/// Connections at once.
const CONNECTIONS_MAX: usize = 256;

/// Header fields in a request.
const HEADERS_MAX: usize = 64;

/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// How long a client may take to send a request's head, also on a kept connection.
const HEAD_TIMEOUT_SECONDS: u64 = 15;

/// How long a request may take from its head to the answer, its body included.
const REQUEST_TIMEOUT_SECONDS: u64 = 20;

/// How long a connection may stay open.
const CONNECTION_SECONDS_MAX: u64 = 10 * 60;

/// How long a connection that is being closed may take to finish its request.
const FINISH_SECONDS: u64 = 5;

/// How long to wait before the next accept after one that failed, such as for want of file descriptors.
const ACCEPT_RETRY_MS: u64 = 100;

/// Both ends of a client's connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) remote: SocketAddr,
    pub(super) local: SocketAddr,
}

/// Serves until `shutdown` is done and the requests then under way have finished.
pub(crate) async fn serve(listener: TcpListener, api: Api, shutdown: impl Future<Output = ()>) {
    let router = api.router();
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (stop, stopping) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        match accepted {
            Ok((permit, peer, stream)) => {
                let connection = connection(stream, peer, router.clone(), stopping.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(Duration::from_millis(ACCEPT_RETRY_MS)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    drop(router);
    let _ = stop.send(());
    while connections.join_next().await.is_some() {}
}

/// Takes the next connection once there is room for it.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(OwnedSemaphorePermit, Peer, TcpStream)> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, remote) = listener.accept().await?;
    let local = stream.local_addr()?;
    // What is sent in parts must not wait for the client's system to have taken the one before.
    stream.set_nodelay(true)?;
    Ok((permit, Peer { remote, local }, stream))
}

/// Serves one connection until it ends, is too old, or the server stops.
async fn connection(stream: TcpStream, peer: Peer, router: Router, mut stopping: watch::Receiver<()>) {
    let service = service_fn(move |request: Request<Incoming>| answer(router.clone(), peer, request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEAD_TIMEOUT_SECONDS))
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

async fn answer(router: Router, peer: Peer, mut request: Request<Incoming>) -> Result<Response, Infallible> {
    request.extensions_mut().insert(peer);
    let service = TowerToHyperService::new(router);
    let answered = hyper::service::Service::call(&service, request.map(Body::new));
    let mut response = match timeout(Duration::from_secs(REQUEST_TIMEOUT_SECONDS), answered).await {
        Ok(response) => response?,
        Err(_) => Problem::TimedOut.into_response(),
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
