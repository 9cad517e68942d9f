//! The budget of a policy's history: its oldest revisions go when there is no more room, and that is recorded.

use serde_json::json;

use super::super::edit::insert_record;
use super::super::{Edit, Record, Store, StoreError, sql_integer};
use super::{Plan, Why};
use crate::history::History;

/// About what a row takes beside its texts, its indexes too.
const ROW_BYTES: usize = 256;

impl Plan {
    /// About what a revision with this plan takes on the disk.
    pub(super) fn bytes(&self, why: Why<'_>) -> u64 {
        let pieces = self.added.iter().map(|piece| ROW_BYTES + piece.name.len() + piece.body.len());
        let bytes = pieces.sum::<usize>() + ROW_BYTES + why.reason.map_or(0, str::len);
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

impl Edit {
    /// Removes the oldest revisions of the actor's organisation that go beyond the budget, and says how many. The newest
    /// and the one before it stay in any case.
    pub(crate) async fn prune_revisions(&mut self, budget: &History) -> Result<u64, StoreError> {
        let oldest: i64 = sqlx::query_scalar(
            "SELECT COALESCE(MIN(revision), 0) FROM (SELECT revision, ROW_NUMBER() OVER newest_first AS place, \
             SUM(bytes) OVER newest_first AS total FROM revisions WHERE org = $1 \
             WINDOW newest_first AS (ORDER BY revision DESC)) AS counted \
             WHERE place <= 2 OR (place <= $2 AND total <= $3)",
        )
        .bind(&self.actor.org)
        .bind(i64::from(budget.revisions_max))
        .bind(sql_integer(budget.revision_bytes_max))
        .fetch_one(&mut *self.transaction)
        .await?;
        let pruned = sqlx::query("DELETE FROM revisions WHERE org = $1 AND revision < $2")
            .bind(&self.actor.org)
            .bind(oldest)
            .execute(&mut *self.transaction)
            .await?
            .rows_affected();
        if pruned == 0 {
            return Ok(0);
        }
        sqlx::query("DELETE FROM pieces WHERE org = $1 AND to_revision <= $2")
            .bind(&self.actor.org)
            .bind(oldest)
            .execute(&mut *self.transaction)
            .await?;
        let details = json!({"revisions": pruned, "oldest_kept": oldest});
        let record = Record { details: Some(details), ..Record::of("policy.prune", "policy") };
        insert_record(&mut self.transaction, &self.actor, &self.origin, &record, self.now).await?;
        Ok(pruned)
    }
}

impl Store {
    /// Whether a revision is kept. Asked after its pieces were read: then none of them was missing.
    pub(super) async fn check_kept(&self, org: &str, revision: u64) -> Result<(), StoreError> {
        let row = sqlx::query("SELECT revision FROM revisions WHERE org = $1 AND revision = $2")
            .bind(org)
            .bind(sql_integer(revision))
            .fetch_optional(self.readers())
            .await?;
        row.map(|_| ()).ok_or(StoreError::Pruned)
    }
}
