//! Tools that proxies have seen and no policy lists: each becomes a draft, for somebody to accept or reject.
//!
//! A draft is no part of the policy, and no verdict depends on it. So when there are too many, or the store fails, nothing
//! happens but that a metric says so.

mod clean;

#[cfg(test)]
mod tests;

use policy::UnixMillis;
use policy_sync::{Discovered, SeenIn, SeenTool, TOOL_NAME_BYTES_MAX};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::clock;
use crate::link::Peer;
use crate::metrics::Metrics;
use crate::store::{DraftLimits, Placed, Seen, SeenDraft, Store};

/// Drafts that are stored of one org.
const LIMITS: DraftLimits = DraftLimits { per_hour: 50, in_all: 500 };

/// Messages that wait for the store.
const QUEUED_MAX: usize = 64;

/// Most tools of one message that are looked at.
const TOOLS_MAX: usize = 64;

/// The way to the store for what proxies have seen. Approvals never wait for it.
#[derive(Clone, Debug)]
pub(crate) struct Discovery {
    queue: mpsc::Sender<Discovered>,
    metrics: Metrics,
}

/// Starts to store what is seen. It ends when every [`Discovery`] is gone and the queue is empty.
pub(crate) fn start(store: Store, metrics: Metrics) -> (Discovery, JoinHandle<()>) {
    let (queue, mut queued) = mpsc::channel::<Discovered>(QUEUED_MAX);
    let discovery = Discovery { queue, metrics: metrics.clone() };
    let task = tokio::spawn(async move {
        while let Some(discovered) = queued.recv().await {
            keep(&store, &metrics, LIMITS, &discovered, clock::now()).await;
        }
    });
    (discovery, task)
}

impl Discovery {
    /// Takes what a proxy has seen, without waiting. What has no room is seen again later.
    pub(crate) fn take(&self, peer: &Peer, discovered: Discovered) {
        let Discovered { org, proxy, tools, .. } = &discovered;
        if !peer.is(org, proxy) {
            tracing::warn!(?peer, org, proxy, "a proxy told of tools that are not its own");
            return self.metrics.drafts_refused("foreign", tools.len());
        }
        if let Err(refused) = self.queue.try_send(discovered) {
            self.metrics.drafts_refused("queue_full", refused.into_inner().tools.len());
        }
    }
}

/// Stores what is new of what a proxy has seen.
async fn keep(
    store: &Store,
    metrics: &Metrics,
    limits: DraftLimits,
    discovered: &Discovered,
    now: UnixMillis,
) {
    let Discovered { proxy, org, backend, tools } = discovered;
    let surplus = tools.len().saturating_sub(TOOLS_MAX);
    metrics.drafts_refused("too_many_at_once", surplus);
    let drafts: Vec<_> = tools.iter().take(TOOLS_MAX).filter_map(draft).collect();
    metrics.drafts_refused("bad_name", tools.len() - surplus - drafts.len());
    let is_good = |name: &str| !name.is_empty() && name.len() <= TOOL_NAME_BYTES_MAX && !name.contains('\0');
    if drafts.is_empty() || ![proxy, org, backend].into_iter().all(|name| is_good(name)) {
        return;
    }
    let seen = Seen { org, proxy, backend, drafts: &drafts };
    let placed = match store.store_drafts(&seen, limits, now).await {
        Ok(placed) => placed,
        Err(error) => {
            tracing::error!(%error, org, "drafts could not be stored");
            return metrics.drafts_refused("store_failed", drafts.len());
        }
    };
    for (draft, placed) in drafts.iter().zip(placed) {
        match placed {
            Placed::Stored => {
                metrics.draft_stored();
                tracing::info!(org, backend, tool = draft.name, "a tool that nobody has accepted was seen");
            }
            Placed::Known | Placed::Listed => {}
            Placed::NoOrg => metrics.drafts_refused("unknown_org", 1),
            Placed::HourFull => metrics.drafts_refused("hour_full", 1),
            Placed::OrgFull => metrics.drafts_refused("org_full", 1),
        }
    }
}

/// What is kept of a tool; `None` if no policy could list it by its name.
fn draft(tool: &SeenTool) -> Option<SeenDraft> {
    if tool.name.is_empty()
        || tool.name.len() > TOOL_NAME_BYTES_MAX
        || tool.name.chars().any(char::is_control)
    {
        return None;
    }
    Some(SeenDraft {
        name: tool.name.clone(),
        seen_in: match tool.seen {
            SeenIn::List => "list",
            SeenIn::Call => "call",
        },
        description: tool.description.as_deref().map(clean::text),
        annotations: tool.annotations.as_ref().and_then(|hints| serde_json::to_string(hints).ok()),
        input_schema: tool.input_schema.as_deref().and_then(clean::json),
        definition_sha256: tool.definition_sha256.clone().filter(|sha256| clean::is_sha256(sha256)),
    })
}
