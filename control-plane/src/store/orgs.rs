//! Organisations.

use policy::UnixMillis;
use sqlx::Row;

use super::error::in_table;
use super::row::{count, moment};
use super::{Edit, Store, StoreError, sql_integer};

/// Most organisations.
const ORGS_MAX: u64 = 10_000;

/// An organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrgRow {
    pub(crate) name: String,
    /// The newest revision of its policy; 0: it has none yet.
    pub(crate) revision: u64,
    pub(crate) created_at: UnixMillis,
}

/// Whether an organisation could be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrgAdded {
    Done,
    Exists,
    /// There are as many as there may be.
    TooMany,
}

impl Store {
    /// Every organisation, by name.
    pub(crate) async fn orgs(&self) -> Result<Vec<OrgRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM orgs ORDER BY name").fetch_all(self.readers()).await?;
        let read = |row| {
            in_table("orgs", || {
                Ok(OrgRow {
                    name: Row::try_get(row, "name")?,
                    revision: count(row, "revision")?,
                    created_at: moment(row, "created_at_unix_ms")?,
                })
            })
        };
        rows.iter().map(read).collect()
    }

    /// Whether there is an organisation of that name.
    pub(crate) async fn has_org(&self, name: &str) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT name FROM orgs WHERE name = $1")
            .bind(name)
            .fetch_optional(self.readers())
            .await?;
        Ok(row.is_some())
    }
}

impl Edit {
    /// Adds the actor's organisation.
    pub(crate) async fn add_org(&mut self) -> Result<OrgAdded, StoreError> {
        let row = sqlx::query("SELECT COUNT(*) AS orgs FROM orgs").fetch_one(&mut *self.transaction).await?;
        if count(&row, "orgs")? >= ORGS_MAX {
            return Ok(OrgAdded::TooMany);
        }
        let done = sqlx::query(
            "INSERT INTO orgs (name, created_at_unix_ms) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        )
        .bind(&self.actor.org)
        .bind(sql_integer(self.now.0))
        .execute(&mut *self.transaction)
        .await?;
        Ok(if done.rows_affected() == 1 { OrgAdded::Done } else { OrgAdded::Exists })
    }
}
