//! Who holds keys. Of a key only the SHA-256 is kept.

use policy::UnixMillis;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::row::{count, flag, moment, optional_moment, text};
use super::{Edit, Store, StoreError, sql_integer};
use crate::key::Key;

/// A program or an agent that has a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) org: String,
    pub(crate) id: String,
    pub(crate) tier: Tier,
    pub(crate) description: Option<String>,
    /// The tenant that its calls belong to.
    pub(crate) tenant: Option<String>,
    pub(crate) may_name_tenant: bool,
    /// Counts its changes, from 1.
    pub(crate) version: u64,
    pub(crate) created_at: UnixMillis,
    pub(crate) expires_at: Option<UnixMillis>,
    pub(crate) revoked_at: Option<UnixMillis>,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tier {
    /// Configures, and cannot run.
    Management,
    /// Runs, and cannot configure.
    Standard,
    /// One agent: may ask and poll, never decide.
    Agent,
}

impl Tier {
    /// The word used in records and on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Management => "management",
            Self::Standard => "standard",
            Self::Agent => "agent",
        }
    }

    /// How its keys begin.
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Self::Management => "oak_mgmt_",
            Self::Standard => "oak_live_",
            Self::Agent => "oak_agent_",
        }
    }

    fn read(word: &str) -> Result<Self, StoreError> {
        [Self::Management, Self::Standard, Self::Agent]
            .into_iter()
            .find(|tier| tier.as_str() == word)
            .ok_or(StoreError::Unreadable("tier"))
    }
}

impl Store {
    /// Whose key has that SHA-256, if it is good at `now`.
    pub(crate) async fn holder_of_key(
        &self,
        sha256: &str,
        now: UnixMillis,
    ) -> Result<Option<Holder>, StoreError> {
        let row = sqlx::query(
            "SELECT holders.*, secrets.expires_at_unix_ms AS secret_expires_at_unix_ms FROM secrets \
             JOIN holders ON holders.org = secrets.org AND holders.id = secrets.holder WHERE secrets.sha256 = $1",
        )
        .bind(sha256)
        .fetch_optional(self.readers())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let holder = Holder::read(&row)?;
        let is_over = |end: Option<UnixMillis>| end.is_some_and(|end| end <= now);
        let secret_end = optional_moment(&row, "secret_expires_at_unix_ms")?;
        let is_good = holder.revoked_at.is_none() && !is_over(holder.expires_at) && !is_over(secret_end);
        Ok(is_good.then_some(holder))
    }
}

impl Holder {
    pub(super) fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            org: row.try_get("org")?,
            id: row.try_get("id")?,
            tier: Tier::read(&row.try_get::<String, _>("tier")?)?,
            description: text(row, "description")?,
            tenant: text(row, "tenant")?,
            may_name_tenant: flag(row, "may_name_tenant")?,
            version: count(row, "version")?,
            created_at: moment(row, "created_at_unix_ms")?,
            expires_at: optional_moment(row, "expires_at_unix_ms")?,
            revoked_at: optional_moment(row, "revoked_at_unix_ms")?,
        })
    }
}

impl Store {
    /// Adds an organisation; `false`: there is one of that name.
    pub(crate) async fn add_org(&self, name: &str, now: UnixMillis) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "INSERT INTO orgs (name, created_at_unix_ms) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        )
        .bind(name)
        .bind(sql_integer(now.0))
        .execute(self.writer())
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

impl Edit {
    /// Adds a holder of that key to the actor's organisation; `false`: there is one of that id.
    pub(crate) async fn add_holder(&mut self, holder: &Holder, key: &Key) -> Result<bool, StoreError> {
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
            return Ok(false);
        }
        self.add_secret(&holder.id, key).await?;
        Ok(true)
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
