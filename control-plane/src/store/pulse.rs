//! Whether the store takes writes: it is asked to, since a disk can be full and a database read-only.

use std::sync::Arc;
use std::time::{Duration, Instant};

use policy::UnixMillis;
use tokio::sync::Mutex;

use super::{Store, StoreError, sql_integer};

/// How long a store that took a write counts as one that does. So questions cost little, however many there are.
const TAKEN_FOR: Duration = Duration::from_secs(1);

/// How much is written then: where a little fits, the next real write might not.
const FILLER_BYTES: usize = 64 * 1024;

/// When the store last took a write that was only a question.
#[derive(Clone, Debug, Default)]
pub(super) struct Pulse(Arc<Mutex<Option<Instant>>>);

impl Store {
    /// Whether the store reads and writes.
    pub(crate) async fn answers(&self, now: UnixMillis) -> Result<(), StoreError> {
        sqlx::query("SELECT reference FROM approvals LIMIT 1").fetch_optional(self.readers()).await?;
        let mut taken_at = self.pulse.0.lock().await;
        if taken_at.is_some_and(|at| at.elapsed() < TAKEN_FOR) {
            return Ok(());
        }
        let mut transaction = self.transaction().await?;
        sqlx::query(
            "INSERT INTO pulse (id, at_unix_ms, filler) VALUES (1, $1, $2) \
             ON CONFLICT (id) DO UPDATE SET at_unix_ms = $1, filler = $2",
        )
        .bind(sql_integer(now.0))
        .bind("0".repeat(FILLER_BYTES))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        *taken_at = Some(Instant::now());
        Ok(())
    }
}
