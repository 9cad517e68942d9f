//! One write through the API: the change, who made it, and how it was answered, in one transaction.

use std::sync::Arc;

use policy::UnixMillis;
use sqlx::{Any, Executor, Row, Transaction};
use tokio::sync::Notify;

use super::activity::{Activity, Record, insert};
use super::error::in_table;
use super::row::text;
use super::{Store, StoreError, sql_integer};
use crate::actor::Actor;

/// How long answers are kept for clients that repeat a write.
const REPEATS_KEPT_SECONDS: u64 = 24 * 60 * 60;

/// A write under way. Dropped before [`Edit::commit`], it never was.
#[derive(Debug)]
pub(crate) struct Edit {
    pub(super) transaction: Transaction<'static, Any>,
    pub(crate) actor: Actor,
    /// The address that the request came from.
    pub(crate) origin: String,
    pub(crate) now: UnixMillis,
    repeat: Option<Repeat>,
    /// Hears of the commit.
    edited: Arc<Notify>,
}

/// What tells that a request is one that came before.
#[derive(Clone, Debug)]
pub(crate) struct Repeat {
    /// `Idempotency-Key`.
    pub(crate) key: String,
    /// SHA-256 of method, path, query and body, lower-case hexadecimal.
    pub(crate) request_sha256: String,
}

/// How a write was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) status: u16,
    pub(crate) etag: Option<String>,
    pub(crate) location: Option<String>,
    /// JSON; empty if there is none. Never a secret.
    pub(crate) body: String,
}

/// How a write begins.
#[derive(Debug)]
pub(crate) enum Begun {
    New(Edit),
    /// It was done before, and answered so.
    Repeated(Kept),
    /// Another request had the same `Idempotency-Key`.
    KeyReused,
}

impl Store {
    /// Begins a write of `actor`.
    pub(crate) async fn begin_edit(
        &self,
        actor: Actor,
        origin: String,
        repeat: Option<Repeat>,
        now: UnixMillis,
    ) -> Result<Begun, StoreError> {
        let transaction = self.transaction().await?;
        let edited = Arc::clone(&self.edited);
        let mut edit = Edit { transaction, actor, origin, now, repeat, edited };
        let Some(repeat) = edit.repeat.clone() else { return Ok(Begun::New(edit)) };
        let kept = kept(&mut *edit.transaction, &edit.actor, &repeat, now).await?;
        Ok(kept.map_or(Begun::New(edit), |kept| Begun::again(kept, &repeat)))
    }

    /// How a write begins that was done before; `None` if it was not. Takes no turn to write.
    pub(crate) async fn repeated(
        &self,
        actor: &Actor,
        repeat: &Repeat,
        now: UnixMillis,
    ) -> Result<Option<Begun>, StoreError> {
        let kept = kept(self.readers(), actor, repeat, now).await?;
        Ok(kept.map(|kept| Begun::again(kept, repeat)))
    }
}

impl Store {
    /// Waits until a write through this store was made, if none was since this was asked last.
    pub(crate) async fn edited(&self) {
        self.edited.notified().await;
    }
}

impl Begun {
    fn again((sha256, kept): (String, Kept), repeat: &Repeat) -> Self {
        if sha256 == repeat.request_sha256 { Self::Repeated(kept) } else { Self::KeyReused }
    }
}

impl Edit {
    /// Makes the change durable, with its record and its answer.
    pub(crate) async fn commit(mut self, record: &Record, answer: &Kept) -> Result<(), StoreError> {
        insert_record(&mut self.transaction, &self.actor, &self.origin, record, self.now).await?;
        if let Some(repeat) = self.repeat.take() {
            self.keep(&repeat, answer).await?;
        }
        self.transaction.commit().await?;
        self.edited.notify_one();
        Ok(())
    }

    async fn keep(&mut self, repeat: &Repeat, answer: &Kept) -> Result<(), StoreError> {
        let before = UnixMillis(self.now.0.saturating_sub(REPEATS_KEPT_SECONDS * 1000));
        sqlx::query("DELETE FROM repeats WHERE at_unix_ms < $1")
            .bind(sql_integer(before.0))
            .execute(&mut *self.transaction)
            .await?;
        sqlx::query(
            "INSERT INTO repeats (org, actor, idempotency_key, request_sha256, status, etag, location, body, \
             at_unix_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(&self.actor.org)
        .bind(&self.actor.id)
        .bind(&repeat.key)
        .bind(&repeat.request_sha256)
        .bind(i64::from(answer.status))
        .bind(&answer.etag)
        .bind(&answer.location)
        .bind(&answer.body)
        .bind(sql_integer(self.now.0))
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }
}

/// How a write was answered before, and the SHA-256 of the request that it was the answer to.
async fn kept<'e>(
    executor: impl Executor<'e, Database = Any>,
    actor: &Actor,
    repeat: &Repeat,
    now: UnixMillis,
) -> Result<Option<(String, Kept)>, StoreError> {
    let since = UnixMillis(now.0.saturating_sub(REPEATS_KEPT_SECONDS * 1000));
    let row = sqlx::query(
        "SELECT * FROM repeats WHERE org = $1 AND actor = $2 AND idempotency_key = $3 AND at_unix_ms >= $4",
    )
    .bind(&actor.org)
    .bind(&actor.id)
    .bind(&repeat.key)
    .bind(sql_integer(since.0))
    .fetch_optional(executor)
    .await?;
    let Some(row) = row else { return Ok(None) };
    in_table("repeats", || {
        let status =
            u16::try_from(row.try_get::<i64, _>("status")?).map_err(|_| StoreError::Unreadable("status"))?;
        let kept = Kept {
            status,
            etag: text(&row, "etag")?,
            location: text(&row, "location")?,
            body: row.try_get("body")?,
        };
        Ok(Some((row.try_get("request_sha256")?, kept)))
    })
}

/// Writes down what somebody did.
pub(super) async fn insert_record(
    transaction: &mut Transaction<'static, Any>,
    actor: &Actor,
    origin: &str,
    record: &Record,
    now: UnixMillis,
) -> Result<(), StoreError> {
    let activity =
        Activity { at: now, actor: actor.clone(), origin: origin.to_owned(), record: record.clone() };
    insert(&mut **transaction, &[activity]).await
}
