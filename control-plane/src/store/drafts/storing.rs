//! How what was seen becomes drafts: in one transaction, so that no two control planes store more than one may.

use policy::UnixMillis;
use sqlx::{Any, AssertSqlSafe, Transaction};

use super::{DraftLimits, IS_LISTED, Placed, Seen, SeenDraft};
use crate::actor::Actor;
use crate::store::edit::insert_record;
use crate::store::row::count;
use crate::store::{Record, Store, StoreError, sql_integer};

/// The time in which only so many are stored.
const HOUR_MS: u64 = 60 * 60 * 1000;

/// Where a proxy's reports come from, as records have it.
const ORIGIN: &str = "link";

impl Store {
    /// Stores what is new, as far as the limits go: what became of each, in order.
    pub(crate) async fn store_drafts(
        &self,
        seen: &Seen<'_>,
        limits: DraftLimits,
        now: UnixMillis,
    ) -> Result<Vec<Placed>, StoreError> {
        let mut transaction = self.transaction().await?;
        let Some(mut room) = room(&mut transaction, seen.org, limits, now).await? else {
            return Ok(vec![Placed::NoOrg; seen.drafts.len()]);
        };
        let mut placed = Vec::with_capacity(seen.drafts.len());
        for draft in seen.drafts {
            placed.push(if see_again(&mut transaction, seen.org, draft, now).await? {
                Placed::Known
            } else if is_listed(&mut transaction, seen.org, &draft.name).await? {
                Placed::Listed
            } else if room.in_all == 0 {
                Placed::OrgFull
            } else if room.per_hour == 0 {
                Placed::HourFull
            } else {
                insert(&mut transaction, seen, draft, now).await?;
                room.in_all -= 1;
                room.per_hour -= 1;
                Placed::Stored
            });
        }
        transaction.commit().await?;
        Ok(placed)
    }
}

/// How many more drafts an org may have; `None`: there is no such org.
async fn room(
    transaction: &mut Transaction<'static, Any>,
    org: &str,
    limits: DraftLimits,
    now: UnixMillis,
) -> Result<Option<DraftLimits>, StoreError> {
    let sql = format!(
        "SELECT (SELECT COUNT(*) FROM drafts WHERE org = $1 AND first_seen_at_unix_ms > $2) AS within_the_hour, \
         (SELECT COUNT(*) FROM drafts WHERE org = $1 AND state <> 'accepted' AND NOT {IS_LISTED}) AS in_all \
         FROM orgs WHERE name = $1"
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(org)
        .bind(sql_integer(now.0.saturating_sub(HOUR_MS)))
        .fetch_optional(&mut **transaction)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let left = |max: u32, column| {
        let taken = u32::try_from(count(&row, column)?).unwrap_or(u32::MAX);
        Ok::<_, StoreError>(max.saturating_sub(taken))
    };
    let per_hour = left(limits.per_hour, "within_the_hour")?;
    Ok(Some(DraftLimits { per_hour, in_all: left(limits.in_all, "in_all")? }))
}

/// Notes that a tool was seen again. What its backend first said of it stays, so that nobody accepts what they did not
/// see; of a tool that was only called, it is added. `false`: it is new.
async fn see_again(
    transaction: &mut Transaction<'static, Any>,
    org: &str,
    draft: &SeenDraft,
    now: UnixMillis,
) -> Result<bool, StoreError> {
    let known = sqlx::query("UPDATE drafts SET last_seen_at_unix_ms = $1 WHERE org = $2 AND name = $3")
        .bind(sql_integer(now.0))
        .bind(org)
        .bind(&draft.name)
        .execute(&mut **transaction)
        .await?;
    if known.rows_affected() == 1 && draft.seen_in == "list" {
        sqlx::query(
            "UPDATE drafts SET seen_in = 'list', description = $1, annotations = $2, input_schema = $3, \
             definition_sha256 = $4, version = version + 1 \
             WHERE org = $5 AND name = $6 AND seen_in = 'call' AND state <> 'accepted'",
        )
        .bind(&draft.description)
        .bind(&draft.annotations)
        .bind(&draft.input_schema)
        .bind(&draft.definition_sha256)
        .bind(org)
        .bind(&draft.name)
        .execute(&mut **transaction)
        .await?;
    }
    Ok(known.rows_affected() == 1)
}

/// Whether the org's policy lists a tool.
async fn is_listed(
    transaction: &mut Transaction<'static, Any>,
    org: &str,
    name: &str,
) -> Result<bool, StoreError> {
    let row = sqlx::query(
        "SELECT name FROM pieces WHERE org = $1 AND kind = 'tool' AND name = $2 AND to_revision IS NULL",
    )
    .bind(org)
    .bind(name)
    .fetch_optional(&mut **transaction)
    .await?;
    Ok(row.is_some())
}

async fn insert(
    transaction: &mut Transaction<'static, Any>,
    seen: &Seen<'_>,
    draft: &SeenDraft,
    now: UnixMillis,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO drafts (org, name, state, proxy, backend, seen_in, description, annotations, input_schema, \
         definition_sha256, version, first_seen_at_unix_ms, last_seen_at_unix_ms) \
         VALUES ($1, $2, 'draft', $3, $4, $5, $6, $7, $8, $9, 1, $10, $11)",
    )
    .bind(seen.org)
    .bind(&draft.name)
    .bind(seen.proxy)
    .bind(seen.backend)
    .bind(draft.seen_in)
    .bind(&draft.description)
    .bind(&draft.annotations)
    .bind(&draft.input_schema)
    .bind(&draft.definition_sha256)
    .bind(sql_integer(now.0))
    .bind(sql_integer(now.0))
    .execute(&mut **transaction)
    .await?;
    let details = serde_json::json!({"backend": seen.backend, "seen_in": draft.seen_in});
    let record = Record { details: Some(details), ..Record::of("draft.store", &draft.name) };
    insert_record(transaction, &Actor::proxy(seen.org, seen.proxy), ORIGIN, &record, now).await
}
