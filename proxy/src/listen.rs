//! Listening: sockets, and connections under a permit.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use config::Listener;
use edge::{Full, Places, network};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::authorization;
use crate::connection::{reached, serve};
use crate::cors::Cors;
use crate::host::Hosts;
use crate::protected::Protected;
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
    /// Its place in the settings.
    pub(crate) place: usize,
    pub(crate) hosts: Hosts,
    /// Where pages of other origins may call it.
    pub(crate) cors: Option<Rc<Cors>>,
    /// Path and place in the settings of each backend, the longest path first.
    routes: Vec<(String, usize)>,
    /// Path and backend of each document about authorization.
    documents: Vec<(String, usize)>,
    /// Its backends as OAuth resources, if it takes tokens.
    pub(crate) protected: Option<Protected>,
}

impl Listening {
    pub(crate) fn new((place, settings): (usize, &Listener), address: SocketAddr, shared: &Shared) -> Self {
        let backends = &shared.settings.backends;
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
        let cors = Cors::new(settings).map(Rc::new);
        let hosts = Hosts::new(settings, address);
        let issuer = shared.issuers.of(&settings.name);
        let protected = issuer.map(|issuer| Protected::new(issuer, settings, backends, &routes));
        Self { settings: settings.clone(), place, hosts, cors, routes, documents, protected }
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
    places: Arc<Places>,
) {
    let shared = Arc::clone(&worker.shared);
    let mut draining = std::pin::pin!(reached(&shared, Phase::Drain));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = draining.as_mut() => return,
        };
        match accepted {
            Ok((stream, address)) => match places.take(network(address.ip())) {
                Ok(place) => {
                    let serving = serve(Rc::clone(&worker), Rc::clone(&listening), stream, place);
                    tokio::task::spawn_local(serving);
                }
                Err(full) => {
                    let limit = match full {
                        Full::All => "max_connections",
                        Full::Each => "max_connections_per_address",
                    };
                    worker.shared.metrics.limits_reached.with_label_values(&[limit]).inc();
                    worker.shared.metrics.connections.refused.inc();
                }
            },
            Err(error) => {
                worker.shared.metrics.connections.refused.inc();
                tracing::warn!(%error, listener = listening.settings.name, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
}
