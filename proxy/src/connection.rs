//! One client's connection, from its first byte to its last: what it speaks, and what is known of its other end.

mod answers;
mod frames;
mod http1;
mod http2;
mod peer;
mod preface;

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use edge::Place;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;

use self::preface::{Spoken, spoken};
use crate::listen::Listening;
use crate::metrics::Gauged;
use crate::state::{Phase, Shared};
use crate::tls;
use crate::worker::Worker;
pub(crate) use peer::Peer;

/// A silent connection is asked whether it is still there after this, and then this often.
const KEEP_ALIVE_TIME: Duration = Duration::from_secs(60);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// Calls that are under way when a client's certificate ceases to be good may finish within this.
const REFUSED_LINGER: Duration = Duration::from_secs(30);

/// A connection's place among those that may be open. A WebSocket keeps it after HTTP is over.
#[derive(Debug)]
pub(crate) struct ConnectionPlace {
    _place: Place,
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
pub(crate) async fn serve(worker: Rc<Worker>, listening: Rc<Listening>, stream: TcpStream, place: Place) {
    let counted = Gauged::new(&worker.shared.metrics.connections.now);
    let place = Arc::new(ConnectionPlace { _place: place, _counted: counted });
    if let Err(error) = stream.set_nodelay(true).and_then(|()| keep_alive(&stream)) {
        tracing::debug!(%error, "a socket option could not be set");
    }
    if listening.settings.tls.is_some() {
        // On the heap, so that plain connections stay as small as they are.
        return Box::pin(serve_tls(worker, listening, stream, place)).await;
    }
    let peer = Arc::new(Peer::default());
    Connection { worker, listening, peer, place }.http(stream).await;
}

async fn serve_tls(
    worker: Rc<Worker>,
    listening: Rc<Listening>,
    stream: TcpStream,
    place: Arc<ConnectionPlace>,
) {
    let Some((stream, peer)) = tls::handshake(&worker.shared, &listening, stream).await else { return };
    let speaks_http2 = stream.get_ref().1.alpn_protocol() == Some(tls::HTTP2);
    let connection = Connection { worker, listening, peer: Arc::new(peer), place };
    if speaks_http2 { connection.http2(stream).await } else { connection.http1(stream).await }
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
            () = ending(&shared, &self.peer) => return,
        };
        match spoken {
            Ok(Ok((Spoken::Http1, stream))) => self.http1(stream).await,
            // On the heap: it is many times as large, and most connections are not of it.
            Ok(Ok((Spoken::Http2, stream))) => Box::pin(self.http2(stream)).await,
            Ok(Err(error)) => tracing::debug!(%error, "a client's connection ended"),
            Err(_) => {
                shared.metrics.limits_reached.with_label_values(&["header_timeout_seconds"]).inc();
            }
        }
    }
}

/// Over when no further request may begin.
async fn ending(shared: &Shared, peer: &Peer) {
    tokio::select! {
        () = reached(shared, Phase::Drain) => {}
        () = peer.refused(shared) => {}
    }
}

/// Over when those that have begun may not go on.
async fn cut(shared: &Shared, peer: &Peer) {
    let refused = async {
        peer.refused(shared).await;
        tokio::time::sleep(REFUSED_LINGER).await;
    };
    tokio::select! {
        () = reached(shared, Phase::Stop) => {}
        () = refused => {}
    }
}

/// Over when the proxy has come so far.
pub(crate) async fn reached(shared: &Shared, wanted: Phase) {
    let mut phase: watch::Receiver<Phase> = shared.phase.subscribe();
    if phase.wait_for(|phase| *phase >= wanted).await.is_err() {
        std::future::pending::<()>().await;
    }
}
