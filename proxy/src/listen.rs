//! Listening: sockets, connections under a permit, HTTP/1.1.

use std::collections::HashSet;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use config::Listener;
use http::Request;
use http::header::{HOST, UPGRADE};
use http::request::Parts;
use http::uri::Scheme;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::authorization;
use crate::gate::gate;
use crate::metrics::Gauged;
use crate::refusal::Refusal;
use crate::state::Phase;
use crate::worker::Worker;

/// Connections that wait to be accepted, per listener and worker.
const BACKLOG: i32 = 4096;
/// A silent connection is asked whether it is still there after this, and then this often.
const KEEP_ALIVE_TIME: Duration = Duration::from_secs(60);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// How long a listener rests when the system gives it no more connections.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// A listener with what is derived from its settings.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) settings: Listener,
    /// Host names it answers to, in lower case, without and with its port.
    hosts: HashSet<String>,
    /// Path and place in the settings of each backend, the longest path first.
    routes: Vec<(String, usize)>,
    /// Path and backend of each document about authorization.
    documents: Vec<(String, usize)>,
}

impl Listening {
    pub(crate) fn new(settings: &Listener, address: SocketAddr, backends: &[config::Backend]) -> Self {
        let ip = match address.ip() {
            std::net::IpAddr::V4(ip) => ip.to_string(),
            std::net::IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned(), ip];
        let names = names.into_iter().chain(settings.hosts.iter().cloned());
        let hosts = names.flat_map(|name| [format!("{name}:{}", address.port()), name]).collect();
        let serves = |backend: &config::Backend| match &backend.listeners {
            None => true,
            Some(names) => names.contains(&settings.name),
        };
        let mut routes: Vec<(String, usize)> = backends
            .iter()
            .enumerate()
            .filter(|(_, backend)| serves(backend))
            .map(|(place, backend)| (backend.path.clone(), place))
            .collect();
        routes.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        let documents = authorization::documents(backends, &routes);
        Self { settings: settings.clone(), hosts, routes, documents }
    }

    /// Whether this listener is who the caller believes to speak to, and the caller's page, if it is one, may (DNS
    /// rebinding).
    pub(crate) fn check_host_and_origin(&self, head: &Parts) -> Result<(), Refusal> {
        let mut hosts = head.headers.get_all(HOST).iter();
        let host = match (hosts.next().map(|host| host.to_str()), hosts.next()) {
            (Some(Ok(host)), None) => host.to_ascii_lowercase(),
            _ => return Err(Refusal::BadHost),
        };
        // A target in absolute form says it once more (RFC 9112, section 3.2.2).
        let says_same = head.uri.authority().is_none_or(|named| named.as_str().eq_ignore_ascii_case(&host))
            && head.uri.scheme().is_none_or(|scheme| *scheme == Scheme::HTTP);
        if !says_same || !self.hosts.contains(&host) {
            return Err(Refusal::BadHost);
        }
        let allowed = |origin: &str| {
            self.settings.origins.iter().any(|allowed| allowed == origin)
                || origin.strip_prefix("http://").is_some_and(|authority| authority == host)
        };
        for origin in head.headers.get_all(http::header::ORIGIN) {
            if !origin.to_str().is_ok_and(|origin| allowed(&origin.to_ascii_lowercase())) {
                return Err(Refusal::BadOrigin);
            }
        }
        Ok(())
    }

    /// The backend for a path (its place in the settings), and what of the path is the backend's own.
    pub(crate) fn route<'a>(&self, backends: &[config::Backend], path: &'a str) -> Option<(usize, &'a str)> {
        if let Some((_, place)) = self.documents.iter().find(|(known, _)| known == path) {
            return Some((*place, ""));
        }
        self.routes.iter().find_map(|(prefix, place)| {
            let rest = if prefix == "/" { path } else { path.strip_prefix(prefix.as_str())? };
            let fits = match backends.get(*place)?.kind {
                config::BackendKind::Mcp { .. } => rest.is_empty() || (prefix == "/" && rest == "/"),
                config::BackendKind::Rest { .. } => rest.is_empty() || rest.starts_with('/'),
            };
            fits.then_some((*place, rest))
        })
    }
}

/// Binds an address so that each worker can have a socket of its own on it.
pub(crate) fn bind(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Lets the kernel notice a peer that vanished without a word.
pub(crate) fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE_TIME).with_interval(KEEP_ALIVE_INTERVAL);
    SockRef::from(stream).set_tcp_keepalive(&keep_alive)
}

/// Accepts connections until the proxy drains.
pub(crate) async fn accept(
    worker: Rc<Worker>,
    listening: Rc<Listening>,
    listener: TcpListener,
    permits: Arc<Semaphore>,
) {
    let mut phase = worker.shared.phase.subscribe();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = reached(&mut phase, Phase::Drain) => return,
        };
        match accepted {
            Ok((stream, _peer)) => {
                let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
                    worker.shared.metrics.limits_reached.with_label_values(&["max_connections"]).inc();
                    worker.shared.metrics.connections_refused.inc();
                    continue;
                };
                tokio::task::spawn_local(serve(Rc::clone(&worker), Rc::clone(&listening), stream, permit));
            }
            Err(error) => {
                worker.shared.metrics.connections_refused.inc();
                tracing::warn!(%error, listener = listening.settings.name, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
}

/// A connection's place among those that may be open. A WebSocket keeps it after HTTP is over.
#[derive(Debug)]
pub(crate) struct ConnectionPlace {
    _permit: OwnedSemaphorePermit,
    _counted: Gauged,
}

/// Serves one connection until it ends, or the proxy stops.
async fn serve(
    worker: Rc<Worker>,
    listening: Rc<Listening>,
    stream: TcpStream,
    permit: OwnedSemaphorePermit,
) {
    let shared = Arc::clone(&worker.shared);
    let place =
        Arc::new(ConnectionPlace { _permit: permit, _counted: Gauged::new(&shared.metrics.connections) });
    if let Err(error) = stream.set_nodelay(true).and_then(|()| keep_alive(&stream)) {
        tracing::debug!(%error, "a socket option could not be set");
    }
    let limits = shared.settings.limits;
    let service = service_fn(|mut request: Request<Incoming>| {
        if request.headers().contains_key(UPGRADE) {
            request.extensions_mut().insert(Arc::clone(&place));
        }
        let passage = gate(Rc::clone(&worker), Rc::clone(&listening), request);
        async move { Ok::<_, std::convert::Infallible>(passage.await) }
    });
    let connection = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits.header_timeout_seconds.into()))
        .max_headers(usize::try_from(limits.max_headers).unwrap_or(usize::MAX))
        .max_header_size(usize::try_from(limits.max_header_bytes).unwrap_or(usize::MAX))
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let (mut phase, mut last_phase) = (shared.phase.subscribe(), shared.phase.subscribe());
    let mut draining = false;
    let ended = loop {
        tokio::select! {
            ended = connection.as_mut() => break ended,
            () = reached(&mut phase, Phase::Drain), if !draining => {
                connection.as_mut().graceful_shutdown();
                draining = true;
            }
            () = reached(&mut last_phase, Phase::Stop), if draining => break Ok(()),
        }
    };
    if let Err(error) = ended {
        if error.is_parse() {
            // hyper has answered and closes; who called is not known, so there is a count and no record.
            let reason = Refusal::UnreadableRequest.name();
            shared.metrics.refusals.with_label_values(&[reason]).inc();
        }
        tracing::debug!(%error, "a client's connection ended");
    }
}

async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    if phase.wait_for(|phase| *phase >= wanted).await.is_err() {
        std::future::pending::<()>().await;
    }
}
