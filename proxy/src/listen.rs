//! Listening: sockets, and connections under a permit.

use std::collections::HashSet;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use config::Listener;
use http::header::HOST;
use http::request::Parts;
use http::uri::Scheme;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::authorization;
use crate::connection::{reached, serve};
use crate::protected::Protected;
use crate::refusal::Refusal;
use crate::state::{Phase, Shared};
use crate::worker::Worker;

/// Connections that wait to be accepted, per listener and worker.
const BACKLOG: i32 = 4096;
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
    /// Its backends as OAuth resources, if it takes tokens.
    pub(crate) protected: Option<Protected>,
}

impl Listening {
    pub(crate) fn new(settings: &Listener, address: SocketAddr, shared: &Shared) -> Self {
        let backends = &shared.settings.backends;
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
        let issuer = shared.issuers.of(&settings.name);
        let protected = issuer.map(|issuer| Protected::new(issuer, settings, backends, &routes));
        Self { settings: settings.clone(), hosts, routes, documents, protected }
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

/// Accepts connections until the proxy drains.
pub(crate) async fn accept(
    worker: Rc<Worker>,
    listening: Rc<Listening>,
    listener: TcpListener,
    permits: Arc<Semaphore>,
) {
    let shared = Arc::clone(&worker.shared);
    let mut draining = std::pin::pin!(reached(&shared, Phase::Drain));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = draining.as_mut() => return,
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
