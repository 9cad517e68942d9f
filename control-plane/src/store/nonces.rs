//! Nonces that were burned: each once, for everybody who shares the database.

use policy::UnixMillis;
use receipt::Nonce;

use super::{Edit, Store, StoreError, sql_integer};
use crate::nonces::{Burned, CLOCK_DIFFERENCE_MS_MAX};

/// Rows that one statement removes, so that no other writer waits long.
const SWEPT_ROWS_MAX: u32 = 1000;

impl Edit {
    /// Burns a nonce of the actor's organisation, whose receipt ends at `expires_at`.
    pub(crate) async fn burn(&mut self, nonce: &Nonce, expires_at: UnixMillis) -> Result<Burned, StoreError> {
        let done = sqlx::query(
            "INSERT INTO nonces (org, jti, expires_at_unix_ms) VALUES ($1, $2, $3) ON CONFLICT (org, jti) DO NOTHING",
        )
        .bind(&self.actor.org)
        .bind(nonce.to_string())
        .bind(sql_integer(expires_at.0))
        .execute(&mut *self.transaction)
        .await?;
        Ok(if done.rows_affected() == 1 { Burned::Now } else { Burned::Before })
    }
}

impl Store {
    /// Removes nonces that no receipt needs any more, a batch at most; says how many, and whether there may be more.
    pub(crate) async fn sweep_nonces(&self, now: UnixMillis) -> Result<(u64, bool), StoreError> {
        let before = UnixMillis(now.0.saturating_sub(CLOCK_DIFFERENCE_MS_MAX));
        let done = sqlx::query(
            "DELETE FROM nonces WHERE (org, jti) IN \
             (SELECT org, jti FROM nonces WHERE expires_at_unix_ms <= $1 LIMIT $2)",
        )
        .bind(sql_integer(before.0))
        .bind(i64::from(SWEPT_ROWS_MAX))
        .execute(self.writer())
        .await?;
        Ok((done.rows_affected(), done.rows_affected() == u64::from(SWEPT_ROWS_MAX)))
    }
}

#[cfg(test)]
mod tests;
