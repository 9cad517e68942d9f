//! The composition root: everything is made here, started here, and stopped here.

use std::net::SocketAddr;
use std::num::NonZero;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use edge::{KeyedCount, Places};
use policy_sync::{ControlEnd, ProxyEnd};
use tokio::net::TcpListener;
use tokio::runtime::LocalOptions;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use watched_files::FileError;

use crate::admin;
use crate::approvals::Approvals;
use crate::audit::{Spool, SpoolError, Total};
use crate::authorization::Announced;
use crate::batch::BatchSessions;
use crate::body::DISCARD_MAX_BYTES;
use crate::caller::Issuers;
use crate::candidate::Samples;
use crate::definitions::Definitions;
use crate::discovery::Discovery;
use crate::files;
use crate::http_sse::HttpSse;
use crate::listen::{self, Listening};
use crate::listings::Listings;
use crate::metrics::Metrics;
use crate::open_files;
use crate::policy_age;
use crate::rates::Rates;
use crate::state::{Buffered, Part, Phase, Shared};
use crate::sync::{Beginning, CanNotFollow, Poller};
use crate::upstream::{self, Endpoints, Sessions};
use crate::worker::Worker;

/// How often a stopping proxy looks whether anything is left.
const LEFT_INTERVAL: Duration = Duration::from_millis(20);

/// How often somebody who waits for the proxy to be ready looks.
const READY_INTERVAL: Duration = Duration::from_millis(20);

/// Messages between this proxy and its control plane that may wait, each way.
const LINK_MESSAGES: usize = 1024;

/// A proxy could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address could not be listened on.
    #[error("`{what}` can't listen on {address}: {source}")]
    Bind {
        /// The listener's name, or `admin`.
        what: String,
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// Files that must load did not.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Files(Vec<FileError>),
    /// A worker thread could not be started.
    #[error("a worker could not start: {0}")]
    Worker(std::io::Error),
    /// The audit record can't be opened.
    #[error("{0}")]
    Audit(String),
    /// The system gives no random bits.
    #[error("the system gave no random bits")]
    NoEntropy,
    /// Two metrics have one name.
    #[error("metrics: {0}")]
    Metrics(String),
}

/// A running proxy.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    addresses: Vec<SocketAddr>,
    admin: SocketAddr,
    reread: watch::Sender<()>,
    workers: Vec<std::thread::JoinHandle<()>>,
    ended: mpsc::Receiver<()>,
    tasks: Vec<JoinHandle<()>>,
}

/// Starts a proxy on the current runtime and on threads of its own. When this returns it listens on every address.
///
/// # Errors
/// [`StartError`]. A policy that does not load is none: the proxy starts, is not ready, and refuses every call.
pub async fn start(settings: config::Proxy) -> Result<Running, StartError> {
    let metrics = Arc::new(Metrics::new().map_err(|error| StartError::Metrics(error.to_string()))?);
    for warning in settings.warnings() {
        tracing::warn!(%warning, "the settings are good, and probably not what is meant");
    }
    let issuers = Issuers::new(&settings, &metrics);
    let beginning = begin(&settings, &metrics)?;
    let polling = polling(&settings, &metrics)?;
    let in_force = files::load_first(&settings, &issuers, &metrics, &kept(&beginning, &polling))
        .map_err(StartError::Files)?;
    let count = worker_count(&settings);
    let (admin_listener, admin) = admin_socket(settings.admin).await?;
    let sockets = sockets(&settings, count)?;
    let (link, following) = ends(beginning);
    let (approvals, handing_out) = Approvals::over(link, &metrics);
    let endpoints: Vec<_> =
        settings.backends.iter().map(|one| Endpoints::new(one, &settings.limits, &metrics)).collect();
    let limit = Duration::from_secs(settings.limits.connect_timeout_seconds.into());
    upstream::look_up_first(&endpoints, limit).await;
    let shared = Arc::new(Shared {
        audit_total: Arc::new(Total::new(settings.limits.max_audit_bytes)),
        buffered_bodies: Arc::new(Buffered::new(settings.limits.max_buffered_body_bytes)),
        buffered_responses: Arc::new(Buffered::new(settings.limits.max_buffered_response_bytes)),
        calls: Arc::default(),
        tool_calls: KeyedCount::new(settings.limits.max_calls_per_tool),
        rates: Rates::new(&settings.rates, settings.backends.len(), &metrics),
        definitions: Definitions::new(&settings.limits),
        discovery: Discovery::new(&settings, approvals.to_control()),
        in_force: ArcSwap::from_pointee(in_force),
        phase: watch::Sender::new(Phase::Run),
        changes: watch::Sender::new(0),
        candidate_samples: Samples::default(),
        announced: Announced::new(settings.backends.len()),
        websockets: Arc::default(),
        batch_sessions: BatchSessions::new(&settings.limits, &metrics),
        listings: Listings::new(settings.backends.len()),
        http_sse: Arc::new(HttpSse::new(&settings.limits, &metrics)),
        issuers,
        approvals,
        bundle: polling.as_ref().map(|polling| Arc::clone(&polling.status)),
        sync: following.as_ref().map(|(beginning, _)| Arc::clone(&beginning.status)),
        endpoints,
        sessions: Sessions::new(&settings.limits, &metrics),
        client_limits: Arc::new(client_limits(&settings.limits, &metrics)),
        metrics,
        settings,
    });
    let spools = (0..count).map(|worker| spool(&shared, worker)).collect::<Result<Vec<_>, _>>()?;
    let (reread, asked) = watch::channel(());
    let mut tasks = vec![
        tokio::spawn(admin::serve(Arc::clone(&shared), admin_listener)),
        tokio::spawn(files::watch(Arc::clone(&shared), asked)),
        tokio::spawn(policy_age::watch(Arc::clone(&shared))),
    ];
    tasks.extend(handing_out);
    tasks.extend(shared.issuers.keep(&shared));
    tasks.extend(polling.map(|polling| tokio::spawn(polling.poll(Arc::clone(&shared)))));
    tasks.extend(following.map(|(beginning, control_end)| {
        shared.approvals.link_lost();
        tokio::spawn(beginning.follow(Arc::clone(&shared), control_end))
    }));
    let (running, ended) = mpsc::channel(1);
    let places = Arc::new(places(&shared));
    let addresses = sockets.iter().map(|(address, _)| *address).collect();
    let mut workers = start_workers(&shared, &places, (sockets, spools), &running)?;
    workers.push(upstream::start_watching(Arc::clone(&shared)).map_err(StartError::Worker)?);
    Ok(Running { shared, addresses, admin, reread, workers, ended, tasks })
}

/// What a client connection may take up.
fn client_limits(limits: &config::Limits, metrics: &Metrics) -> edge::Limits {
    let bytes = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
    let seconds = |limit: u32| Duration::from_secs(limit.into());
    edge::Limits {
        head: protocol::http1::Limits {
            max_head_bytes: bytes(limits.max_header_bytes),
            max_headers: bytes(limits.max_headers),
            max_target_bytes: bytes(limits.max_target_bytes),
        },
        header_timeout: seconds(limits.header_timeout_seconds),
        keep_alive: seconds(limits.keep_alive_seconds),
        write_timeout: seconds(limits.write_timeout_seconds),
        linger_bytes: DISCARD_MAX_BYTES,
        reached: metrics.limits_reached.clone(),
    }
}

/// What is on the disk of a control plane, if one is followed.
fn begin(settings: &config::Proxy, metrics: &Metrics) -> Result<Option<Beginning>, StartError> {
    let link = settings.control_plane.as_ref();
    let beginning = link.map(|link| Beginning::read(settings, link, metrics)).transpose();
    beginning.map_err(|error| match error {
        CanNotFollow::File(error) => StartError::Files(vec![error]),
        CanNotFollow::NoEntropy => StartError::NoEntropy,
    })
}

/// What is on the disk of a policy bundle, if the policy comes in one.
fn polling(settings: &config::Proxy, metrics: &Metrics) -> Result<Option<Poller>, StartError> {
    let polling = settings.bundle.as_ref().map(|bundle| Poller::read(settings, bundle, metrics));
    polling.transpose().map_err(|error| StartError::Files(vec![error]))
}

/// What was on the disk.
fn kept(beginning: &Option<Beginning>, polling: &Option<Poller>) -> Vec<Part> {
    let of_link = beginning.iter().flat_map(|beginning| &beginning.parts);
    of_link.chain(polling.iter().flat_map(|polling| &polling.part)).cloned().collect()
}

/// The proxy's end of its link, and what the other end is for, if there is a control plane.
fn ends(beginning: Option<Beginning>) -> (Option<ProxyEnd>, Option<(Beginning, ControlEnd)>) {
    let Some(beginning) = beginning else { return (None, None) };
    let (proxy_end, control_end) = policy_sync::link(LINK_MESSAGES);
    (Some(proxy_end), Some((beginning, control_end)))
}

async fn admin_socket(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let wrong = |source| StartError::Bind { what: "admin".to_owned(), address, source };
    let listener = admin::bind(address).await.map_err(wrong)?;
    let bound = listener.local_addr().map_err(wrong)?;
    Ok((listener, bound))
}

/// As many places for connections as the settings and the system give.
fn places(shared: &Shared) -> Places {
    let max_connections = shared.settings.limits.max_connections;
    let files = open_files::raise_limit(max_connections);
    shared.metrics.connections.open_files_limit.set(files.try_into().unwrap_or(i64::MAX));
    Places::new(
        open_files::connections(max_connections, files),
        shared.settings.limits.max_connections_per_address,
    )
}

/// Starts a thread for each worker, with a socket of each listener.
fn start_workers(
    shared: &Arc<Shared>,
    places: &Arc<Places>,
    (sockets, spools): (Vec<Sockets>, Vec<Spool>),
    running: &mpsc::Sender<()>,
) -> Result<Vec<std::thread::JoinHandle<()>>, StartError> {
    let mut per_worker: Vec<Vec<(usize, SocketAddr, std::net::TcpListener)>> =
        spools.iter().map(|_| Vec::new()).collect();
    for (place, (address, sockets)) in sockets.into_iter().enumerate() {
        for (listeners, socket) in per_worker.iter_mut().zip(sockets) {
            listeners.push((place, address, socket));
        }
    }
    let mut workers = Vec::with_capacity(spools.len() + 1);
    for (number, (listeners, spool)) in per_worker.into_iter().zip(spools).enumerate() {
        let (shared, places, running) = (Arc::clone(shared), Arc::clone(places), running.clone());
        let thread = std::thread::Builder::new().name(format!("worker-{number}"));
        let body = move || carry(shared, spool, listeners, places, running);
        workers.push(thread.spawn(body).map_err(StartError::Worker)?);
    }
    Ok(workers)
}

type Sockets = (SocketAddr, Vec<std::net::TcpListener>);

/// One socket per listener and worker. With port 0 the system chooses a port once, for all workers.
fn sockets(settings: &config::Proxy, workers: usize) -> Result<Vec<Sockets>, StartError> {
    let sockets_of = |listener: &config::Listener| -> std::io::Result<Sockets> {
        if listener.address.port() != 0 {
            // Another proxy's sockets would let ours in beside them, and take half of the calls.
            drop(std::net::TcpListener::bind(listener.address)?);
        }
        let first = listen::bind(listener.address)?;
        let address = first.local_addr()?;
        let mut sockets = vec![first];
        for _ in 1..workers {
            sockets.push(listen::bind(address)?);
        }
        Ok((address, sockets))
    };
    let listeners = settings.listeners.iter();
    listeners
        .map(|listener| {
            sockets_of(listener).map_err(|source| StartError::Bind {
                what: listener.name.clone(),
                address: listener.address,
                source,
            })
        })
        .collect()
}

fn worker_count(settings: &config::Proxy) -> usize {
    settings.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get))
}

fn spool(shared: &Shared, worker: usize) -> Result<Spool, StartError> {
    let settings = &shared.settings;
    let spool = Spool::open(
        &settings.audit.directory,
        (&settings.name, worker),
        settings.audit.on_full,
        Arc::clone(&shared.audit_total),
        Arc::clone(&shared.metrics),
    );
    spool.map_err(|error: SpoolError| StartError::Audit(error.to_string()))
}

/// The body of a worker's thread. It ends when the proxy stops, or drains and has nothing left.
fn carry(
    shared: Arc<Shared>,
    spool: Spool,
    listeners: Vec<(usize, SocketAddr, std::net::TcpListener)>,
    places: Arc<Places>,
    running: mpsc::Sender<()>,
) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "a worker could not start");
            return;
        }
    };
    runtime.block_on(async move {
        let mut phase = shared.phase.subscribe();
        let worker = Rc::new(Worker::new(Arc::clone(&shared), spool));
        tokio::task::spawn_local(Rc::clone(&worker).sweep());
        for (place, address, socket) in listeners {
            let Some(settings) = shared.settings.listeners.get(place) else { continue };
            let listening = Rc::new(Listening::new((place, settings), address, &shared));
            match TcpListener::from_std(socket) {
                Ok(socket) => {
                    tokio::task::spawn_local(listen::accept(
                        Rc::clone(&worker),
                        listening,
                        socket,
                        Arc::clone(&places),
                    ));
                }
                Err(error) => tracing::error!(%error, listener = settings.name, "a socket could not be used"),
            }
        }
        // The sender lives as long as the proxy.
        let _gone = phase.wait_for(|phase| *phase >= Phase::Stop).await;
        worker.spool.close();
    });
    drop(runtime);
    drop(running);
}

impl Running {
    /// Each listener, and where it listens: with port 0 the settings don't say.
    pub fn listeners(&self) -> impl Iterator<Item = (&config::Listener, SocketAddr)> {
        self.shared.settings.listeners.iter().zip(self.addresses.iter().copied())
    }

    /// The admin address.
    #[must_use]
    pub const fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Returns once the proxy is linked to its control plane: at once if it has none.
    pub async fn linked(&self) {
        self.shared.approvals.linked().await;
    }

    /// Returns once calls can be decided: `/readyz` says so from then on.
    pub async fn ready(&self) {
        while !self.shared.lacks().is_empty() {
            tokio::time::sleep(READY_INTERVAL).await;
        }
    }

    /// Reads the watched files again, now.
    pub fn reread(&self) {
        self.reread.send_replace(());
    }

    /// Stops: says "not ready" for a while, then takes no new calls, lets those under way finish, tells held ones to
    /// repeat, and writes what is left of the record.
    pub async fn stop(mut self) {
        let drain = self.shared.settings.drain;
        self.shared.phase.send_replace(Phase::Announce);
        tracing::info!(
            announce_seconds = drain.announce_seconds,
            "stopping: not ready any more, still taking calls"
        );
        tokio::time::sleep(Duration::from_secs(drain.announce_seconds)).await;
        self.shared.phase.send_replace(Phase::Drain);
        let left = async {
            while self.shared.metrics.connections.now.get() > 0 {
                tokio::time::sleep(LEFT_INTERVAL).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(drain.limit_seconds), left).await.is_err() {
            tracing::warn!(
                connections = self.shared.metrics.connections.now.get(),
                "calls under way are cut"
            );
        }
        self.shared.phase.send_replace(Phase::Stop);
        // Every worker holds a sender: this is over when the last has ended.
        while self.ended.recv().await.is_some() {}
        for worker in self.workers {
            if worker.join().is_err() {
                tracing::error!("a worker ended in an unforeseen way");
            }
        }
        for task in self.tasks {
            task.abort();
            // What it holds, such as the lock of a folder, is given up when this returns.
            let _aborted = task.await;
        }
        tracing::info!("stopped");
    }
}
