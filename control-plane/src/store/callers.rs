//! Whom proxies accept as callers: the keys of an organisation as a keys file, and the number of their changes.

use jiff::Timestamp;
use policy::UnixMillis;
use serde::Serialize;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::row::{count, flag, optional_moment, text};
use super::{Edit, Store, StoreError, Tier};

/// How far an organisation has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrgRevisions {
    pub(crate) org: String,
    /// The newest revision of its policy; 0: it has none yet.
    pub(crate) policy: u64,
    /// Counts the changes of its keys.
    pub(crate) keys: u64,
}

/// One secret in a keys file.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Entry {
    id: String,
    sha256: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    may_name_tenant: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
}

impl Store {
    /// The standard and agents' keys of an organisation that are not revoked, as a keys file in JSON, and the number of its
    /// changes. The same number always gives the same text: an entry a line, in order, and what has expired is in it too.
    /// `None`: there is no such organisation.
    pub(crate) async fn keys_document(&self, org: &str) -> Result<Option<(u64, String)>, StoreError> {
        // One statement, so that nothing changes between the number and the keys.
        let rows = sqlx::query(
            "SELECT orgs.keys_revision, holders.id, holders.tier, holders.tenant, holders.may_name_tenant, \
             holders.expires_at_unix_ms, secrets.sha256, secrets.expires_at_unix_ms AS secret_expires_at_unix_ms \
             FROM orgs LEFT JOIN holders ON holders.org = orgs.name AND holders.tier IN ('standard', 'agent') \
             AND holders.revoked_at_unix_ms IS NULL \
             LEFT JOIN secrets ON secrets.org = holders.org AND secrets.holder = holders.id WHERE orgs.name = $1",
        )
        .bind(org)
        .fetch_all(self.readers())
        .await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let revision = count(first, "keys_revision")?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in &rows {
            entries.extend(Entry::read(row)?);
        }
        // By bytes: the databases sort text in different ways.
        entries.sort_unstable();
        Ok(Some((revision, document(&entries)?)))
    }
}

impl Edit {
    /// Counts a change of what proxies accept as callers. Whatever writes a holder or its secrets comes here.
    pub(super) async fn callers_changed(&mut self, tier: Tier) -> Result<(), StoreError> {
        if !tier.runs() {
            return Ok(());
        }
        sqlx::query("UPDATE orgs SET keys_revision = keys_revision + 1 WHERE name = $1")
            .bind(&self.actor.org)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }
}

impl Entry {
    /// `None`: the organisation has no key.
    fn read(row: &AnyRow) -> Result<Option<Self>, StoreError> {
        let (Some(id), Some(sha256)) = (text(row, "id")?, text(row, "sha256")?) else { return Ok(None) };
        let ends =
            [optional_moment(row, "expires_at_unix_ms")?, optional_moment(row, "secret_expires_at_unix_ms")?];
        Ok(Some(Self {
            id,
            sha256,
            kind: Tier::read(&row.try_get::<String, _>("tier")?)?.as_str(),
            tenant: text(row, "tenant")?,
            may_name_tenant: flag(row, "may_name_tenant")?,
            expires: ends.into_iter().flatten().min_by_key(|end| end.0).map(moment),
        }))
    }
}

/// The whole second in which it ends: a keys file knows no parts of one.
fn moment(end: UnixMillis) -> String {
    let moment = i64::try_from(end.seconds()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    moment.unwrap_or(Timestamp::MAX).to_string()
}

fn document(entries: &[Entry]) -> Result<String, StoreError> {
    let mut text = "[".to_owned();
    for (number, entry) in entries.iter().enumerate() {
        let line = serde_json::to_string(entry).map_err(|_| StoreError::Unreadable("key"))?;
        text.push_str(if number == 0 { "\n" } else { ",\n" });
        text.push_str(&line);
    }
    text.push_str("\n]\n");
    Ok(text)
}

#[cfg(test)]
mod tests;
