//! One client's connection, from its first byte to its last: what it speaks, and what is known of its other end.

use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::framing::{Answer, Answering, Progress, Watched};
use crate::gate::gate;
use crate::listen::Listening;
use crate::metrics::Gauged;
use crate::refusal::Refusal;
use crate::state::{Phase, Shared};
use crate::worker::Worker;

/// A silent connection is asked whether it is still there after this, and then this often.
const KEEP_ALIVE_TIME: Duration = Duration::from_secs(60);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// The least that hyper takes as the size of its largest buffer.
const BUFFER_MIN_BYTES: usize = 400 * 1024;

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
    Connection { worker, listening, peer, place }.http1(stream).await;
}

/// Lets the kernel notice a peer that vanished without a word.
pub(crate) fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE_TIME).with_interval(KEEP_ALIVE_INTERVAL);
    SockRef::from(stream).set_tcp_keepalive(&keep_alive)
}

impl Connection {
    async fn http1(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let shared = Arc::clone(&self.worker.shared);
        let limits = shared.settings.limits;
        let progress = Arc::<Progress>::default();
        let stream = Watched::new(stream, Arc::clone(&progress), Arc::clone(&shared));
        let service = service_fn(|request| {
            let answer = self.answer(&progress, request);
            async move { Ok::<_, std::convert::Infallible>(answer.await) }
        });
        let max_header_bytes = usize::try_from(limits.max_header_bytes).unwrap_or(usize::MAX);
        // The watched stream has limits of its own, which are stricter.
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .max_headers(usize::try_from(limits.max_headers).unwrap_or(usize::MAX))
            .max_header_size(max_header_bytes)
            .max_buf_size(max_header_bytes.max(BUFFER_MIN_BYTES))
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

    /// Answers one request of HTTP/1.1.
    fn answer(
        &self,
        progress: &Arc<Progress>,
        mut request: Request<Incoming>,
    ) -> impl Future<Output = Response<Answer>> + use<> {
        let answering = Answering::new(progress);
        let may_upgrade = request.headers().contains_key(UPGRADE);
        if may_upgrade {
            request.extensions_mut().insert(Arc::clone(&self.place));
        }
        if let Some(refused) = progress.refused() {
            request.extensions_mut().insert(refused);
        }
        let (worker, listening) = (Rc::clone(&self.worker), Rc::clone(&self.listening));
        let passage = gate(worker, listening, Arc::clone(&self.peer), request);
        async move {
            let mut response = passage.await;
            if may_upgrade && response.status() == StatusCode::SWITCHING_PROTOCOLS {
                answering.upgraded();
            } else if answering.is_in_body() {
                // What is left of the request will not be read.
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            response.map(|body| Answer::new(body, answering))
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
        // What passed the watched stream and is not HTTP to hyper all the same. hyper has answered and closes; who called
        // is not known, so there is a count and no record.
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
