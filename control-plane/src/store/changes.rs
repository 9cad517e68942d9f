//! What has become of approvals, for a control plane that shares its store with others.
//!
//! Writers take turns, and each change of state gets the next number. So who has seen a number has seen all before it.

use policy::approval::Reference;

use super::{Approval, Store, StoreError, sql_integer};

/// Changes that are read at once.
const CHANGES_MAX: i64 = 500;

impl Store {
    /// The number of the last change there was.
    pub(crate) async fn last_change(&self) -> Result<u64, StoreError> {
        let number: Option<i64> =
            sqlx::query_scalar("SELECT MAX(change_number) FROM approvals").fetch_one(self.readers()).await?;
        Ok(number.map_or(0, i64::unsigned_abs))
    }

    /// Approvals that were changed after that change, in order: as many as are read at once.
    pub(crate) async fn changed_after(&self, number: u64) -> Result<Vec<Approval>, StoreError> {
        let rows =
            sqlx::query("SELECT * FROM approvals WHERE change_number > $1 ORDER BY change_number LIMIT $2")
                .bind(sql_integer(number))
                .bind(CHANGES_MAX)
                .fetch_all(self.readers())
                .await?;
        rows.iter().map(Approval::read).collect()
    }

    /// An approval as it stands, of whichever org.
    pub(crate) async fn any_approval(&self, reference: &Reference) -> Result<Option<Approval>, StoreError> {
        let row = sqlx::query("SELECT * FROM approvals WHERE reference = $1")
            .bind(reference.as_str())
            .fetch_optional(self.readers())
            .await?;
        row.as_ref().map(Approval::read).transpose()
    }
}
