//! Holders of keys as JSON: as they are asked for, and as they are shown.

use policy::UnixMillis;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::super::moment::Moment;
use crate::key::Key;
use crate::names::{Description, EntryName, HolderId};
use crate::store::{Credential, Secret, Tier};

/// How long the key before goes on working when it is rotated, unless asked for otherwise: 24 hours.
const OVERLAP_SECONDS_DEFAULT: u32 = 24 * 60 * 60;

/// The longest that it may: 7 days.
const OVERLAP_SECONDS_MAX: u32 = 7 * 24 * 60 * 60;

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKey {
    // Who it will be, in policy and records: never used again for another. No doc comment: it would be described as an
    // object too.
    #[schema(inline)]
    pub(super) id: HolderId,
    #[schema(inline)]
    pub(super) tier: KeyTier,
    #[schema(inline)]
    pub(super) description: Option<Description>,
    /// The tenant that its calls belong to; only of standard keys.
    #[schema(inline)]
    pub(super) tenant: Option<EntryName>,
    /// Whether it may name a tenant with each call; only of standard keys.
    #[serde(default)]
    pub(super) may_name_tenant: bool,
    /// When it stops working; absent: never.
    #[schema(inline)]
    pub(super) expires_at: Option<Moment>,
}

/// An agent to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAgent {
    // Who it will be, in policy and records: never used again for another. No doc comment: it would be described as an
    // object too.
    #[schema(inline)]
    pub(super) id: HolderId,
    #[schema(inline)]
    pub(super) description: Option<Description>,
    /// The tenant that its calls belong to.
    #[schema(inline)]
    pub(super) tenant: Option<EntryName>,
    /// When its key stops working; absent: never.
    #[schema(inline)]
    pub(super) expires_at: Option<Moment>,
}

/// What a key is for: `management` configures and cannot run, `standard` runs and cannot configure.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum KeyTier {
    Management,
    Standard,
}

/// What is to change (RFC 7396): what is absent stays, `null` takes it away.
#[derive(Deserialize, ToSchema)]
#[schema(as = HolderChange)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Patch {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Description>, inline)]
    pub(super) description: Option<Option<Description>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<EntryName>, inline)]
    pub(super) tenant: Option<Option<EntryName>>,
    pub(super) may_name_tenant: Option<bool>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Moment>, inline)]
    pub(super) expires_at: Option<Option<Moment>>,
}

/// How a key is rotated.
#[derive(Deserialize, ToSchema)]
#[schema(as = Rotation)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Rotate {
    // How long the key before goes on working.
    #[serde(default)]
    #[schema(inline)]
    pub(super) overlap_seconds: Overlap,
}

/// Seconds that two keys of one holder work together.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(try_from = "u32")]
#[schema(value_type = u32, minimum = 0, maximum = 604_800, default = 86_400)]
pub(super) struct Overlap(u32);

/// A holder's page.
#[derive(Serialize, ToSchema)]
#[schema(as = HolderPage)]
pub(super) struct Page {
    pub(super) items: Vec<HolderDocument>,
    /// Asks for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
}

/// A holder of keys. What it lacks is left out.
#[derive(Serialize, ToSchema)]
#[schema(as = Holder)]
pub(in super::super) struct HolderDocument {
    id: String,
    #[schema(inline)]
    tier: TierName,
    #[schema(inline)]
    state: StateName,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    may_name_tenant: bool,
    #[schema(inline)]
    created_at: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    expires_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    revoked_at: Option<Moment>,
    /// Its keys that have not ended: two while it is rotated.
    secrets: Vec<SecretDocument>,
}

#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum TierName {
    Management,
    Standard,
    Agent,
    Proxy,
}

#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StateName {
    Good,
    Expired,
    Revoked,
}

/// What may be seen of a key.
#[derive(Serialize, ToSchema)]
#[schema(as = Secret)]
struct SecretDocument {
    /// Its first 12 characters.
    prefix: String,
    #[schema(inline)]
    created_at: Moment,
    /// When it ends, if another has taken its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    expires_at: Option<Moment>,
}

/// A holder with its new key.
#[derive(Serialize, ToSchema)]
#[schema(as = HolderWithKey)]
pub(in super::super) struct WithKey<'a> {
    /// The key itself: only in this answer, and not when it is repeated for the same `Idempotency-Key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    /// Of a proxy: the public half of the policy key, by which it knows what comes from its control plane.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_public_key: Option<&'a str>,
    #[serde(flatten)]
    holder: &'a HolderDocument,
}

impl HolderDocument {
    /// As it is at `now`.
    pub(in super::super) fn of(credential: Credential, now: UnixMillis) -> Self {
        let Credential { holder, secrets } = credential;
        let state = match (holder.revoked_at, holder.is_expired(now)) {
            (Some(_), _) => StateName::Revoked,
            (None, true) => StateName::Expired,
            (None, false) => StateName::Good,
        };
        let lives = |secret: &Secret| secret.expires_at.is_none_or(|end| now < end);
        Self {
            id: holder.id,
            tier: match holder.tier {
                Tier::Management => TierName::Management,
                Tier::Standard => TierName::Standard,
                Tier::Agent => TierName::Agent,
                Tier::Proxy => TierName::Proxy,
            },
            state,
            description: holder.description,
            tenant: holder.tenant,
            may_name_tenant: holder.may_name_tenant,
            created_at: Moment(holder.created_at),
            expires_at: holder.expires_at.map(Moment),
            revoked_at: holder.revoked_at.map(Moment),
            secrets: secrets.into_iter().filter(lives).map(SecretDocument::from).collect(),
        }
    }

    /// Without its key, as it is kept.
    pub(super) const fn with_policy_key<'a>(&'a self, policy_public_key: Option<&'a str>) -> WithKey<'a> {
        WithKey { key: None, policy_public_key, holder: self }
    }
}

impl<'a> WithKey<'a> {
    /// The same with its key.
    pub(super) fn with_key(&self, key: &'a Key) -> Self {
        Self { key: Some(key.expose()), ..*self }
    }
}

impl From<Secret> for SecretDocument {
    fn from(secret: Secret) -> Self {
        Self {
            prefix: secret.prefix,
            created_at: Moment(secret.created_at),
            expires_at: secret.expires_at.map(Moment),
        }
    }
}

impl From<KeyTier> for Tier {
    fn from(tier: KeyTier) -> Self {
        match tier {
            KeyTier::Management => Self::Management,
            KeyTier::Standard => Self::Standard,
        }
    }
}

impl Overlap {
    pub(super) const fn seconds(self) -> u64 {
        self.0 as u64
    }
}

impl Default for Overlap {
    fn default() -> Self {
        Self(OVERLAP_SECONDS_DEFAULT)
    }
}

impl TryFrom<u32> for Overlap {
    type Error = &'static str;

    fn try_from(seconds: u32) -> Result<Self, Self::Error> {
        if seconds <= OVERLAP_SECONDS_MAX { Ok(Self(seconds)) } else { Err("more than 7 days") }
    }
}

/// A field that is there, be it `null`.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
