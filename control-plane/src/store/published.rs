//! What is asked for the sake of proxies that are linked: what changed, when it was made, and whose tokens are good.

use std::collections::HashSet;

use policy::UnixMillis;
use sqlx::{AssertSqlSafe, Row};

use super::row::{count, moment};
use super::{OrgRevisions, Store, StoreError, sql_integer};

/// Names in one statement.
const GROUP_MAX: usize = 1000;

/// A set of receipt keys: which one it is on this store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReceiptKeySet {
    /// From 1.
    pub(crate) revision: u64,
    /// When it was first seen.
    pub(crate) at: UnixMillis,
}

impl Store {
    /// How far these organisations have come. What is not there is not told.
    pub(crate) async fn revisions_of(&self, orgs: &[String]) -> Result<Vec<OrgRevisions>, StoreError> {
        let mut found = Vec::with_capacity(orgs.len());
        for group in orgs.chunks(GROUP_MAX) {
            let names = places(1, group.len());
            let sql = format!("SELECT name, revision, keys_revision FROM orgs WHERE name IN ({names})");
            let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
            let query = group.iter().fold(query, |query, org| query.bind(org));
            for row in query.fetch_all(self.readers()).await? {
                found.push(OrgRevisions {
                    org: row.try_get("name")?,
                    policy: count(&row, "revision")?,
                    keys: count(&row, "keys_revision")?,
                });
            }
        }
        Ok(found)
    }

    /// When a revision of a policy was made; `None`: there is no such revision.
    pub(crate) async fn revision_made_at(
        &self,
        org: &str,
        revision: u64,
    ) -> Result<Option<UnixMillis>, StoreError> {
        let row = sqlx::query("SELECT at_unix_ms FROM revisions WHERE org = $1 AND revision = $2")
            .bind(org)
            .bind(sql_integer(revision))
            .fetch_optional(self.readers())
            .await?;
        row.map(|row| moment(&row, "at_unix_ms")).transpose()
    }

    /// Which of these SHA-256 are of proxies' tokens that are good at `now`.
    pub(crate) async fn good_tokens(
        &self,
        sha256s: &[String],
        now: UnixMillis,
    ) -> Result<HashSet<String>, StoreError> {
        let mut good = HashSet::with_capacity(sha256s.len());
        for group in sha256s.chunks(GROUP_MAX) {
            let wanted = places(2, group.len());
            let sql = format!(
                "SELECT secrets.sha256 FROM secrets \
                 JOIN holders ON holders.org = secrets.org AND holders.id = secrets.holder \
                 WHERE holders.tier = 'proxy' AND holders.revoked_at_unix_ms IS NULL \
                 AND (holders.expires_at_unix_ms IS NULL OR holders.expires_at_unix_ms > $1) \
                 AND (secrets.expires_at_unix_ms IS NULL OR secrets.expires_at_unix_ms > $1) \
                 AND secrets.sha256 IN ({wanted})"
            );
            let query = sqlx::query(AssertSqlSafe(sql)).persistent(false).bind(sql_integer(now.0));
            let query = group.iter().fold(query, |query, sha256| query.bind(sha256));
            for row in query.fetch_all(self.readers()).await? {
                good.insert(row.try_get("sha256")?);
            }
        }
        Ok(good)
    }

    /// Which set of receipt keys has that SHA-256. One that is not the newest becomes it.
    pub(crate) async fn receipt_key_set(
        &self,
        sha256: &str,
        now: UnixMillis,
    ) -> Result<ReceiptKeySet, StoreError> {
        let mut transaction = self.transaction().await?;
        let newest = sqlx::query("SELECT * FROM receipt_key_sets ORDER BY revision DESC LIMIT 1")
            .fetch_optional(&mut *transaction)
            .await?;
        let mut revision = 1;
        if let Some(row) = newest {
            let newest = count(&row, "revision")?;
            if row.try_get::<String, _>("sha256")? == sha256 {
                return Ok(ReceiptKeySet { revision: newest, at: moment(&row, "at_unix_ms")? });
            }
            revision = newest.saturating_add(1);
        }
        sqlx::query("INSERT INTO receipt_key_sets (revision, sha256, at_unix_ms) VALUES ($1, $2, $3)")
            .bind(sql_integer(revision))
            .bind(sha256)
            .bind(sql_integer(now.0))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(ReceiptKeySet { revision, at: now })
    }
}

/// So many places for values, from that number on.
fn places(first: usize, count: usize) -> String {
    (first..).take(count).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{ORG, key, on_both};
    use crate::store::Tier;

    #[test]
    fn a_set_of_receipt_keys_that_is_not_the_newest_becomes_it() {
        on_both(async |database| {
            let (one, two) = (database.store().await, database.store().await);
            let steps = [("a", 1, 1), ("a", 1, 1), ("b", 2, 3), ("b", 2, 3), ("a", 3, 5)];
            for ((sha256, revision, at), now) in steps.into_iter().zip(1..) {
                let store = if now % 2 == 0 { &one } else { &two };
                let found = store.receipt_key_set(sha256, UnixMillis(now)).await.unwrap();
                assert_eq!(found, ReceiptKeySet { revision, at: UnixMillis(at) }, "{now}");
            }
        });
    }

    #[test]
    fn only_good_tokens_of_proxies_are_good() {
        on_both(async |database| {
            let store = database.store().await;
            let mut sha256s = vec!["0".repeat(64)];
            for (org, id, tier) in [
                (ORG, "gate-1", Tier::Proxy),
                (ORG, "gate-2", Tier::Proxy),
                ("other", "gate-1", Tier::Proxy),
                (ORG, "agent", Tier::Agent),
                (ORG, "ops", Tier::Management),
                (ORG, "gate-3", Tier::Proxy),
            ] {
                sha256s.push(key(&store, org, id, tier).await.sha256());
            }
            database
                .sql("UPDATE holders SET revoked_at_unix_ms = 5 WHERE org = 'acme' AND id = 'gate-2'")
                .await;
            database.sql("UPDATE secrets SET expires_at_unix_ms = 9 WHERE holder = 'gate-3'").await;
            let good = async |at| {
                let good = store.good_tokens(&sha256s, UnixMillis(at)).await.unwrap();
                (0..sha256s.len()).filter(|place| good.contains(&sha256s[*place])).collect::<Vec<_>>()
            };
            assert_eq!(good(8).await, [1, 3, 6]);
            assert_eq!(good(9).await, [1, 3]);
            assert!(store.good_tokens(&[], UnixMillis(1)).await.unwrap().is_empty());
        });
    }
}
