//! The catalogue: tenants, resources and methods that rules may name.

use policy::UnixMillis;
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{Any, Executor, Row};

use super::error::in_table;
use super::row::{count, moment, text};
use super::{Edit, Store, StoreError, sql_integer};

/// Most entries of one kind in an org.
const ENTRIES_MAX: u64 = 10_000;

/// Rules that are in memory at once while one is looked for.
const RULES_AT_ONCE: usize = 500;

/// Rules that are named where an entry is in use.
const USES_MAX: usize = 20;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    Tenant,
    Resource,
    Method,
}

/// Something that rules may name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// Counts its changes, from 1.
    pub(crate) version: u64,
    pub(crate) created_at: UnixMillis,
}

impl EntryKind {
    /// The word in the table, and the field of a rule that names one.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Resource => "resource",
            Self::Method => "method",
        }
    }
}

impl Store {
    /// Up to `limit` entries of an org whose names come after `after`, by name.
    pub(crate) async fn entries(
        &self,
        org: &str,
        kind: EntryKind,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM catalogue WHERE org = $1 AND kind = $2 AND name > $3 ORDER BY name LIMIT $4",
        )
        .bind(org)
        .bind(kind.as_str())
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(Entry::read).collect()
    }

    /// One entry of an org.
    pub(crate) async fn entry(
        &self,
        org: &str,
        kind: EntryKind,
        name: &str,
    ) -> Result<Option<Entry>, StoreError> {
        entry(self.readers(), org, kind, name).await
    }
}

impl Edit {
    /// One entry of the actor's organisation.
    pub(crate) async fn entry(&mut self, kind: EntryKind, name: &str) -> Result<Option<Entry>, StoreError> {
        entry(&mut *self.transaction, &self.actor.org, kind, name).await
    }

    /// Adds an entry; `false`: the org has as many of its kind as it may.
    pub(crate) async fn add_entry(&mut self, kind: EntryKind, entry: &Entry) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT COUNT(*) AS entries FROM catalogue WHERE org = $1 AND kind = $2")
            .bind(&self.actor.org)
            .bind(kind.as_str())
            .fetch_one(&mut *self.transaction)
            .await?;
        if count(&row, "entries")? >= ENTRIES_MAX {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO catalogue (org, kind, name, description, version, created_at_unix_ms) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&self.actor.org)
        .bind(kind.as_str())
        .bind(&entry.name)
        .bind(&entry.description)
        .bind(sql_integer(entry.version))
        .bind(sql_integer(entry.created_at.0))
        .execute(&mut *self.transaction)
        .await?;
        Ok(true)
    }

    /// Writes the description of an entry, as its next version.
    pub(crate) async fn change_entry(
        &mut self,
        kind: EntryKind,
        entry: &mut Entry,
    ) -> Result<(), StoreError> {
        entry.version += 1;
        let done = sqlx::query(
            "UPDATE catalogue SET description = $1, version = $2 WHERE org = $3 AND kind = $4 AND name = $5",
        )
        .bind(&entry.description)
        .bind(sql_integer(entry.version))
        .bind(&self.actor.org)
        .bind(kind.as_str())
        .bind(&entry.name)
        .execute(&mut *self.transaction)
        .await?;
        if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Conflict) }
    }

    pub(crate) async fn delete_entry(&mut self, kind: EntryKind, name: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM catalogue WHERE org = $1 AND kind = $2 AND name = $3")
            .bind(&self.actor.org)
            .bind(kind.as_str())
            .bind(name)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    /// The first rules of the policy in force that name an entry, by their ids.
    pub(crate) async fn rules_naming(
        &mut self,
        kind: EntryKind,
        name: &str,
    ) -> Result<Vec<String>, StoreError> {
        let (mut uses, mut after) = (Vec::new(), String::new());
        loop {
            let rows = sqlx::query(
                "SELECT name, body FROM pieces WHERE org = $1 AND kind = 'rule' AND to_revision IS NULL \
                 AND name > $2 ORDER BY name LIMIT $3",
            )
            .bind(&self.actor.org)
            .bind(&after)
            .bind(i64::try_from(RULES_AT_ONCE).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.transaction)
            .await?;
            for row in &rows {
                after = row.try_get("name")?;
                let rule: Value = serde_json::from_str(&row.try_get::<String, _>("body")?)
                    .map_err(|_| StoreError::damaged("pieces", "body"))?;
                if rule.get(kind.as_str()).and_then(Value::as_str) == Some(name) {
                    uses.push(after.clone());
                }
            }
            if rows.len() < RULES_AT_ONCE || uses.len() >= USES_MAX {
                uses.truncate(USES_MAX);
                return Ok(uses);
            }
        }
    }
}

impl Entry {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        in_table("catalogue", || {
            Ok(Self {
                name: row.try_get("name")?,
                description: text(row, "description")?,
                version: count(row, "version")?,
                created_at: moment(row, "created_at_unix_ms")?,
            })
        })
    }
}

async fn entry(
    executor: impl Executor<'_, Database = Any>,
    org: &str,
    kind: EntryKind,
    name: &str,
) -> Result<Option<Entry>, StoreError> {
    let row = sqlx::query("SELECT * FROM catalogue WHERE org = $1 AND kind = $2 AND name = $3")
        .bind(org)
        .bind(kind.as_str())
        .bind(name)
        .fetch_optional(executor)
        .await?;
    row.as_ref().map(Entry::read).transpose()
}
