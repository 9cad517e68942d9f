//! What is known of proxies that were linked once: which control plane they are at, what they have in force, and when
//! they were last seen.

use std::collections::HashMap;
use std::sync::Arc;

use policy::UnixMillis;
use sqlx::any::AnyRow;
use sqlx::{Any, AssertSqlSafe, Row, Transaction};

use super::row::{count, flag, moment, optional_moment, text};
use super::{Store, StoreError, sql_integer};

/// Most links in one statement.
const GROUP_MAX: usize = 1000;

/// A link of which nothing was heard for so long is gone, though nobody was there to say so. Several times as long as a
/// control plane takes from one look at its links to the next.
const GONE_AFTER_SECONDS: u64 = 60;

/// Longest version that is kept.
const VERSION_BYTES_MAX: usize = 64;

/// Longest reason of a refusal that is kept.
const REFUSAL_BYTES_MAX: usize = 1000;

/// One link of a proxy: there is no other of that proxy that began at the same moment at the same control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProxyLink {
    pub(crate) org: String,
    /// The proxy's name.
    pub(crate) proxy: String,
    /// The control plane that it is at.
    pub(crate) instance: String,
    pub(crate) connected_at: UnixMillis,
}

/// Something that happened to a link.
#[derive(Clone, Debug)]
pub(crate) struct LinkNote {
    pub(crate) link: Arc<ProxyLink>,
    pub(crate) at: UnixMillis,
    pub(crate) event: LinkEvent,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LinkEvent {
    /// It began. `boot` tells one run of the proxy from the next.
    Linked { version: String, boot: u64 },
    /// The proxy has a policy in force.
    Policy { revision: u64, sha256: String },
    /// The proxy has keys in force.
    Keys { revision: u64 },
    /// The proxy did not take what it was sent.
    Refused { why: String },
    /// It ended.
    Gone,
}

/// What was last seen of a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProxySeen {
    /// The control plane that it was at.
    pub(crate) instance: String,
    pub(crate) version: String,
    /// Tells one run of it from the next.
    pub(crate) boot: String,
    connected: bool,
    pub(crate) connected_at: UnixMillis,
    /// Or when its link ended.
    pub(crate) seen_at: UnixMillis,
    pub(crate) policy_revision: Option<u64>,
    pub(crate) policy_sha256: Option<String>,
    pub(crate) keys_revision: Option<u64>,
    pub(crate) last_refusal: Option<String>,
    pub(crate) last_refusal_at: Option<UnixMillis>,
}

impl Store {
    /// Writes down what happened to links, in order and in one transaction. What belongs to a link that another of the same
    /// proxy has followed changes nothing, and neither does the link of a proxy that has no token.
    pub(crate) async fn note_links(&self, notes: &[LinkNote]) -> Result<(), StoreError> {
        let mut transaction = self.transaction().await?;
        for note in notes {
            write(&mut transaction, note).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Writes down that these links of one control plane are there.
    pub(crate) async fn proxies_seen_now(
        &self,
        instance: &str,
        links: &[Arc<ProxyLink>],
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        for group in links.chunks(GROUP_MAX) {
            let pairs: Vec<_> =
                (0..group.len()).map(|pair| format!("(${}, ${})", 2 * pair + 3, 2 * pair + 4)).collect();
            let sql = format!(
                "UPDATE proxies_seen SET seen_at_unix_ms = $1 WHERE instance = $2 AND connected = 1 \
                 AND (org, proxy) IN (VALUES {})",
                pairs.join(", ")
            );
            let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
            let query = query.bind(sql_integer(now.0)).bind(instance);
            let query = group.iter().fold(query, |query, link| query.bind(&link.org).bind(&link.proxy));
            let mut transaction = self.transaction().await?;
            query.execute(&mut *transaction).await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    /// What was last seen of the proxies of an org whose names are between those two, both of them too; by name.
    pub(crate) async fn proxies_seen(
        &self,
        org: &str,
        first: &str,
        last: &str,
    ) -> Result<HashMap<String, ProxySeen>, StoreError> {
        let rows = sqlx::query("SELECT * FROM proxies_seen WHERE org = $1 AND proxy >= $2 AND proxy <= $3")
            .bind(org)
            .bind(first)
            .bind(last)
            .fetch_all(self.readers())
            .await?;
        rows.iter().map(|row| Ok((row.try_get("proxy")?, ProxySeen::read(row)?))).collect()
    }
}

impl ProxySeen {
    /// Whether its link is there.
    pub(crate) fn is_connected(&self, now: UnixMillis) -> bool {
        self.connected && now < self.seen_at.plus_seconds(GONE_AFTER_SECONDS)
    }

    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        let number = |column| {
            let number: Option<i64> = row.try_get(column)?;
            number.map(|_| count(row, column)).transpose()
        };
        Ok(Self {
            instance: row.try_get("instance")?,
            version: row.try_get("version")?,
            boot: row.try_get("boot")?,
            connected: flag(row, "connected")?,
            connected_at: moment(row, "connected_at_unix_ms")?,
            seen_at: moment(row, "seen_at_unix_ms")?,
            policy_revision: number("policy_revision")?,
            policy_sha256: text(row, "policy_sha256")?,
            keys_revision: number("keys_revision")?,
            last_refusal: text(row, "last_refusal")?,
            last_refusal_at: optional_moment(row, "last_refusal_at_unix_ms")?,
        })
    }
}

async fn write(transaction: &mut Transaction<'static, Any>, note: &LinkNote) -> Result<(), StoreError> {
    let LinkNote { link, at, event } = note;
    let set = match event {
        LinkEvent::Linked { version, boot } => return begin(transaction, note, version, *boot).await,
        LinkEvent::Policy { .. } => "policy_revision = $6, policy_sha256 = $7",
        LinkEvent::Keys { .. } => "keys_revision = $6",
        LinkEvent::Refused { .. } => "last_refusal = $6, last_refusal_at_unix_ms = $1",
        LinkEvent::Gone => "connected = 0",
    };
    let sql = format!(
        "UPDATE proxies_seen SET seen_at_unix_ms = $1, {set} \
         WHERE org = $2 AND proxy = $3 AND instance = $4 AND connected_at_unix_ms = $5"
    );
    let query = sqlx::query(AssertSqlSafe(sql))
        .bind(sql_integer(at.0))
        .bind(&link.org)
        .bind(&link.proxy)
        .bind(&link.instance)
        .bind(sql_integer(link.connected_at.0));
    let query = match event {
        LinkEvent::Linked { .. } | LinkEvent::Gone => query,
        LinkEvent::Policy { revision, sha256 } => query.bind(sql_integer(*revision)).bind(fit(sha256, 64)),
        LinkEvent::Keys { revision } => query.bind(sql_integer(*revision)),
        LinkEvent::Refused { why } => query.bind(fit(why, REFUSAL_BYTES_MAX)),
    };
    query.execute(&mut **transaction).await?;
    Ok(())
}

/// A link begins. What the proxy has in force is not known until it says so.
async fn begin(
    transaction: &mut Transaction<'static, Any>,
    note: &LinkNote,
    version: &str,
    boot: u64,
) -> Result<(), StoreError> {
    let LinkNote { link, at, .. } = note;
    sqlx::query(
        "INSERT INTO proxies_seen (org, proxy, instance, version, boot, connected, connected_at_unix_ms, seen_at_unix_ms) \
         SELECT org, id, $1, $2, $3, 1, $4, $5 FROM holders WHERE org = $6 AND id = $7 AND tier = 'proxy' \
         ON CONFLICT (org, proxy) DO UPDATE SET instance = $1, version = $2, boot = $3, connected = 1, \
         connected_at_unix_ms = $4, seen_at_unix_ms = $5, policy_revision = NULL, policy_sha256 = NULL, keys_revision = NULL \
         WHERE proxies_seen.connected_at_unix_ms <= $4",
    )
    .bind(&link.instance)
    .bind(fit(version, VERSION_BYTES_MAX))
    .bind(format!("{boot:016x}"))
    .bind(sql_integer(link.connected_at.0))
    .bind(sql_integer(at.0))
    .bind(&link.org)
    .bind(&link.proxy)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// A text of a proxy, short and without control characters: PostgreSQL takes no NUL.
fn fit(text: &str, bytes_max: usize) -> String {
    let shown = text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c });
    let mut fit = String::new();
    for c in shown {
        if fit.len() + c.len_utf8() > bytes_max {
            break;
        }
        fit.push(c);
    }
    fit
}

#[cfg(test)]
mod tests;
