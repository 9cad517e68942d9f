//! What was done and asked through the API: written once, never changed, and read newest first.
//!
//! Ids are in the order of time, so that one index gives the order, a page's end and a span of time. A page costs no
//! more than the rows it may look at, however few of them fit the filter.

#[cfg(test)]
mod tests;

use policy::UnixMillis;
use serde_json::json;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe, Executor, Row};
use uuid::Uuid;

use super::database::Kind;
use super::edit::insert_record;
use super::error::in_table;
use super::row::{moment, text};
use super::{Store, StoreError, sql_integer};
use crate::actor::Actor;

/// Most records in one statement.
pub(crate) const GROUP_MAX: usize = 64;

/// Most rows that are looked at for one page.
const LOOKED_AT_MAX: i64 = 10_000;

/// A record is written no longer than this after its moment: writers wait for less.
const WRITTEN_WITHIN_SECONDS: u64 = 60;

/// Rows that one statement removes, so that no other writer waits long.
const SWEPT_ROWS_MAX: i64 = 1000;

/// The columns that are written.
const COLUMNS: [&str; 11] = [
    "id",
    "org",
    "at_unix_ms",
    "action",
    "object",
    "actor",
    "actor_kind",
    "origin",
    "tenant",
    "permission",
    "details",
];

/// What is written down of a change or a question.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// Such as `rule.put`.
    pub(crate) action: &'static str,
    /// What it was done to.
    pub(crate) object: String,
    pub(crate) tenant: Option<String>,
    pub(crate) permission: Option<&'static str>,
    /// Whatever else there is to say, never a secret.
    pub(crate) details: Option<serde_json::Value>,
}

/// A record, who caused it, and the address that the request came from.
#[derive(Clone, Debug)]
pub(crate) struct Activity {
    pub(crate) at: UnixMillis,
    pub(crate) actor: Actor,
    pub(crate) origin: String,
    pub(crate) record: Record,
}

/// A record as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) id: String,
    pub(crate) at: UnixMillis,
    pub(crate) action: String,
    pub(crate) object: String,
    pub(crate) actor: String,
    pub(crate) actor_kind: String,
    pub(crate) origin: String,
    pub(crate) tenant: Option<String>,
    pub(crate) permission: Option<String>,
    /// JSON.
    pub(crate) details: Option<String>,
}

/// Which records of an organisation are read.
#[derive(Clone, Debug, Default)]
pub(crate) struct ActivityFilter {
    pub(crate) org: String,
    pub(crate) action: Option<String>,
    /// The first word of the action.
    pub(crate) action_kind: Option<String>,
    pub(crate) actor: Option<String>,
    pub(crate) object: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) permission: Option<&'static str>,
    /// From then on.
    pub(crate) since: Option<UnixMillis>,
    /// Before then.
    pub(crate) until: Option<UnixMillis>,
    /// Before the record of this id.
    pub(crate) before: Option<Uuid>,
    pub(crate) limit: u32,
}

/// Some of the records that fit a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ActivityPage {
    pub(crate) items: Vec<Kept>,
    /// Where to go on, if there may be more: before this id.
    pub(crate) next: Option<Uuid>,
}

impl Record {
    /// A change of something.
    pub(crate) fn of(action: &'static str, object: &str) -> Self {
        Self { action, object: object.to_owned(), tenant: None, permission: None, details: None }
    }
}

/// Writes records down, at most [`GROUP_MAX`], all of them or none.
pub(super) async fn insert(
    executor: impl Executor<'_, Database = Any>,
    group: &[Activity],
) -> Result<(), StoreError> {
    let mut query = sqlx::query(AssertSqlSafe(statement(group.len())));
    for Activity { at, actor, origin, record } in group {
        query = query
            .bind(Uuid::now_v7().to_string())
            .bind(&actor.org)
            .bind(sql_integer(at.0))
            .bind(record.action)
            .bind(&record.object)
            .bind(&actor.id)
            .bind(actor.kind.as_str())
            .bind(origin)
            .bind(&record.tenant)
            .bind(record.permission)
            .bind(record.details.as_ref().map(ToString::to_string));
    }
    query.execute(executor).await?;
    Ok(())
}

/// The statement for so many records. There are few different ones, so the database knows them all after a while.
fn statement(records: usize) -> String {
    let mut sql = format!("INSERT INTO activity ({}) VALUES ", COLUMNS.join(", "));
    for record in 0..records {
        sql.push_str(if record == 0 { "(" } else { "), (" });
        for column in 1..=COLUMNS.len() {
            let comma = if column == 1 { "" } else { ", " };
            sql.push_str(&format!("{comma}${}", record * COLUMNS.len() + column));
        }
    }
    sql.push(')');
    sql
}

impl Store {
    /// Writes records down, at most [`GROUP_MAX`], all of them or none. One statement is a transaction of its own, and
    /// as it reads nothing it needs nobody's turn.
    pub(crate) async fn insert_activity(&self, group: &[Activity]) -> Result<(), StoreError> {
        insert(self.writer(), group).await
    }

    /// One record.
    pub(crate) async fn activity(&self, org: &str, id: Uuid) -> Result<Option<Kept>, StoreError> {
        let row = sqlx::query("SELECT * FROM activity WHERE org = $1 AND id = $2")
            .bind(org)
            .bind(id.to_string())
            .fetch_optional(self.readers())
            .await?;
        row.as_ref().map(Kept::read).transpose()
    }

    /// The newest records that fit. A page may be short, or even empty, and still not be the last one.
    pub(crate) async fn activity_page(&self, filter: &ActivityFilter) -> Result<ActivityPage, StoreError> {
        let rows = filter.select(self, "*", Fitting::Only, filter.limit.into()).await?;
        let items = rows.iter().map(Kept::read).collect::<Result<Vec<_>, _>>()?;
        let is_full = u32::try_from(items.len()).is_ok_and(|count| count == filter.limit);
        let next = if is_full {
            items.last().map(|last| last.id.clone())
        } else {
            // The last row that was looked at, if more could not be.
            let ends = filter.select(self, "MIN(id) AS id, COUNT(*) AS looked_at", Fitting::All, 1).await?;
            let end = ends.first().ok_or(StoreError::damaged("activity", "id"))?;
            let looked_at: i64 = end.try_get("looked_at")?;
            if looked_at == LOOKED_AT_MAX { text(end, "id")? } else { None }
        };
        let next = next.map(|id| Uuid::parse_str(&id)).transpose();
        Ok(ActivityPage { items, next: next.map_err(|_| StoreError::damaged("activity", "id"))? })
    }
}

impl Store {
    /// The first organisation after `org` that has activity.
    pub(crate) async fn next_active_org(&self, org: &str) -> Result<Option<String>, StoreError> {
        let row = sqlx::query("SELECT MIN(org) AS org FROM activity WHERE org > $1")
            .bind(org)
            .fetch_one(self.readers())
            .await?;
        text(&row, "org")
    }

    /// Removes records of an organisation that were written before that moment, a batch at most, and says how many. With
    /// the first batch goes the record that says so.
    pub(crate) async fn sweep_activity(
        &self,
        org: &str,
        before: UnixMillis,
        batch: u64,
        now: UnixMillis,
    ) -> Result<u64, StoreError> {
        let mut transaction = self.transaction().await?;
        let swept = sqlx::query(
            "DELETE FROM activity WHERE org = $1 AND id IN \
             (SELECT id FROM activity WHERE org = $1 AND id < $2 ORDER BY id LIMIT $3)",
        )
        .bind(org)
        .bind(first_id(before))
        .bind(SWEPT_ROWS_MAX)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if batch == 0 && swept > 0 {
            let details = json!({"before_unix_ms": before});
            let record = Record { details: Some(details), ..Record::of("activity.prune", "activity") };
            insert_record(&mut transaction, &Actor::host(org), "", &record, now).await?;
        }
        transaction.commit().await?;
        Ok(swept)
    }
}

type AnyQuery<'q> = Query<'q, Any, AnyArguments>;

/// Which of the rows that are looked at are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fitting {
    /// Those that fit the filter.
    Only,
    All,
}

impl ActivityFilter {
    async fn select(
        &self,
        store: &Store,
        what: &'static str,
        fitting: Fitting,
        limit: i64,
    ) -> Result<Vec<AnyRow>, StoreError> {
        let query = sqlx::query(AssertSqlSafe(self.statement(store.kind, what, fitting)));
        Ok(self.bind(query, fitting, limit).fetch_all(store.readers()).await?)
    }

    fn statement(&self, kind: Kind, what: &'static str, fitting: Fitting) -> String {
        let (column, _) = self.narrowest();
        // Without statistics SQLite takes any index that has the order.
        let index = match (kind, column) {
            (Kind::Postgres, _) | (Kind::Sqlite, "org") => String::new(),
            (Kind::Sqlite, column) => format!("INDEXED BY activity_of_{column}"),
        };
        let rest = match fitting {
            Fitting::Only => {
                "WHERE ($6 = '' OR action = $6) AND ($7 = '' OR action LIKE $7 ESCAPE '\\') \
                 AND ($8 = 0 OR actor = $9) AND ($10 = 0 OR object = $11) AND ($12 = 0 OR tenant = $13) \
                 AND ($14 = '' OR permission = $14) AND at_unix_ms >= $15 AND at_unix_ms < $16 \
                 ORDER BY id DESC LIMIT $5"
            }
            Fitting::All => "LIMIT $5",
        };
        format!(
            "SELECT {what} FROM (SELECT * FROM activity {index} WHERE org = $1 AND {column} = $2 AND id < $3 AND id >= $4 \
             ORDER BY id DESC LIMIT {LOOKED_AT_MAX}) AS looked_at {rest}"
        )
    }

    fn bind<'q>(&'q self, query: AnyQuery<'q>, fitting: Fitting, limit: i64) -> AnyQuery<'q> {
        let (_, value) = self.narrowest();
        let query = query.bind(&self.org).bind(value).bind(self.end()).bind(self.start()).bind(limit);
        if fitting == Fitting::All {
            return query;
        }
        let like = self.action_kind.as_ref().map(|kind| format!("{}.%", escaped(kind)));
        let mut query = query.bind(self.action.as_deref().unwrap_or("")).bind(like.unwrap_or_default());
        for exact in [&self.actor, &self.object, &self.tenant] {
            query = query.bind(i64::from(exact.is_some())).bind(exact.as_deref().unwrap_or(""));
        }
        let since = self.since.map_or(0, |since| sql_integer(since.0));
        let until = self.until.map_or(i64::MAX, |until| sql_integer(until.0));
        query.bind(self.permission.unwrap_or("")).bind(since).bind(until)
    }

    /// The column with an index by which the fewest rows are likely to be looked at.
    fn narrowest(&self) -> (&'static str, &str) {
        match (&self.object, &self.actor, &self.action) {
            (Some(object), _, _) => ("object", object),
            (None, Some(actor), _) => ("actor", actor),
            (None, None, Some(action)) => ("action", action),
            (None, None, None) => ("org", &self.org),
        }
    }

    /// Later than every id that may be read.
    fn end(&self) -> String {
        let before = self.before.map(|id| id.to_string());
        let until = self.until.map(|until| first_id(until.plus_seconds(WRITTEN_WITHIN_SECONDS)));
        // Text of ids is in the order of the ids.
        before.into_iter().chain(until).min().unwrap_or_else(|| "g".to_owned())
    }

    /// No later than any id that may be read.
    fn start(&self) -> String {
        let since = self.since.map(|since| since.0.saturating_sub(WRITTEN_WITHIN_SECONDS * 1000));
        since.map_or_else(String::new, |since| first_id(UnixMillis(since)))
    }
}

impl Kept {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        in_table("activity", || {
            Ok(Self {
                id: row.try_get("id")?,
                at: moment(row, "at_unix_ms")?,
                action: row.try_get("action")?,
                object: row.try_get("object")?,
                actor: row.try_get("actor")?,
                actor_kind: row.try_get("actor_kind")?,
                origin: row.try_get("origin")?,
                tenant: text(row, "tenant")?,
                permission: text(row, "permission")?,
                details: text(row, "details")?,
            })
        })
    }
}

/// The first text that an id of that moment could have: a UUID version 7 begins with its milliseconds in 48 bits (RFC
/// 9562, section 5.7).
fn first_id(moment: UnixMillis) -> String {
    let id = u128::from(moment.0.min((1 << 48) - 1)) << 80;
    Uuid::from_u128(id).to_string()
}

/// A text as a pattern of `LIKE` that only it fits.
fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_")
}
