//! Calls that were decided and recorded, decided again by two policies: those that were asked about through the API, and
//! those of proxies that waited for people.
//!
//! No arguments are kept of the former, and masked ones of the latter; so whatever depends on them is not said.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use policy::diff::Comparison;
use policy::replay::{RecordedCall, RecordedCaller, RecordedDefinition, Replayed};
use policy::{Call, Caller, CallerKind, Definition, Snapshot, UnixMillis, Unread, Verdict};
use serde::Deserialize;

use crate::store::{ActivityFilter, Approval, Filter, KeptActivity, Store, StoreError};

/// What is recorded of a call that was checked.
pub(crate) const CHECKED: &str = "permission.check";

/// What is recorded of a call whose grant was asked for.
pub(crate) const MINTED: &str = "token.mint";

/// How long calls are decided again for one request.
const REPLAY_MAX: Duration = Duration::from_secs(5);

/// What a candidate for the policy would change.
#[derive(Debug)]
pub(crate) struct Difference {
    pub(crate) comparison: Comparison,
    pub(crate) replay: Replay,
}

/// What a candidate would make of recorded calls, newest first.
#[derive(Debug)]
pub(crate) struct Replay {
    pub(crate) calls: Vec<(Recorded, Replayed)>,
    /// There was time for all of them.
    pub(crate) is_complete: bool,
}

/// A recorded call.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) at: UnixMillis,
    pub(crate) tool: String,
    pub(crate) tenant: Option<String>,
    pub(crate) resource: Option<String>,
    pub(crate) method: Option<String>,
    backend: String,
    caller: Caller,
    caller_known: RecordedCaller,
    definition: RecordedDefinition,
    /// Of a call that this control plane decided.
    found: Option<Found>,
}

/// The verdict on a recorded call.
#[derive(Debug)]
struct Found {
    permission: Option<String>,
    details: Details,
}

/// What the record of a check says of its call and verdict.
#[derive(Debug, Deserialize)]
struct Details {
    backend: String,
    resource: Option<String>,
    method: Option<String>,
    level: String,
    rule: Option<String>,
    #[serde(default)]
    clamped: bool,
    #[serde(default)]
    faults: Vec<String>,
    policy: u64,
}

/// The newest recorded calls of an organisation, newest first.
pub(super) async fn newest(store: &Store, org: &str, max: u32) -> Result<Vec<Recorded>, StoreError> {
    let mut recorded = Vec::new();
    if max == 0 {
        return Ok(recorded);
    }
    for action in [CHECKED, MINTED] {
        let filter = ActivityFilter {
            org: org.to_owned(),
            action: Some(action.to_owned()),
            limit: max,
            ..ActivityFilter::default()
        };
        let page = store.activity_page(&filter).await?;
        for kept in page.items {
            recorded.push(Recorded::checked(kept)?);
        }
    }
    let held = Filter { org: org.to_owned(), state: None, before: None, limit: max };
    recorded.extend(store.approvals(&held).await?.into_iter().map(Recorded::held));
    recorded.sort_by_key(|call| Reverse(call.at));
    recorded.truncate(usize::try_from(max).unwrap_or(usize::MAX));
    Ok(recorded)
}

/// Decides calls by both policies.
pub(super) fn replay(old: &Snapshot, new: &Snapshot, recorded: Vec<Recorded>) -> Replay {
    replay_until(Instant::now() + REPLAY_MAX, old, new, recorded)
}

fn replay_until(end: Instant, old: &Snapshot, new: &Snapshot, recorded: Vec<Recorded>) -> Replay {
    let count = recorded.len();
    let in_time = recorded.into_iter().take_while(|_| Instant::now() < end);
    let calls: Vec<_> = in_time
        .map(|call| {
            let replayed = policy::replay::replay(old, new, &call.call(), |verdict| call.is_found(verdict));
            (call, replayed)
        })
        .collect();
    Replay { is_complete: calls.len() == count, calls }
}

impl Recorded {
    fn checked(kept: KeptActivity) -> Result<Self, StoreError> {
        let damaged = || StoreError::damaged("activity", "details");
        let details: Details =
            serde_json::from_str(kept.details.as_deref().ok_or_else(damaged)?).map_err(|_| damaged())?;
        let kind = match kept.actor_kind.as_str() {
            "agent" => CallerKind::Agent,
            "standard" => CallerKind::Standard,
            _ => return Err(damaged()),
        };
        Ok(Self {
            at: kept.at,
            tool: kept.object,
            tenant: kept.tenant,
            resource: details.resource.clone(),
            method: details.method.clone(),
            backend: details.backend.clone(),
            // Whoever holds a key has no claims.
            caller: Caller { id: kept.actor, kind, claims: serde_json::Map::new() },
            caller_known: RecordedCaller::Whole,
            definition: RecordedDefinition::NotAsked,
            found: Some(Found { permission: kept.permission, details }),
        })
    }

    fn held(approval: Approval) -> Self {
        let definition = if approval.definition_changed {
            RecordedDefinition::Changed
        } else {
            RecordedDefinition::Accepted
        };
        let caller =
            Caller { id: approval.caller, kind: CallerKind::Anonymous, claims: serde_json::Map::new() };
        Self {
            at: approval.created_at,
            tool: approval.tool,
            tenant: approval.tenant,
            resource: approval.resource,
            method: approval.method,
            backend: approval.backend,
            caller,
            caller_known: RecordedCaller::Id,
            definition,
            // A proxy counts the revisions of its policy by itself.
            found: None,
        }
    }

    fn call(&self) -> RecordedCall<'_> {
        let call = Call {
            backend: &self.backend,
            tool: &self.tool,
            tenant: self.tenant.as_deref(),
            resource: self.resource.as_deref(),
            method: self.method.as_deref(),
            arguments: "{}",
            unread: Unread::Nothing,
            caller: &self.caller,
            reasoning: None,
            definition: Definition::Accepted,
        };
        RecordedCall { call, at: self.at, caller: self.caller_known, definition: self.definition }
    }

    /// Whether it is the very verdict that was recorded.
    fn is_found(&self, verdict: &Verdict) -> bool {
        self.found.as_ref().is_some_and(|Found { permission, details }| {
            details.policy == verdict.revision
                && permission.as_deref() == Some(verdict.permission.as_str())
                && details.level == verdict.level.as_str()
                && details.rule.as_deref() == verdict.rule.as_deref()
                && details.clamped == verdict.clamped
                && details.faults.iter().map(String::as_str).eq(verdict.faults.iter().map(AsRef::as_ref))
        })
    }
}
