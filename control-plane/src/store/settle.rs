//! A transaction that writes: it begins by settling what is due.

use policy::UnixMillis;
use policy::approval::{Event, Level, Reference, Refused, State, apply};
use sqlx::{Any, Transaction};

use super::{Approval, Settled, Store, StoreError, sql_integer};

/// Rows of overdue approvals that are in memory at once.
const DUE_ROWS_MAX: i64 = 100;

/// An open transaction in which no approval is overdue at `now`.
pub(super) struct Writing {
    pub(super) transaction: Transaction<'static, Any>,
    pub(super) now: UnixMillis,
    ended: Vec<Ended>,
}

/// An approval that ended because its time was over.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) approval: Approval,
}

/// What an event did to an approval.
#[derive(Debug)]
pub(crate) enum Change {
    /// It is in a new state.
    Done(Box<Approval>),
    /// It stays as it is.
    Refused(Refused),
    /// There is no such approval.
    Unknown,
}

impl Store {
    /// Begins to write, and settles what is due.
    pub(super) async fn begin(&self, now: UnixMillis) -> Result<Writing, StoreError> {
        let transaction = self.transaction().await?;
        let mut writing = Writing { transaction, now, ended: Vec::new() };
        writing.settle().await?;
        Ok(writing)
    }

    /// Expires and lapses what is due.
    pub(crate) async fn settle(&self, now: UnixMillis) -> Result<Settled<()>, StoreError> {
        self.begin(now).await?.commit(()).await
    }
}

impl Writing {
    /// Makes everything durable.
    pub(super) async fn commit<T>(self, value: T) -> Result<Settled<T>, StoreError> {
        self.transaction.commit().await?;
        Ok(Settled { ended: self.ended, value })
    }

    /// Applies an event to an approval, and writes what it becomes.
    pub(super) async fn apply(
        &mut self,
        reference: &Reference,
        event: Event<'_>,
        use_within_seconds: u64,
    ) -> Result<Change, StoreError> {
        let Some(mut approval) = self.approval(reference).await? else {
            return Ok(Change::Unknown);
        };
        match apply(&approval.terms(use_within_seconds), &approval.state, event, self.now) {
            Err(refused) => Ok(Change::Refused(refused)),
            Ok(next) => {
                self.move_to(&mut approval, next).await?;
                Ok(Change::Done(Box::new(approval)))
            }
        }
    }

    pub(super) async fn approval(&mut self, reference: &Reference) -> Result<Option<Approval>, StoreError> {
        let row = sqlx::query("SELECT * FROM approvals WHERE reference = $1")
            .bind(reference.as_str())
            .fetch_optional(&mut *self.transaction)
            .await?;
        row.as_ref().map(Approval::read).transpose()
    }

    async fn settle(&mut self) -> Result<(), StoreError> {
        loop {
            let due = sqlx::query(
                "SELECT * FROM approvals WHERE state = 'pending' AND expires_at_unix_ms <= $1 \
                 UNION ALL SELECT * FROM approvals WHERE state = 'approved' AND lapses_at_unix_ms <= $1 LIMIT $2",
            )
            .bind(sql_integer(self.now.0))
            .bind(DUE_ROWS_MAX)
            .fetch_all(&mut *self.transaction)
            .await?;
            if due.is_empty() {
                return Ok(());
            }
            for row in &due {
                let mut approval = Approval::read(row)?;
                let ended = apply(&approval.terms(0), &approval.state, Event::Tick, self.now);
                let state =
                    ended.ok().filter(State::is_terminal).ok_or(StoreError::Unreadable("deadline"))?;
                self.move_to(&mut approval, state).await?;
                self.ended.push(Ended { approval });
            }
        }
    }

    /// Writes the next state, if the state is still the one that was read.
    async fn move_to(&mut self, approval: &mut Approval, next: State) -> Result<(), StoreError> {
        let state_before = approval.state.as_str();
        let first_before = approval.first_by.clone();
        match &next {
            State::Pending { level: Level::Second { first_by } } => {
                approval.first_by = Some(first_by.clone())
            }
            State::Approved { lapses_at } => {
                approval.lapses_at = Some(*lapses_at);
                approval.decided_at = Some(self.now);
            }
            State::Denied => approval.decided_at = Some(self.now),
            State::Pending { level: Level::First }
            | State::Expired
            | State::Withdrawn
            | State::Consumed
            | State::Lapsed => {}
        }
        approval.state = next;
        let done = sqlx::query(
            "UPDATE approvals SET state = $1, first_by = $2, lapses_at_unix_ms = $3, decided_at_unix_ms = $4, \
             change_number = (SELECT MAX(change_number) + 1 FROM approvals) \
             WHERE reference = $5 AND state = $6 AND COALESCE(first_by, '') = $7",
        )
        .bind(approval.state.as_str())
        .bind(approval.first_by.as_ref().map(|id| id.as_str().to_owned()))
        .bind(approval.lapses_at.map(|at| sql_integer(at.0)))
        .bind(approval.decided_at.map(|at| sql_integer(at.0)))
        .bind(approval.reference.as_str())
        .bind(state_before)
        .bind(first_before.as_ref().map_or("", |id| id.as_str()).to_owned())
        .execute(&mut *self.transaction)
        .await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Conflict) }
    }
}
