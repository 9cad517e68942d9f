//! Who holds keys, and whose a key is. Of a key only the SHA-256 is kept.

use policy::UnixMillis;
use sqlx::any::AnyRow;
use sqlx::{Any, Executor, Row};

use super::error::in_table;
use super::row::{count, flag, moment, optional_moment, text};
use super::{Store, StoreError};

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
    /// One proxy: opens its link, and nothing else.
    Proxy,
}

impl Tier {
    /// Every tier.
    pub(crate) const ALL: [Self; 4] = [Self::Management, Self::Standard, Self::Agent, Self::Proxy];

    /// Whether its keys run calls, so that proxies must know them.
    pub(crate) const fn runs(self) -> bool {
        match self {
            Self::Standard | Self::Agent => true,
            Self::Management | Self::Proxy => false,
        }
    }

    /// The word used in records and on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Management => "management",
            Self::Standard => "standard",
            Self::Agent => "agent",
            Self::Proxy => "proxy",
        }
    }

    /// How its keys begin.
    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Self::Management => "oak_mgmt_",
            Self::Standard => "oak_live_",
            Self::Agent => "oak_agent_",
            Self::Proxy => "oak_proxy_",
        }
    }

    pub(super) fn read(word: &str) -> Result<Self, StoreError> {
        Self::ALL.into_iter().find(|tier| tier.as_str() == word).ok_or(StoreError::Unreadable("tier"))
    }
}

impl Store {
    /// Whose key has that SHA-256, if it is good at `now`. Asks the store each time, so that a revoked key is refused
    /// from then on by every control plane.
    pub(crate) async fn holder_of_key(
        &self,
        sha256: &str,
        now: UnixMillis,
    ) -> Result<Option<Holder>, StoreError> {
        holder_of_key(self.readers(), sha256, now).await
    }

    /// The proxy whose token has that SHA-256, if it is good at `now`. The key of anything but a proxy opens no link.
    pub(crate) async fn proxy_of_token(
        &self,
        sha256: &str,
        now: UnixMillis,
    ) -> Result<Option<Holder>, StoreError> {
        let holder = self.holder_of_key(sha256, now).await?;
        Ok(holder.filter(|holder| holder.tier == Tier::Proxy))
    }

    /// Whose key has that SHA-256, if it is good at `now`, and the newest revision of their organisation's policy (0: it
    /// has none). One statement for what every check of a permission asks.
    pub(crate) async fn holder_and_revision(
        &self,
        sha256: &str,
        now: UnixMillis,
    ) -> Result<Option<(Holder, u64)>, StoreError> {
        let row = sqlx::query(
            "SELECT holders.*, secrets.expires_at_unix_ms AS secret_expires_at_unix_ms, \
             orgs.revision AS org_revision FROM secrets \
             JOIN holders ON holders.org = secrets.org AND holders.id = secrets.holder \
             JOIN orgs ON orgs.name = holders.org WHERE secrets.sha256 = $1",
        )
        .bind(sha256)
        .fetch_optional(self.readers())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let revision = in_table("orgs", || count(&row, "org_revision"))?;
        Ok(good_holder(&row, now)?.map(|holder| (holder, revision)))
    }
}

pub(super) async fn holder_of_key(
    executor: impl Executor<'_, Database = Any>,
    sha256: &str,
    now: UnixMillis,
) -> Result<Option<Holder>, StoreError> {
    let row = sqlx::query(
        "SELECT holders.*, secrets.expires_at_unix_ms AS secret_expires_at_unix_ms FROM secrets \
         JOIN holders ON holders.org = secrets.org AND holders.id = secrets.holder WHERE secrets.sha256 = $1",
    )
    .bind(sha256)
    .fetch_optional(executor)
    .await?;
    row.map_or(Ok(None), |row| good_holder(&row, now))
}

fn good_holder(row: &AnyRow, now: UnixMillis) -> Result<Option<Holder>, StoreError> {
    let holder = Holder::read(row)?;
    let secret_end = in_table("secrets", || optional_moment(row, "secret_expires_at_unix_ms"))?;
    let is_good = holder.is_good(now) && secret_end.is_none_or(|end| now < end);
    Ok(is_good.then_some(holder))
}

impl Holder {
    pub(super) fn read(row: &AnyRow) -> Result<Self, StoreError> {
        in_table("holders", || {
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
        })
    }

    /// Whether its keys work.
    pub(crate) fn is_good(&self, now: UnixMillis) -> bool {
        self.revoked_at.is_none() && !self.is_expired(now)
    }

    /// Whether its time is over.
    pub(crate) fn is_expired(&self, now: UnixMillis) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Whether it configures, and nothing but its revocation would end that.
    pub(crate) fn configures_for_good(&self) -> bool {
        self.tier == Tier::Management && self.revoked_at.is_none() && self.expires_at.is_none()
    }
}
