//! One client's connection, from its first byte to its last: what it speaks, and what is known of its other end.

mod answers;
mod frames;
mod http2;
mod preface;

use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http::header::UPGRADE;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};

use self::preface::{Spoken, spoken};
use crate::gate::gate;
use crate::listen::Listening;
use crate::metrics::Gauged;
use crate::refusal::Refusal;
use crate::state::{Phase, Shared};
use crate::worker::Worker;

/// A silent connection is asked whether it is still there after this, and then this often.
const KEEP_ALIVE_TIME: Duration = Duration::from_secs(60);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// The other end of a connection: what is known of it before its first request.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    /// Whether it came over TLS.
    pub(crate) is_secure: bool,
}

/// A connection's place among those that may be open. A WebSocket keeps it after HTTP is over.
#[derive(Debug)]
pub(crate) struct ConnectionPlace {
    _permit: OwnedSemaphorePermit,
    _counted: Gauged,
}

/// A connection with everything that its requests need.
struct Connection {
    worker: Rc<Worker>,
    listening: Rc<Listening>,
    peer: Arc<Peer>,
    place: Arc<ConnectionPlace>,
}

/// Serves one connection until it ends, or the proxy stops.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    listening: Rc<Listening>,
    stream: TcpStream,
    permit: OwnedSemaphorePermit,
) {
    let counted = Gauged::new(&worker.shared.metrics.connections);
    let place = Arc::new(ConnectionPlace { _permit: permit, _counted: counted });
    if let Err(error) = stream.set_nodelay(true).and_then(|()| keep_alive(&stream)) {
        tracing::debug!(%error, "a socket option could not be set");
    }
    let peer = Arc::new(Peer { is_secure: false });
    Connection { worker, listening, peer, place }.http(stream).await;
}

/// Lets the kernel notice a peer that vanished without a word.
pub(crate) fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE_TIME).with_interval(KEEP_ALIVE_INTERVAL);
    SockRef::from(stream).set_tcp_keepalive(&keep_alive)
}

impl Connection {
    /// Serves what the client speaks, by its first bytes. HTTP/2 without TLS is spoken with prior knowledge only (RFC
    /// 9113, section 3.3).
    async fn http(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        if !self.listening.settings.http2 {
            return self.http1(stream).await;
        }
        let shared = Arc::clone(&self.worker.shared);
        let limit = Duration::from_secs(shared.settings.limits.header_timeout_seconds.into());
        let spoken = tokio::select! {
            spoken = tokio::time::timeout(limit, spoken(stream)) => spoken,
            () = ending(&shared) => return,
        };
        match spoken {
            Ok(Ok((Spoken::Http1, stream))) => self.http1(stream).await,
            // Boxed: a connection of HTTP/1.1 has no use for its size.
            Ok(Ok((Spoken::Http2, stream))) => Box::pin(self.http2(stream)).await,
            Ok(Err(error)) => tracing::debug!(%error, "a client's connection ended"),
            Err(_) => {
                shared.metrics.limits_reached.with_label_values(&["header_timeout_seconds"]).inc();
            }
        }
    }

    async fn http1(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let shared = Arc::clone(&self.worker.shared);
        let limits = shared.settings.limits;
        let service = service_fn(|mut request: Request<Incoming>| {
            if request.headers().contains_key(UPGRADE) {
                request.extensions_mut().insert(Arc::clone(&self.place));
            }
            let (worker, listening) = (Rc::clone(&self.worker), Rc::clone(&self.listening));
            let passage = gate(worker, listening, Arc::clone(&self.peer), request);
            async move { Ok::<_, std::convert::Infallible>(passage.await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(limits.header_timeout_seconds.into()))
            .max_headers(usize::try_from(limits.max_headers).unwrap_or(usize::MAX))
            .max_header_size(usize::try_from(limits.max_header_bytes).unwrap_or(usize::MAX))
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let mut ending = pin!(ending(&shared));
        let mut is_ending = false;
        let ended = loop {
            tokio::select! {
                ended = connection.as_mut() => break ended,
                () = ending.as_mut(), if !is_ending => {
                    connection.as_mut().graceful_shutdown();
                    is_ending = true;
                }
                () = reached(&shared, Phase::Stop), if is_ending => break Ok(()),
            }
        };
        if let Err(error) = ended {
            note(&shared, &error);
        }
    }
}

/// Over when no further request may begin.
async fn ending(shared: &Shared) {
    reached(shared, Phase::Drain).await;
}

/// Notes why a connection ended early.
fn note(shared: &Shared, error: &hyper::Error) {
    if error.is_parse() {
        // hyper has answered and closes; who called is not known, so there is a count and no record.
        let reason = Refusal::UnreadableRequest.name();
        shared.metrics.refusals.with_label_values(&[reason]).inc();
    }
    tracing::debug!(%error, "a client's connection ended");
}

/// Over when the proxy has come so far.
pub(crate) async fn reached(shared: &Shared, wanted: Phase) {
    let mut phase: watch::Receiver<Phase> = shared.phase.subscribe();
    if phase.wait_for(|phase| *phase >= wanted).await.is_err() {
        std::future::pending::<()>().await;
    }
}
