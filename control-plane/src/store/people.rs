//! People and their sessions. Of a session only the SHA-256 is kept.

use policy::UnixMillis;
use policy::approval::{Approver, PersonId};
use serde_json::json;
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::edit::insert_record;
use super::error::in_table;
use super::row::{flag, moment, person, text};
use super::{Record, Store, StoreError, sql_integer};
use crate::actor::Actor;

/// Most people in one org.
const PEOPLE_MAX: i64 = 10_000;

/// A person of an org.
#[derive(Clone, Debug)]
pub(crate) struct PersonRow {
    pub(crate) org: String,
    pub(crate) name: String,
    pub(crate) approver: Approver,
    pub(crate) session_expires_at: UnixMillis,
}

/// Whether a person could be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    Done,
    /// The org has a person of that id.
    Exists,
    /// The org has as many people as it may.
    TooMany,
}

impl Store {
    /// Adds a person with a session, and records it as the host's doing.
    pub(crate) async fn add_person(
        &self,
        person: &PersonRow,
        session_sha256: &str,
        now: UnixMillis,
    ) -> Result<Added, StoreError> {
        let mut transaction = self.transaction().await?;
        let people: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM people WHERE org = $1")
            .bind(&person.org)
            .fetch_one(&mut *transaction)
            .await?;
        if people >= PEOPLE_MAX {
            return Ok(Added::TooMany);
        }
        let done = sqlx::query(
            "INSERT INTO people (org, id, name, level1, level2, created_at_unix_ms, session_sha256, \
             session_expires_at_unix_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (org, id) DO NOTHING",
        )
        .bind(&person.org)
        .bind(person.approver.id.as_str())
        .bind(&person.name)
        .bind(i64::from(person.approver.level1))
        .bind(i64::from(person.approver.level2))
        .bind(sql_integer(now.0))
        .bind(session_sha256)
        .bind(sql_integer(person.session_expires_at.0))
        .execute(&mut *transaction)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(Added::Exists);
        }
        let details = json!({"level1": person.approver.level1, "level2": person.approver.level2});
        let record =
            Record { details: Some(details), ..Record::of("person.add", person.approver.id.as_str()) };
        insert_record(&mut transaction, &Actor::host(&person.org), "", &record, now).await?;
        transaction.commit().await?;
        Ok(Added::Done)
    }

    /// Gives a person a new session (or none) in place of the one they have, and records it as the host's doing.
    /// `false`: no such person.
    pub(crate) async fn replace_session(
        &self,
        org: &str,
        id: &PersonId,
        session_sha256: Option<&str>,
        expires_at: UnixMillis,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.transaction().await?;
        let done = sqlx::query(
            "UPDATE people SET session_sha256 = $1, session_expires_at_unix_ms = $2 WHERE org = $3 AND id = $4",
        )
        .bind(session_sha256)
        .bind(sql_integer(expires_at.0))
        .bind(org)
        .bind(id.as_str())
        .execute(&mut *transaction)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let action = if session_sha256.is_some() { "person.renew" } else { "person.end" };
        insert_record(&mut transaction, &Actor::host(org), "", &Record::of(action, id.as_str()), now).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// The person whose session has that SHA-256, and the SHA-256 as it is kept.
    pub(crate) async fn session_owner(
        &self,
        sha256: &str,
    ) -> Result<Option<(PersonRow, String)>, StoreError> {
        let row = sqlx::query("SELECT * FROM people WHERE session_sha256 = $1")
            .bind(sha256)
            .fetch_optional(&self.readers)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let kept = text(&row, "session_sha256")?.ok_or(StoreError::damaged("people", "session"))?;
        Ok(Some((PersonRow::read(&row)?, kept)))
    }

    /// Everybody of an org, by id.
    pub(crate) async fn people(&self, org: &str) -> Result<Vec<PersonRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM people WHERE org = $1 ORDER BY id")
            .bind(org)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(PersonRow::read).collect()
    }
}

impl PersonRow {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        in_table("people", || {
            Ok(Self {
                org: row.try_get("org")?,
                name: row.try_get("name")?,
                approver: approver(row)?,
                session_expires_at: moment(row, "session_expires_at_unix_ms")?,
            })
        })
    }
}

/// Who could decide in an org.
pub(super) async fn approvers(
    transaction: &mut Transaction<'static, Any>,
    org: &str,
) -> Result<Vec<Approver>, StoreError> {
    let rows = sqlx::query("SELECT id, level1, level2 FROM people WHERE org = $1")
        .bind(org)
        .fetch_all(&mut **transaction)
        .await?;
    rows.iter().map(approver).collect()
}

fn approver(row: &AnyRow) -> Result<Approver, StoreError> {
    in_table("people", || {
        let id: String = row.try_get("id")?;
        Ok(Approver { id: person(&id)?, level1: flag(row, "level1")?, level2: flag(row, "level2")? })
    })
}
