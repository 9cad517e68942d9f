//! One thread that carries traffic: its own loop, its own listening sockets, its own connections to backends.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use policy::Permission;
use prometheus::IntCounter;

use crate::audit::{Record, Spool};
use crate::entropy::{Entropy, NoEntropy};
use crate::state::Shared;
use crate::upstream::{Endpoints, Pool, PoolLimits, connector};

/// How often idle connections are looked through.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// What one worker owns. Never shared with another thread.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) spool: Rc<Spool>,
    /// In the order of the settings.
    pub(crate) backends: Vec<Backend>,
    entropy: Entropy,
}

/// A backend as one worker reaches it.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) pool: Rc<Pool>,
    pub(crate) transparent: IntCounter,
    pub(crate) hidden: IntCounter,
    calls: [IntCounter; 3],
}

/// A call's id: of its records, its receipt and its response.
#[derive(Debug)]
pub(crate) struct CallId {
    pub(crate) nonce: [u8; 16],
    pub(crate) text: String,
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, spool: Spool) -> Self {
        let limits = &shared.settings.limits;
        let pool_limits = PoolLimits {
            idle_max: usize::try_from(limits.max_idle_backend_connections).unwrap_or(usize::MAX),
            idle: Duration::from_secs(limits.backend_idle_seconds.into()),
            connect: Duration::from_secs(limits.connect_timeout_seconds.into()),
            response_idle: Duration::from_secs(limits.response_idle_seconds.into()),
        };
        let metrics = &shared.metrics;
        let backend = |(backend, endpoints): (&config::Backend, &Arc<Endpoints>)| {
            let kind = match backend.kind {
                config::BackendKind::Mcp { .. } => "mcp",
                config::BackendKind::Rest { .. } => "rest",
            };
            let calls =
                [Permission::Allowed, Permission::RequiresApproval, Permission::Disabled].map(|verdict| {
                    metrics.calls.with_label_values(&[backend.name.as_str(), kind, verdict.as_str()])
                });
            let connector = connector(limits, metrics, &backend.name);
            Backend {
                pool: Pool::new(pool_limits, connector, metrics, endpoints),
                transparent: metrics.transparent.with_label_values(&[&backend.name]),
                hidden: metrics.tools_hidden.with_label_values(&[&backend.name]),
                calls,
            }
        };
        let backends = shared.settings.backends.iter().zip(&shared.endpoints).map(backend).collect();
        Self { spool: Rc::new(spool), backends, entropy: Entropy::new(), shared }
    }

    /// A new call's id, and its record.
    pub(crate) fn begin(&self) -> Result<(CallId, Record), NoEntropy> {
        let id = self.token()?;
        let record = Record::of(Rc::clone(&self.spool), id.text.clone());
        Ok((id, record))
    }

    /// Closes idle connections that are of no use any more, for as long as the worker runs.
    pub(crate) async fn sweep(self: Rc<Self>) {
        loop {
            tokio::time::sleep(SWEEP_INTERVAL).await;
            self.backends.iter().for_each(|backend| backend.pool.sweep());
        }
    }

    /// 128 bits that nobody can guess.
    pub(crate) fn token(&self) -> Result<CallId, NoEntropy> {
        let nonce = self.entropy.nonce()?;
        Ok(CallId { nonce, text: URL_SAFE_NO_PAD.encode(nonce) })
    }
}

impl Backend {
    pub(crate) fn count(&self, verdict: Permission) {
        let [allowed, requires_approval, disabled] = &self.calls;
        match verdict {
            Permission::Allowed => allowed.inc(),
            Permission::RequiresApproval => requires_approval.inc(),
            Permission::Disabled => disabled.inc(),
        }
    }
}
