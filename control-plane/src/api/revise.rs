//! How a write changes the policy: the same for the whole document, a piece of it, and what else changes it.

use axum::response::Response;
use serde_json::Map;

use super::write::{Done, Write, etag};
use super::{Api, Problem};
use crate::policies::{Expected, First, PolicyChange, Proposal, Wanted};
use crate::store::{Edit, Record, Why};

/// How often a change is tried on a policy that others change at the same time.
const TRIES_MAX: u32 = 8;

/// A new revision that is written and waits for the end of its transaction.
#[derive(Debug)]
pub(super) struct Revised {
    pub(super) revision: u64,
    pub(super) proposal: Proposal,
    /// Older ones for which there was no more room.
    pruned: u64,
    /// Others on this control plane wait until this one has ended.
    _guard: First,
}

impl Revised {
    /// Ends the write: from now on the revision is in force.
    pub(super) async fn commit(
        self,
        api: &Api,
        edit: Edit,
        done: Done,
        record: &Record,
    ) -> Result<Done, Problem> {
        let done = done.commit(edit, record).await?;
        api.policies.remember(&self.proposal);
        api.metrics.pruned_revisions(self.pruned);
        Ok(done)
    }

    /// Whether there is a new revision at all.
    pub(super) const fn has_changed(&self) -> bool {
        self.revision != self.proposal.base
    }

    /// The record of the change, with what there is to say of it.
    pub(super) fn record(&self, action: &'static str, object: &str, wanted: &Wanted) -> Record {
        let mut details = Map::new();
        details.insert("revision".to_owned(), self.revision.into());
        details.insert("changed".to_owned(), self.has_changed().into());
        if let Some(reason) = &wanted.reason {
            details.insert("reason".to_owned(), reason.as_str().into());
        }
        if let PolicyChange::Restore(revision) = wanted.change {
            details.insert("rolled_back_to".to_owned(), revision.into());
        }
        Record { details: Some(details.into()), ..Record::of(action, object) }
    }
}

/// Begins the write and makes the revision that is wanted of the key's organisation; or, if it was done before, gives
/// the answer it had then. The caller ends the write, by [`Revised::commit`].
pub(super) async fn revise(
    api: &Api,
    write: Write,
    wanted: &Wanted,
) -> Result<Result<(Edit, Revised), Response>, Problem> {
    if let Some(response) = write.repeated(api).await? {
        return Ok(Err(response));
    }
    let guard = api.policies.change_guard(&write.actor.org).await;
    for _ in 0..TRIES_MAX {
        let proposal = match api.policies.propose(&write.actor.org, wanted).await {
            Ok(proposal) => proposal,
            // The same request may have been done meanwhile, and this be what it left.
            Err(refused) => return write.repeated(api).await?.map(Err).ok_or_else(|| refused.into()),
        };
        let mut edit = match write.clone().begin(api).await? {
            Ok(edit) => edit,
            Err(repeated) => return Ok(Err(repeated)),
        };
        let rolled_back_to = match wanted.change {
            PolicyChange::Restore(revision) => Some(revision),
            _ => None,
        };
        let why = Why { reason: wanted.reason.as_deref(), rolled_back_to };
        if let Some(revision) = edit.write_revision(proposal.base, &proposal.plan, why).await? {
            let pruned = edit.prune_revisions(&api.history).await?;
            return Ok(Ok((edit, Revised { revision, proposal, pruned, _guard: guard })));
        }
    }
    Err(Problem::Busy)
}

/// What `If-Match` expects.
pub(super) fn expected(if_match: Option<&str>) -> Result<Expected, Problem> {
    let Some(tag) = if_match else { return Ok(Expected::Anything) };
    if tag == "*" {
        return Ok(Expected::Exists);
    }
    let number = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    // What this server never gave out matches nothing.
    number
        .and_then(|number| number.parse().ok())
        .filter(|&revision| tag == etag(revision))
        .map(Expected::Revision)
        .ok_or(Problem::VersionChanged)
}
