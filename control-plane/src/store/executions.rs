//! Calls whose receipts were redeemed, and what became of them.

use policy::UnixMillis;
use receipt::Claims;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};
use strum::{EnumIter, IntoEnumIterator};

use super::error::in_table;
use super::row::{moment, optional_moment, text};
use super::{Edit, Store, StoreError, sql_integer};

/// How long an execution is kept. What the activity says of it stays.
const KEPT_DAYS: u64 = 30;

/// Rows that one statement removes, so that no other writer waits long.
const SWEPT_ROWS_MAX: u32 = 1000;

/// A call whose receipt was redeemed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Execution {
    /// The receipt's nonce.
    pub(crate) jti: String,
    pub(crate) backend: String,
    pub(crate) tool: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) resource: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) caller: String,
    pub(crate) redeemed_by: String,
    pub(crate) redeemed_at: UnixMillis,
    pub(crate) report: Report,
    pub(crate) logged_by: Option<String>,
    pub(crate) logged_at: Option<UnixMillis>,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) outcome: Outcome,
    /// Such as an HTTP status.
    pub(crate) status: Option<u32>,
    pub(crate) duration_ms: Option<u32>,
    pub(crate) note: Option<String>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter)]
pub(crate) enum Outcome {
    /// Nobody has said yet.
    Open,
    /// It did what it should.
    Success,
    /// The tool said no.
    Failed,
    /// It broke.
    Error,
    /// Nobody knows.
    Unknown,
}

/// What may be asked of the list.
#[derive(Clone, Debug)]
pub(crate) struct ExecutionFilter {
    pub(crate) org: String,
    pub(crate) tool: Option<String>,
    pub(crate) outcome: Option<Outcome>,
    /// The last of the page before.
    pub(crate) before: Option<(UnixMillis, String)>,
    pub(crate) limit: u32,
}

impl Outcome {
    /// The word used in records and on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Unknown => "unknown",
        }
    }
}

impl Edit {
    /// Opens the execution of a receipt that is redeemed.
    pub(crate) async fn open_execution(&mut self, claims: &Claims<'_>) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO executions (org, jti, backend, tool, tenant, resource, method, caller, redeemed_by, \
             redeemed_at_unix_ms, outcome) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(&self.actor.org)
        .bind(claims.jti.to_string())
        .bind(claims.aud.as_ref())
        .bind(claims.tool.as_deref())
        .bind(claims.tenant.as_deref())
        .bind(claims.resource.as_deref())
        .bind(claims.method.as_deref())
        .bind(claims.sub.as_ref())
        .bind(&self.actor.id)
        .bind(sql_integer(self.now.0))
        .bind(Outcome::Open.as_str())
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// The execution of that nonce in the actor's organisation.
    pub(crate) async fn execution(&mut self, jti: &str) -> Result<Option<Execution>, StoreError> {
        let row = sqlx::query("SELECT * FROM executions WHERE org = $1 AND jti = $2")
            .bind(&self.actor.org)
            .bind(jti)
            .fetch_optional(&mut *self.transaction)
            .await?;
        row.as_ref().map(Execution::read).transpose()
    }

    /// Writes what became of an open execution, and gives it as it is now.
    pub(crate) async fn close_execution(
        &mut self,
        execution: Execution,
        report: Report,
    ) -> Result<Execution, StoreError> {
        let done = sqlx::query(
            "UPDATE executions SET outcome = $1, status = $2, duration_ms = $3, note = $4, logged_by = $5, \
             logged_at_unix_ms = $6 WHERE org = $7 AND jti = $8 AND outcome = 'open'",
        )
        .bind(report.outcome.as_str())
        .bind(report.status.map(i64::from))
        .bind(report.duration_ms.map(i64::from))
        .bind(&report.note)
        .bind(&self.actor.id)
        .bind(sql_integer(self.now.0))
        .bind(&self.actor.org)
        .bind(&execution.jti)
        .execute(&mut *self.transaction)
        .await?;
        if done.rows_affected() != 1 {
            return Err(StoreError::Conflict);
        }
        let (logged_by, logged_at) = (Some(self.actor.id.clone()), Some(self.now));
        Ok(Execution { report, logged_by, logged_at, ..execution })
    }
}

impl Store {
    /// Executions of an organisation, newest first.
    pub(crate) async fn executions(&self, filter: &ExecutionFilter) -> Result<Vec<Execution>, StoreError> {
        let (before, jti) = match &filter.before {
            Some((at, jti)) => (sql_integer(at.0), jti.as_str()),
            None => (i64::MAX, ""),
        };
        // Without a tool in the condition, the index of tools could not be used.
        let of_tool = if filter.tool.is_some() { "tool = $4" } else { "$4 = ''" };
        let rows = sqlx::query(AssertSqlSafe(format!(
            "SELECT * FROM executions WHERE org = $1 AND (redeemed_at_unix_ms, jti) < ($2, $3) AND {of_tool} \
             AND ($5 = '' OR outcome = $5) ORDER BY redeemed_at_unix_ms DESC, jti DESC LIMIT $6"
        )))
        .bind(&filter.org)
        .bind(before)
        .bind(jti)
        .bind(filter.tool.as_deref().unwrap_or_default())
        .bind(filter.outcome.map_or("", Outcome::as_str))
        .bind(i64::from(filter.limit))
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(Execution::read).collect()
    }

    /// Removes executions that are too old, a batch at most; says whether there may be more.
    pub(crate) async fn sweep_executions(&self, now: UnixMillis) -> Result<bool, StoreError> {
        let before = UnixMillis(now.0.saturating_sub(KEPT_DAYS * 24 * 60 * 60 * 1000));
        let done = sqlx::query(
            "DELETE FROM executions WHERE (org, jti) IN \
             (SELECT org, jti FROM executions WHERE redeemed_at_unix_ms < $1 LIMIT $2)",
        )
        .bind(sql_integer(before.0))
        .bind(i64::from(SWEPT_ROWS_MAX))
        .execute(self.writer())
        .await?;
        Ok(done.rows_affected() == u64::from(SWEPT_ROWS_MAX))
    }
}

impl Execution {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        in_table("executions", || {
            let word: String = row.try_get("outcome")?;
            let number = |name: &'static str| -> Result<Option<u32>, StoreError> {
                let number: Option<i64> = row.try_get(name)?;
                number
                    .map(|number| u32::try_from(number).map_err(|_| StoreError::Unreadable(name)))
                    .transpose()
            };
            Ok(Self {
                jti: row.try_get("jti")?,
                backend: row.try_get("backend")?,
                tool: text(row, "tool")?,
                tenant: text(row, "tenant")?,
                resource: text(row, "resource")?,
                method: text(row, "method")?,
                caller: row.try_get("caller")?,
                redeemed_by: row.try_get("redeemed_by")?,
                redeemed_at: moment(row, "redeemed_at_unix_ms")?,
                report: Report {
                    outcome: Outcome::iter()
                        .find(|outcome| outcome.as_str() == word)
                        .ok_or(StoreError::Unreadable("outcome"))?,
                    status: number("status")?,
                    duration_ms: number("duration_ms")?,
                    note: text(row, "note")?,
                },
                logged_by: text(row, "logged_by")?,
                logged_at: optional_moment(row, "logged_at_unix_ms")?,
            })
        })
    }
}
