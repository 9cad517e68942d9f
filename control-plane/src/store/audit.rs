//! Audit records of proxies, each kept once however often it is sent.

use policy::UnixMillis;
use sqlx::{Any, AssertSqlSafe, Transaction};

use super::{Store, StoreError, sql_integer};

/// Records in one statement.
const GROUP_MAX: usize = 500;

/// Records of one proxy, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AuditRecords {
    pub(crate) org: String,
    pub(crate) proxy: String,
    /// The number of the first.
    pub(crate) first: u64,
    /// Each as JSON text, without a NUL.
    pub(crate) records: Vec<String>,
}

impl Store {
    /// Keeps records, all of them or none. One whose number is known already stays as it was.
    pub(crate) async fn store_audit(
        &self,
        batches: &[AuditRecords],
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let mut transaction = self.transaction().await?;
        for batch in batches {
            let mut first = batch.first;
            for records in batch.records.chunks(GROUP_MAX) {
                insert(&mut transaction, (batch, first, records), now).await?;
                first = first.saturating_add(u64::try_from(records.len()).unwrap_or(u64::MAX));
            }
        }
        transaction.commit().await?;
        Ok(())
    }
}

async fn insert(
    transaction: &mut Transaction<'static, Any>,
    (batch, first, records): (&AuditRecords, u64, &[String]),
    now: UnixMillis,
) -> Result<(), StoreError> {
    let rows: Vec<_> = (0..records.len())
        .map(|row| format!("($1, $2, ${}, ${}, $3)", row.saturating_mul(2) + 4, row.saturating_mul(2) + 5))
        .collect();
    let sql = format!(
        "INSERT INTO proxy_audit (org, proxy, sequence, record, received_at_unix_ms) VALUES {} \
         ON CONFLICT (org, proxy, sequence) DO NOTHING",
        rows.join(", ")
    );
    let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    let mut query = query.bind(&batch.org).bind(&batch.proxy).bind(sql_integer(now.0));
    for (sequence, record) in (first..).zip(records) {
        query = query.bind(sql_integer(sequence)).bind(record);
    }
    query.execute(&mut **transaction).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::on_both;

    #[test]
    fn a_record_is_kept_once() {
        on_both(async |database| {
            let store = database.store().await;
            let batch = |proxy: &str, first, records: std::ops::Range<u64>| AuditRecords {
                org: "acme".to_owned(),
                proxy: proxy.to_owned(),
                first,
                records: records.map(|number| format!("{{\"number\":{number}}}")).collect(),
            };
            let many = batch("gate-1", 1, 1..1201);
            store.store_audit(&[many.clone(), batch("gate-2", 1, 1..3)], UnixMillis(1)).await.unwrap();
            assert_eq!(store.count("proxy_audit").await, 1202);
            // Sent again after a cut, with one more; and what was there stays.
            store.store_audit(&[batch("gate-1", 1200, 7..9), many], UnixMillis(2)).await.unwrap();
            assert_eq!(store.count("proxy_audit").await, 1203);
            let sql = "SELECT record FROM proxy_audit WHERE proxy = 'gate-1' AND sequence >= 1200 ORDER BY sequence";
            let kept: Vec<String> = sqlx::query_scalar(sql).fetch_all(store.readers()).await.unwrap();
            assert_eq!(kept, ["{\"number\":1200}", "{\"number\":8}"]);
            store.store_audit(&[batch("gate-1", 5, 0..0)], UnixMillis(3)).await.unwrap();
        });
    }
}
