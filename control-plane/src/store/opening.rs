//! Opening an approval for a held call, or joining the one that the same call has already.

use policy::UnixMillis;
use policy::approval::{Reference, State, enough_people};
use policy_sync::{ApprovalRequest, Refusal};

use super::people::approvers;
use super::settle::Writing;
use super::{Approval, Settled, Store, StoreError, sql_integer};

/// A new approval, in case one is opened, and what may stand in its way.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) reference: Reference,
    pub(crate) expires_at: UnixMillis,
    /// Denials older than this are not repeated to a caller that comes back.
    pub(crate) denials_since: UnixMillis,
    pub(crate) pending_max: u64,
    pub(crate) pending_per_caller_max: u64,
}

/// What a held call's request led to.
#[derive(Debug)]
pub(crate) enum Opened {
    /// A new approval.
    New(Box<Approval>),
    /// The one that the same call has already: pending, approved, or denied without the caller having heard.
    Joined(Box<Approval>),
    /// None.
    Refused(Refusal),
}

impl Store {
    /// Opens an approval for a held call, or joins the one that the same call has already.
    pub(crate) async fn open_approval(
        &self,
        request: &ApprovalRequest,
        opening: &Opening,
        now: UnixMillis,
    ) -> Result<Settled<Opened>, StoreError> {
        let mut writing = self.begin(now).await?;
        if let Some(approval) = writing.found(request, opening.denials_since).await? {
            return writing.commit(Opened::Joined(Box::new(approval))).await;
        }
        if let Some(refusal) = writing.refusal(request, opening).await? {
            return writing.commit(Opened::Refused(refusal)).await;
        }
        writing.insert(request, opening).await?;
        let approval = writing.approval(&opening.reference).await?.ok_or(StoreError::Conflict)?;
        writing.commit(Opened::New(Box::new(approval))).await
    }
}

impl Writing {
    /// The approval that the same call has already. A denial counts while no held call was told of it: a caller
    /// that repeats after its hold ended must learn it.
    async fn found(
        &mut self,
        request: &ApprovalRequest,
        denials_since: UnixMillis,
    ) -> Result<Option<Approval>, StoreError> {
        let live = sqlx::query(
            "SELECT * FROM approvals WHERE org = $1 AND fingerprint = $2 AND state IN ('pending', 'approved')",
        )
        .bind(&request.org)
        .bind(request.fingerprint.to_string())
        .fetch_optional(&mut *self.transaction)
        .await?;
        if let Some(row) = live {
            return Approval::read(&row).map(Some);
        }
        let denied = sqlx::query(
            "SELECT * FROM approvals WHERE org = $1 AND fingerprint = $2 AND state = 'denied' \
             AND denial_heard = 0 AND decided_at_unix_ms > $3 ORDER BY decided_at_unix_ms DESC LIMIT 1",
        )
        .bind(&request.org)
        .bind(request.fingerprint.to_string())
        .bind(sql_integer(denials_since.0))
        .fetch_optional(&mut *self.transaction)
        .await?;
        denied.as_ref().map(Approval::read).transpose()
    }

    async fn refusal(
        &mut self,
        request: &ApprovalRequest,
        opening: &Opening,
    ) -> Result<Option<Refusal>, StoreError> {
        let people = approvers(&mut self.transaction, &request.org).await?;
        if !enough_people(&people, &request.caller, request.second_approval) {
            return Ok(Some(Refusal::NoApprover));
        }
        let pending: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM approvals WHERE state = 'pending'")
            .fetch_one(&mut *self.transaction)
            .await?;
        let of_caller: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM approvals WHERE state = 'pending' AND org = $1 AND caller = $2",
        )
        .bind(&request.org)
        .bind(&request.caller)
        .fetch_one(&mut *self.transaction)
        .await?;
        let too_many = pending >= sql_integer(opening.pending_max)
            || of_caller >= sql_integer(opening.pending_per_caller_max);
        Ok(too_many.then_some(Refusal::TooManyPending))
    }

    async fn insert(&mut self, request: &ApprovalRequest, opening: &Opening) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO approvals (reference, org, fingerprint, proxy, caller, backend, tool, tenant, resource, \
             method, arguments, reasoning, cascade_level, rule, reason, policy_revision, definition_changed, \
             second_approval, state, created_at_unix_ms, expires_at_unix_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)",
        )
        .bind(opening.reference.as_str())
        .bind(&request.org)
        .bind(request.fingerprint.to_string())
        .bind(&request.proxy)
        .bind(&request.caller)
        .bind(&request.backend)
        .bind(&request.tool)
        .bind(&request.tenant)
        .bind(&request.resource)
        .bind(&request.method)
        .bind(&request.arguments)
        .bind(&request.reasoning)
        .bind(&request.level)
        .bind(&request.rule)
        .bind(&request.reason)
        .bind(sql_integer(request.policy))
        .bind(i64::from(request.definition_changed))
        .bind(i64::from(request.second_approval))
        .bind(State::OPENED.as_str())
        .bind(sql_integer(self.now.0))
        .bind(sql_integer(opening.expires_at.0))
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }
}
