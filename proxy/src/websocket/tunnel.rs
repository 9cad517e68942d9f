//! An open WebSocket: bytes both ways until one end leaves, nothing moves for long, the proxy drains, or the call that
//! opened it would no longer be let through.

use std::cell::Cell;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use policy::{Call, Decision, decide};
use prometheus::IntCounter;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::Standing;
use crate::audit::{Outcome, Record};
use crate::caller::Identity;
use crate::clock;
use crate::connection::{ConnectionPlace, Peer};
use crate::metrics::Gauged;
use crate::policy_age;
use crate::state::{Counted, Phase};
use crate::upstream::Lease;
use crate::worker::Worker;

/// How often it is asked whether a WebSocket may stay open: a key that is taken away ends its sockets within this.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long both ends may take from the answer to the first byte that can pass.
const SWITCH_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one end may still send after the other has ended.
const LINGER: Duration = Duration::from_secs(2);
/// Bytes that are read at a time, in each direction.
const BUFFER_BYTES: usize = 16 * 1024;

/// A WebSocket, with everything that is held for as long as it is open.
#[derive(Debug)]
pub(super) struct Tunnel {
    pub(super) worker: Rc<Worker>,
    pub(super) backend_place: usize,
    pub(super) identity: Arc<Identity>,
    pub(super) peer: Arc<Peer>,
    pub(super) standing: Standing,
    pub(super) record: Record,
    pub(super) _place: Counted,
    /// It counts among the backend's calls.
    pub(super) _lease: Lease,
    pub(super) _connection: Option<Arc<ConnectionPlace>>,
}

/// How a WebSocket ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// One end broke off.
    Broken,
    /// One end closed it.
    Closed,
    /// The proxy is stopping.
    Draining,
    /// Nothing moved for too long.
    Idle,
    /// The call that opened it would not be let through any more.
    Revoked,
}

impl Ended {
    const fn name(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Closed => "closed",
            Self::Draining => "draining",
            Self::Idle => "idle",
            Self::Revoked => "revoked",
        }
    }
}

impl Tunnel {
    /// Carries bytes until it ends; then both connections are closed, and the call's outcome is known.
    pub(super) async fn carry(mut self, caller: OnUpgrade, backend: OnUpgrade) {
        let switching = async { tokio::try_join!(caller, backend) };
        let ended = match timeout(SWITCH_TIMEOUT, switching).await {
            Ok(Ok((caller, backend))) => self.pass(caller, backend).await,
            // The caller left before its answer was through.
            Ok(Err(_)) | Err(_) => Ended::Broken,
        };
        self.worker.shared.metrics.websockets.ended.with_label_values(&[ended.name()]).inc();
        if ended == Ended::Closed {
            self.record.outcome(Outcome::Success, Some(http::StatusCode::SWITCHING_PROTOCOLS.as_u16()));
        }
    }

    async fn pass(&self, caller: Upgraded, backend: Upgraded) -> Ended {
        let shared = &self.worker.shared;
        let metrics = &shared.metrics.websockets;
        let _open = Gauged::new(&metrics.now);
        let moved = Cell::new(Instant::now());
        let (from_caller, to_caller) = split(TokioIo::new(caller));
        let (from_backend, to_backend) = split(TokioIo::new(backend));
        let mut up = pin!(pump(from_caller, to_backend, &moved, &metrics.bytes_to_backend));
        let mut down = pin!(pump(from_backend, to_caller, &moved, &metrics.bytes_to_caller));
        let idle = Duration::from_secs(shared.settings.limits.websocket_idle_seconds.into());
        let mut look = interval(LOOK_INTERVAL);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut phase = shared.phase.subscribe();
        loop {
            tokio::select! {
                first = up.as_mut() => return Ended::of(first, timeout(LINGER, down).await),
                first = down.as_mut() => return Ended::of(first, timeout(LINGER, up).await),
                _draining = phase.wait_for(|phase| *phase >= Phase::Drain) => return Ended::Draining,
                _tick = look.tick() => {
                    if moved.get().elapsed() >= idle {
                        return Ended::Idle;
                    }
                    if let Err(reason) = self.may_stay() {
                        tracing::info!(reason, caller = self.identity.caller.id, "a WebSocket is ended");
                        return Ended::Revoked;
                    }
                }
            }
        }
    }

    /// Whether the call that opened it would be let through now, by the same caller.
    fn may_stay(&self) -> Result<(), &'static str> {
        let shared = &self.worker.shared;
        let in_force = shared.in_force.load();
        let identity = in_force.identities.again(&self.identity, &self.peer, &in_force.tls, clock::now());
        let identity = identity.map_err(|refusal| refusal.name())?;
        let policy = in_force.policy.as_ref().ok_or("no-policy")?;
        let backend = shared.settings.backends.get(self.backend_place).ok_or("no-backend")?;
        let standing = &self.standing;
        let call = Call {
            backend: &backend.name,
            tool: &standing.tool,
            tenant: standing.tenant.as_deref(),
            resource: standing.resource.as_deref(),
            method: standing.method.as_deref(),
            arguments: &standing.arguments,
            unread: policy::Unread::Nothing,
            caller: &identity.caller,
            reasoning: None,
            definition: policy::Definition::Accepted,
        };
        let now = clock::now();
        let decision = decide(&policy.snapshot, &call, None, now);
        policy_age::check(&shared.settings.max_policy_age, policy, (&call, &decision), now)
            .map_err(|refusal| refusal.name())?;
        match decision {
            Decision::Allow(_) => Ok(()),
            Decision::Hold(_) if standing.is_approved => Ok(()),
            Decision::Hold(_) => Err("needs-approval"),
            Decision::Deny(_) => Err("denied"),
        }
    }
}

impl Ended {
    /// From how one direction ended, and then the other, if it did in time.
    fn of(first: io::Result<()>, second: Result<io::Result<()>, tokio::time::error::Elapsed>) -> Self {
        match (first, second) {
            (Ok(()), Ok(Ok(())) | Err(_)) => Self::Closed,
            (Err(_), _) | (_, Ok(Err(_))) => Self::Broken,
        }
    }
}

/// Passes bytes one way until that way ends, and lets the other end know.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    moved: &Cell<Instant>,
    count: &IntCounter,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let length = from.read(&mut buffer).await?;
        let read = buffer.get(..length).unwrap_or_default();
        if read.is_empty() {
            return to.shutdown().await;
        }
        moved.set(Instant::now());
        to.write_all(read).await?;
        to.flush().await?;
        moved.set(Instant::now());
        count.inc_by(length.try_into().unwrap_or(u64::MAX));
    }
}
