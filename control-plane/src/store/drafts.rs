//! Tools that proxies saw and no policy lists.

mod storing;
#[cfg(test)]
mod tests;

use policy::UnixMillis;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::error::in_table;
use super::row::{count, moment, optional_moment, text};
use super::{Edit, Store, StoreError, sql_integer};

/// That the policy lists a draft's tool, meanwhile or because it was accepted.
const IS_LISTED: &str = "EXISTS (SELECT 1 FROM pieces WHERE pieces.org = drafts.org AND pieces.kind = 'tool' \
                         AND pieces.name = drafts.name AND pieces.to_revision IS NULL)";

/// A draft as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) state: DraftState,
    pub(crate) proxy: String,
    pub(crate) backend: String,
    /// `list` or `call`.
    pub(crate) seen_in: String,
    /// What its backend said of it when it first listed it.
    pub(crate) description: Option<String>,
    /// JSON.
    pub(crate) annotations: Option<String>,
    /// JSON.
    pub(crate) input_schema: Option<String>,
    pub(crate) definition_sha256: Option<String>,
    /// Counts its changes, from 1.
    pub(crate) version: u64,
    pub(crate) first_seen_at: UnixMillis,
    pub(crate) last_seen_at: UnixMillis,
    pub(crate) decided_by: Option<String>,
    pub(crate) decided_at: Option<UnixMillis>,
}

/// What became of a tool that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DraftState {
    /// Nobody has decided.
    Draft,
    /// It was put into the policy.
    Accepted,
    /// It is not wanted.
    Rejected,
}

/// What one proxy has seen of one backend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) org: &'a str,
    pub(crate) proxy: &'a str,
    pub(crate) backend: &'a str,
    pub(crate) drafts: &'a [SeenDraft],
}

/// One tool of it, its texts fit to be kept.
#[derive(Clone, Debug)]
pub(crate) struct SeenDraft {
    pub(crate) name: String,
    /// `list` or `call`.
    pub(crate) seen_in: &'static str,
    pub(crate) description: Option<String>,
    pub(crate) annotations: Option<String>,
    pub(crate) input_schema: Option<String>,
    pub(crate) definition_sha256: Option<String>,
}

/// How many drafts are stored of one org.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DraftLimits {
    /// In any hour.
    pub(crate) per_hour: u32,
    /// Of those that the policy does not list meanwhile.
    pub(crate) in_all: u32,
}

/// What became of one tool that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    Stored,
    /// It was seen before, whatever became of it.
    Known,
    /// The policy lists it.
    Listed,
    /// There is no such org.
    NoOrg,
    /// As many as may be were stored within the last hour.
    HourFull,
    /// As many as may be are stored.
    OrgFull,
}

/// Which drafts are listed.
#[derive(Clone, Debug)]
pub(crate) struct DraftFilter {
    pub(crate) org: String,
    pub(crate) state: DraftState,
    pub(crate) backend: Option<String>,
    pub(crate) before: Option<DraftPosition>,
    pub(crate) limit: u32,
}

/// Where a page ends. Drafts are listed newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DraftPosition {
    pub(crate) first_seen_at: UnixMillis,
    pub(crate) name: String,
}

impl DraftState {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }

    fn read(word: &str) -> Result<Self, StoreError> {
        [Self::Draft, Self::Accepted, Self::Rejected]
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or(StoreError::Unreadable("state"))
    }
}

impl Draft {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        in_table("drafts", || {
            Ok(Self {
                name: row.try_get("name")?,
                state: DraftState::read(&row.try_get::<String, _>("state")?)?,
                proxy: row.try_get("proxy")?,
                backend: row.try_get("backend")?,
                seen_in: row.try_get("seen_in")?,
                description: text(row, "description")?,
                annotations: text(row, "annotations")?,
                input_schema: text(row, "input_schema")?,
                definition_sha256: text(row, "definition_sha256")?,
                version: count(row, "version")?,
                first_seen_at: moment(row, "first_seen_at_unix_ms")?,
                last_seen_at: moment(row, "last_seen_at_unix_ms")?,
                decided_by: text(row, "decided_by")?,
                decided_at: optional_moment(row, "decided_at_unix_ms")?,
            })
        })
    }
}

impl Store {
    /// Newest first; of those that nobody has decided on, the ones that the policy does not list.
    pub(crate) async fn drafts(&self, filter: &DraftFilter) -> Result<Vec<Draft>, StoreError> {
        let (first_seen_at, name) = match &filter.before {
            Some(position) => (sql_integer(position.first_seen_at.0), position.name.as_str()),
            None => (i64::MAX, ""),
        };
        let of_backend = if filter.backend.is_some() { "AND backend = $6" } else { "" };
        let sql = format!(
            "SELECT * FROM drafts WHERE org = $1 AND state = $2 AND (first_seen_at_unix_ms, name) < ($3, $4) \
             AND (state <> 'draft' OR NOT {IS_LISTED}) {of_backend} \
             ORDER BY first_seen_at_unix_ms DESC, name DESC LIMIT $5"
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(&filter.org)
            .bind(filter.state.as_str())
            .bind(first_seen_at)
            .bind(name)
            .bind(i64::from(filter.limit));
        let query = match &filter.backend {
            Some(backend) => query.bind(backend),
            None => query,
        };
        let rows = query.fetch_all(self.readers()).await?;
        rows.iter().map(Draft::read).collect()
    }

    /// One draft of an org.
    pub(crate) async fn draft(&self, org: &str, name: &str) -> Result<Option<Draft>, StoreError> {
        let row = sqlx::query("SELECT * FROM drafts WHERE org = $1 AND name = $2")
            .bind(org)
            .bind(name)
            .fetch_optional(self.readers())
            .await?;
        row.as_ref().map(Draft::read).transpose()
    }
}

impl Edit {
    /// One draft of the actor's org, as it stands while nobody else writes.
    pub(crate) async fn draft(&mut self, name: &str) -> Result<Option<Draft>, StoreError> {
        let row = sqlx::query("SELECT * FROM drafts WHERE org = $1 AND name = $2")
            .bind(&self.actor.org)
            .bind(name)
            .fetch_optional(&mut *self.transaction)
            .await?;
        row.as_ref().map(Draft::read).transpose()
    }

    /// Notes what became of a draft: the draft as it is now.
    pub(crate) async fn decide_draft(
        &mut self,
        draft: Draft,
        state: DraftState,
    ) -> Result<Draft, StoreError> {
        sqlx::query(
            "UPDATE drafts SET state = $1, decided_by = $2, decided_at_unix_ms = $3, version = version + 1 \
             WHERE org = $4 AND name = $5",
        )
        .bind(state.as_str())
        .bind(&self.actor.id)
        .bind(sql_integer(self.now.0))
        .bind(&self.actor.org)
        .bind(&draft.name)
        .execute(&mut *self.transaction)
        .await?;
        let decided_by = Some(self.actor.id.clone());
        Ok(Draft { state, decided_by, decided_at: Some(self.now), version: draft.version + 1, ..draft })
    }

    /// Forgets a draft: it is new when it is seen again.
    pub(crate) async fn forget_draft(&mut self, name: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM drafts WHERE org = $1 AND name = $2")
            .bind(&self.actor.org)
            .bind(name)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }
}
