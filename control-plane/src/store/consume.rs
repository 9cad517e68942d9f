//! Using an approval up: one hold does, and whenever it asks again it hears the same.

use policy::UnixMillis;
use policy::approval::{Event, Reference};

use super::settle::Change;
use super::{Settled, Store, StoreError};

/// What became of a hold's wish to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Used {
    /// It used the approval up just now.
    Now,
    /// It had used it up before.
    Before,
    /// It may not go on: the approval is not given, not valid any more, or was used up by another hold.
    No,
}

impl Store {
    /// Uses an approval up for the hold of that name. Only ever one name hears that it did.
    pub(crate) async fn consume(
        &self,
        reference: &Reference,
        by: &str,
        now: UnixMillis,
    ) -> Result<Settled<Used>, StoreError> {
        let mut writing = self.begin(now).await?;
        let used = match writing.apply(reference, Event::Consume, 0).await? {
            Change::Done(_) => {
                sqlx::query("UPDATE approvals SET consumed_by = $1 WHERE reference = $2")
                    .bind(by)
                    .bind(reference.as_str())
                    .execute(&mut *writing.transaction)
                    .await?;
                Used::Now
            }
            Change::Refused(_) => {
                let approval = writing.approval(reference).await?;
                let is_same = approval.is_some_and(|approval| approval.consumed_by.as_deref() == Some(by));
                if is_same { Used::Before } else { Used::No }
            }
            Change::Unknown => Used::No,
        };
        writing.commit(used).await
    }
}
