//! Holders with their secrets: listed, added, changed, rotated. Ids are never used again, so no holder is ever deleted.

use policy::UnixMillis;
use sqlx::any::AnyRow;
use sqlx::{Any, Executor, Row};

use super::holders::holder_of_key;
use super::row::{count, moment, optional_moment};
use super::{Edit, Holder, Store, StoreError, Tier, sql_integer};
use crate::key::Key;

/// Most holders of an org that are not revoked.
const HOLDERS_MAX: u64 = 10_000;

/// Most holders of an org, the revoked ones too.
const HOLDERS_EVER_MAX: u64 = 200_000;

/// A holder and its secrets, the older one first.
#[derive(Clone, Debug)]
pub(crate) struct Credential {
    pub(crate) holder: Holder,
    pub(crate) secrets: Vec<Secret>,
}

/// What may be seen of a secret: never itself, nor its SHA-256.
#[derive(Clone, Debug)]
pub(crate) struct Secret {
    /// Its first characters.
    pub(crate) prefix: String,
    pub(crate) created_at: UnixMillis,
    /// Set when another took its place.
    pub(crate) expires_at: Option<UnixMillis>,
}

/// The kinds of holders, each with a list of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HolderKind {
    /// Programs, with management and standard keys.
    Key,
    /// Agents.
    Agent,
    /// Proxies, with the tokens of their links.
    Proxy,
}

/// Whether a holder could be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HolderAdded {
    Done,
    /// There is or was one of that id.
    Exists,
    /// The org has as many as it may.
    TooMany,
}

impl HolderKind {
    const fn tiers(self) -> [Tier; 2] {
        match self {
            Self::Key => [Tier::Management, Tier::Standard],
            Self::Agent => [Tier::Agent, Tier::Agent],
            Self::Proxy => [Tier::Proxy, Tier::Proxy],
        }
    }
}

impl Store {
    /// Up to `limit` holders of an org whose ids come after `after`, by id.
    pub(crate) async fn credentials(
        &self,
        org: &str,
        kind: HolderKind,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Credential>, StoreError> {
        let [tier, other] = kind.tiers();
        let rows = sqlx::query(
            "SELECT page.*, secrets.prefix AS secret_prefix, secrets.created_at_unix_ms AS secret_created_at_unix_ms, \
             secrets.expires_at_unix_ms AS secret_expires_at_unix_ms FROM (SELECT * FROM holders WHERE org = $1 \
             AND tier IN ($2, $3) AND id > $4 ORDER BY id LIMIT $5) AS page \
             JOIN secrets ON secrets.org = page.org AND secrets.holder = page.id \
             ORDER BY page.id, secrets.created_at_unix_ms",
        )
        .bind(org)
        .bind(tier.as_str())
        .bind(other.as_str())
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await?;
        let mut credentials: Vec<Credential> = Vec::new();
        for row in &rows {
            let secret = Secret::read(row)?;
            let id: String = row.try_get("id")?;
            match credentials.last_mut() {
                Some(last) if last.holder.id == id => last.secrets.push(secret),
                _ => credentials.push(Credential { holder: Holder::read(row)?, secrets: vec![secret] }),
            }
        }
        Ok(credentials)
    }

    /// One holder of an org.
    pub(crate) async fn credential(
        &self,
        org: &str,
        kind: HolderKind,
        id: &str,
    ) -> Result<Option<Credential>, StoreError> {
        let mut connection = self.readers().acquire().await?;
        let Some(holder) = holder(&mut *connection, org, kind, id).await? else { return Ok(None) };
        let secrets = secrets(&mut *connection, org, id).await?;
        Ok(Some(Credential { holder, secrets }))
    }

    /// How many holders of each tier are good at `now`, in all organisations.
    pub(crate) async fn good_holders(&self, now: UnixMillis) -> Result<Vec<(String, u64)>, StoreError> {
        let rows = sqlx::query(
            "SELECT tier, COUNT(*) AS holders FROM holders WHERE revoked_at_unix_ms IS NULL \
             AND (expires_at_unix_ms IS NULL OR expires_at_unix_ms > $1) GROUP BY tier",
        )
        .bind(sql_integer(now.0))
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(|row| Ok((row.try_get("tier")?, count(row, "holders")?))).collect()
    }
}

impl Edit {
    /// Whether the key that this write came with is still good, now that no other write can come between.
    pub(crate) async fn key_is_good(&mut self, sha256: &str) -> Result<bool, StoreError> {
        Ok(holder_of_key(&mut *self.transaction, sha256, self.now).await?.is_some())
    }

    /// One holder of the actor's organisation.
    pub(crate) async fn credential(
        &mut self,
        kind: HolderKind,
        id: &str,
    ) -> Result<Option<Credential>, StoreError> {
        let org = &self.actor.org;
        let Some(holder) = holder(&mut *self.transaction, org, kind, id).await? else { return Ok(None) };
        let secrets = secrets(&mut *self.transaction, org, id).await?;
        Ok(Some(Credential { holder, secrets }))
    }

    /// How many other management keys of the organisation have no end.
    pub(crate) async fn others_that_configure_for_good(&mut self, id: &str) -> Result<u64, StoreError> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS holders FROM holders WHERE org = $1 AND id <> $2 AND tier = 'management' \
             AND revoked_at_unix_ms IS NULL AND expires_at_unix_ms IS NULL",
        )
        .bind(&self.actor.org)
        .bind(id)
        .fetch_one(&mut *self.transaction)
        .await?;
        count(&row, "holders")
    }

    /// Adds a holder of that key to the actor's organisation.
    pub(crate) async fn add_holder(&mut self, holder: &Holder, key: &Key) -> Result<HolderAdded, StoreError> {
        if self.has_too_many_holders().await? {
            return Ok(HolderAdded::TooMany);
        }
        let done = sqlx::query(
            "INSERT INTO holders (org, id, tier, description, tenant, may_name_tenant, version, \
             created_at_unix_ms, expires_at_unix_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
             ON CONFLICT (org, id) DO NOTHING",
        )
        .bind(&self.actor.org)
        .bind(&holder.id)
        .bind(holder.tier.as_str())
        .bind(&holder.description)
        .bind(&holder.tenant)
        .bind(i64::from(holder.may_name_tenant))
        .bind(sql_integer(holder.version))
        .bind(sql_integer(holder.created_at.0))
        .bind(holder.expires_at.map(|at| sql_integer(at.0)))
        .execute(&mut *self.transaction)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(HolderAdded::Exists);
        }
        self.add_secret(&holder.id, key).await?;
        self.callers_changed(holder.tier).await?;
        Ok(HolderAdded::Done)
    }

    /// Writes what can be changed of a holder, as its next version.
    pub(crate) async fn change_holder(&mut self, holder: &mut Holder) -> Result<(), StoreError> {
        holder.version += 1;
        let done = sqlx::query(
            "UPDATE holders SET description = $1, tenant = $2, may_name_tenant = $3, version = $4, \
             expires_at_unix_ms = $5, revoked_at_unix_ms = $6 WHERE org = $7 AND id = $8",
        )
        .bind(&holder.description)
        .bind(&holder.tenant)
        .bind(i64::from(holder.may_name_tenant))
        .bind(sql_integer(holder.version))
        .bind(holder.expires_at.map(|at| sql_integer(at.0)))
        .bind(holder.revoked_at.map(|at| sql_integer(at.0)))
        .bind(&self.actor.org)
        .bind(&holder.id)
        .execute(&mut *self.transaction)
        .await?;
        if done.rows_affected() != 1 {
            return Err(StoreError::Conflict);
        }
        self.callers_changed(holder.tier).await
    }

    /// Gives a holder another key, as its next version. The one it has goes on working for `overlap_seconds`; one that was
    /// on its way out already ends at once, so there are never more than two.
    pub(crate) async fn replace_secret(
        &mut self,
        holder: &mut Holder,
        key: &Key,
        overlap_seconds: u64,
    ) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM secrets WHERE org = $1 AND holder = $2 AND expires_at_unix_ms IS NOT NULL")
            .bind(&self.actor.org)
            .bind(&holder.id)
            .execute(&mut *self.transaction)
            .await?;
        sqlx::query("UPDATE secrets SET expires_at_unix_ms = $1 WHERE org = $2 AND holder = $3")
            .bind(sql_integer(self.now.plus_seconds(overlap_seconds).0))
            .bind(&self.actor.org)
            .bind(&holder.id)
            .execute(&mut *self.transaction)
            .await?;
        self.add_secret(&holder.id, key).await?;
        self.change_holder(holder).await
    }

    async fn has_too_many_holders(&mut self) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT COUNT(*) AS ever, COUNT(CASE WHEN revoked_at_unix_ms IS NULL THEN 1 END) AS holders \
             FROM holders WHERE org = $1",
        )
        .bind(&self.actor.org)
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(count(&row, "holders")? >= HOLDERS_MAX || count(&row, "ever")? >= HOLDERS_EVER_MAX)
    }

    async fn add_secret(&mut self, holder: &str, key: &Key) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO secrets (sha256, org, holder, prefix, created_at_unix_ms) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(key.sha256())
        .bind(&self.actor.org)
        .bind(holder)
        .bind(key.shown())
        .bind(sql_integer(self.now.0))
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }
}

impl Secret {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            prefix: row.try_get("secret_prefix")?,
            created_at: moment(row, "secret_created_at_unix_ms")?,
            expires_at: optional_moment(row, "secret_expires_at_unix_ms")?,
        })
    }
}

async fn holder(
    executor: impl Executor<'_, Database = Any>,
    org: &str,
    kind: HolderKind,
    id: &str,
) -> Result<Option<Holder>, StoreError> {
    let [tier, other] = kind.tiers();
    let row = sqlx::query("SELECT * FROM holders WHERE org = $1 AND id = $2 AND tier IN ($3, $4)")
        .bind(org)
        .bind(id)
        .bind(tier.as_str())
        .bind(other.as_str())
        .fetch_optional(executor)
        .await?;
    row.as_ref().map(Holder::read).transpose()
}

async fn secrets(
    executor: impl Executor<'_, Database = Any>,
    org: &str,
    holder: &str,
) -> Result<Vec<Secret>, StoreError> {
    let rows = sqlx::query(
        "SELECT prefix AS secret_prefix, created_at_unix_ms AS secret_created_at_unix_ms, \
         expires_at_unix_ms AS secret_expires_at_unix_ms FROM secrets WHERE org = $1 AND holder = $2 \
         ORDER BY created_at_unix_ms",
    )
    .bind(org)
    .bind(holder)
    .fetch_all(executor)
    .await?;
    rows.iter().map(Secret::read).collect()
}
