//! Deciding, consuming and listing approvals.

use policy::UnixMillis;
use policy::approval::{Approver, Event, Reference};
use serde_json::json;
use sqlx::Row;

use super::edit::insert_record;
use super::row::{Decision, Position};
use super::settle::{Change, Writing};
use super::{Approval, Record, Settled, Store, StoreError, sql_integer};
use crate::actor::Actor;

/// A person's decision, to be recorded.
#[derive(Clone, Debug)]
pub(crate) struct NewDecision {
    pub(crate) org: String,
    pub(crate) reference: Reference,
    pub(crate) by: Approver,
    pub(crate) answer: Answer,
    pub(crate) note: Option<String>,
    pub(crate) origin: String,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Approve,
    Deny,
}

/// Which approvals are listed.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) org: String,
    /// A state's word.
    pub(crate) state: Option<&'static str>,
    /// Only older ones than this.
    pub(crate) before: Option<Position>,
    pub(crate) limit: u32,
}

/// How many approvals are alive, and since when the oldest waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) pending: u64,
    pub(crate) approved: u64,
    pub(crate) oldest_pending_at: Option<UnixMillis>,
}

impl Answer {
    /// The word used on the wire and in records.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Deny => "deny",
        }
    }
}

impl Store {
    /// Records a person's decision, if it is possible.
    pub(crate) async fn decide(
        &self,
        decision: &NewDecision,
        use_within_seconds: u64,
        now: UnixMillis,
    ) -> Result<Settled<Change>, StoreError> {
        let mut writing = self.begin(now).await?;
        let before = writing.approval(&decision.reference).await?;
        let Some(before) = before.filter(|approval| approval.org == decision.org) else {
            return writing.commit(Change::Unknown).await;
        };
        let event = match decision.answer {
            Answer::Approve => Event::Approve { by: &decision.by },
            Answer::Deny => Event::Deny { by: &decision.by },
        };
        let mut change = writing.apply(&decision.reference, event, use_within_seconds).await?;
        if let Change::Done(approval) = &mut change {
            let level = before.level().unwrap_or(1);
            writing.record(decision, level).await?;
            let actor = Actor::person(&decision.org, &decision.by.id);
            let record = Record {
                details: Some(json!({"decision": decision.answer.as_str(), "level": level})),
                ..Record::of("approval.decide", decision.reference.as_str())
            };
            insert_record(&mut writing.transaction, &actor, &decision.origin, &record, now).await?;
            approval.note.clone_from(&decision.note);
        }
        writing.commit(change).await
    }

    /// Takes a pending approval back.
    pub(crate) async fn withdraw(
        &self,
        reference: &Reference,
        now: UnixMillis,
    ) -> Result<Settled<Change>, StoreError> {
        let mut writing = self.begin(now).await?;
        let change = writing.apply(reference, Event::Withdraw, 0).await?;
        writing.commit(change).await
    }

    /// Notes that a held call was told of a denial.
    pub(crate) async fn denial_was_heard(&self, reference: &Reference) -> Result<(), StoreError> {
        sqlx::query("UPDATE approvals SET denial_heard = 1 WHERE reference = $1 AND state = 'denied'")
            .bind(reference.as_str())
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Notes that the held call had left before it heard of a denial.
    pub(crate) async fn denial_was_missed(&self, reference: &Reference) -> Result<(), StoreError> {
        sqlx::query("UPDATE approvals SET denial_heard = 0 WHERE reference = $1 AND state = 'denied'")
            .bind(reference.as_str())
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// One approval of an org, with the decisions on it.
    pub(crate) async fn approval(
        &self,
        org: &str,
        reference: &Reference,
    ) -> Result<Option<(Approval, Vec<Decision>)>, StoreError> {
        let row = sqlx::query("SELECT * FROM approvals WHERE reference = $1 AND org = $2")
            .bind(reference.as_str())
            .bind(org)
            .fetch_optional(&self.readers)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let decisions = sqlx::query("SELECT * FROM decisions WHERE reference = $1 ORDER BY level")
            .bind(reference.as_str())
            .fetch_all(&self.readers)
            .await?;
        let decisions = decisions.iter().map(Decision::read).collect::<Result<_, _>>()?;
        Ok(Some((Approval::read(&row)?, decisions)))
    }

    /// Approvals of an org, newest first.
    pub(crate) async fn approvals(&self, filter: &Filter) -> Result<Vec<Approval>, StoreError> {
        let (created_at, reference) = match &filter.before {
            Some(position) => (sql_integer(position.created_at.0), position.reference.as_str()),
            None => (i64::MAX, ""),
        };
        let sql = match filter.state {
            Some(_) => {
                "SELECT * FROM approvals WHERE org = $1 AND (created_at_unix_ms, reference) < ($2, $3) AND state = $5 \
                 ORDER BY created_at_unix_ms DESC, reference DESC LIMIT $4"
            }
            None => {
                "SELECT * FROM approvals WHERE org = $1 AND (created_at_unix_ms, reference) < ($2, $3) \
                 ORDER BY created_at_unix_ms DESC, reference DESC LIMIT $4"
            }
        };
        let query =
            sqlx::query(sql).bind(&filter.org).bind(created_at).bind(reference).bind(i64::from(filter.limit));
        let query = match filter.state {
            Some(state) => query.bind(state),
            None => query,
        };
        let rows = query.fetch_all(&self.readers).await?;
        rows.iter().map(Approval::read).collect()
    }

    /// What is alive now, over all orgs.
    pub(crate) async fn live(&self) -> Result<Live, StoreError> {
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM approvals WHERE state = 'pending') AS pending, \
             (SELECT COUNT(*) FROM approvals WHERE state = 'approved') AS approved, \
             (SELECT MIN(created_at_unix_ms) FROM approvals WHERE state = 'pending') AS oldest",
        )
        .fetch_one(&self.readers)
        .await?;
        let number =
            |column| Ok::<_, StoreError>(row.try_get::<Option<i64>, _>(column)?.map(i64::unsigned_abs));
        Ok(Live {
            pending: number("pending")?.unwrap_or(0),
            approved: number("approved")?.unwrap_or(0),
            oldest_pending_at: number("oldest")?.map(UnixMillis),
        })
    }
}

impl Writing {
    async fn record(&mut self, decision: &NewDecision, level: u8) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO decisions (reference, level, person, decision, note, at_unix_ms, origin) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(decision.reference.as_str())
        .bind(i64::from(level))
        .bind(decision.by.id.as_str())
        .bind(decision.answer.as_str())
        .bind(&decision.note)
        .bind(sql_integer(self.now.0))
        .bind(&decision.origin)
        .execute(&mut *self.transaction)
        .await?;
        sqlx::query("UPDATE approvals SET note = $1 WHERE reference = $2")
            .bind(&decision.note)
            .bind(decision.reference.as_str())
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }
}
