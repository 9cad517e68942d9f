//! Organisations, and the management keys that only the host itself can give them: the first one, and one in place of
//! a lost one. Every other key comes from the API.

use std::fmt;

use policy::UnixMillis;
use serde_json::json;

use crate::actor::Actor;
use crate::clock;
use crate::key::Key;
use crate::names::{EntryName, HolderId, NameError};
use crate::store::{
    Begun, Edit, Holder, HolderAdded, HolderKind, Kept, OrgAdded, OrgRow, Record, Store, StoreError, Tier,
};

/// The id of an organisation's first management key, unless another is asked for.
pub const FIRST_KEY_ID: &str = "admin";

/// The organisations of a control plane.
#[derive(Clone, Debug)]
pub struct Orgs {
    store: Store,
}

/// An organisation, as others may see it.
#[derive(Clone, Debug)]
pub struct Org {
    /// Its name.
    pub name: String,
    /// The newest revision of its policy; 0: it has none yet.
    pub revision: u64,
    /// When it was added.
    pub created_at: UnixMillis,
}

/// A management key, to be shown once. Wiped when it is dropped.
pub struct ManagementKey(Key);

/// Why an organisation or its key could not be made.
#[derive(Debug, thiserror::Error)]
pub enum OrgsError {
    /// There is an organisation of that name.
    #[error("there is an organisation of that name already")]
    Exists,
    /// There is none.
    #[error("there is no organisation of that name")]
    Unknown,
    /// There are as many as there may be.
    #[error("there are too many organisations")]
    TooMany,
    /// The organisation has as many keys as it may.
    #[error("the organisation has too many keys")]
    TooManyKeys,
    /// That id belongs to something else than a good management key.
    #[error(
        "that id belongs to another key or agent, or to a key that was revoked or has expired; choose another"
    )]
    KeyTaken,
    /// A bad name.
    #[error("an organisation's name {0}")]
    Name(NameError),
    /// A bad id.
    #[error("a key's id {0}")]
    KeyId(NameError),
    /// The system gives no random numbers.
    #[error("no random numbers: {0}")]
    Entropy(#[from] getrandom::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Orgs {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Every organisation, by name.
    ///
    /// # Errors
    /// [`OrgsError::Store`].
    pub async fn list(&self) -> Result<Vec<Org>, OrgsError> {
        Ok(self.store.orgs().await?.into_iter().map(Org::from).collect())
    }

    /// Adds an organisation, and returns its first management key, which is never to be had again.
    ///
    /// # Errors
    /// [`OrgsError`]; nothing was added.
    pub async fn add(&self, name: &str, key_id: &str) -> Result<ManagementKey, OrgsError> {
        let name = EntryName::parse(name.to_owned()).map_err(OrgsError::Name)?;
        let id = HolderId::parse(key_id.to_owned()).map_err(OrgsError::KeyId)?;
        let mut edit = self.edit(name.as_str()).await?;
        match edit.add_org().await? {
            OrgAdded::Done => {}
            OrgAdded::Exists => return Err(OrgsError::Exists),
            OrgAdded::TooMany => return Err(OrgsError::TooMany),
        }
        let key = Key::mint(Tier::Management)?;
        add_holder(&mut edit, &id, &key).await?;
        commit(edit, "org.add", name.as_str(), &id, &key).await?;
        Ok(ManagementKey(key))
    }

    /// A new management key of an organisation: in place of the one of that id, which ends at once, or of a new id.
    ///
    /// # Errors
    /// [`OrgsError`]; everything stays as it was.
    pub async fn new_key(&self, name: &str, key_id: &str) -> Result<ManagementKey, OrgsError> {
        let id = HolderId::parse(key_id.to_owned()).map_err(OrgsError::KeyId)?;
        if EntryName::parse(name.to_owned()).is_err() || !self.store.has_org(name).await? {
            return Err(OrgsError::Unknown);
        }
        let mut edit = self.edit(name).await?;
        let key = Key::mint(Tier::Management)?;
        let action = match edit.credential(HolderKind::Key, id.as_str()).await? {
            None => {
                add_holder(&mut edit, &id, &key).await?;
                "key.create"
            }
            Some(known) => {
                let mut holder = known.holder;
                if holder.tier != Tier::Management || !holder.is_good(edit.now) {
                    return Err(OrgsError::KeyTaken);
                }
                edit.replace_secret(&mut holder, &key, 0).await?;
                "key.rotate"
            }
        };
        commit(edit, action, id.as_str(), &id, &key).await?;
        Ok(ManagementKey(key))
    }

    async fn edit(&self, org: &str) -> Result<Edit, StoreError> {
        match self.store.begin_edit(Actor::host(org), String::new(), None, clock::now()).await? {
            Begun::New(edit) => Ok(edit),
            // Nothing is repeated without an `Idempotency-Key`.
            Begun::Repeated(_) | Begun::KeyReused => Err(StoreError::Conflict),
        }
    }
}

async fn add_holder(edit: &mut Edit, id: &HolderId, key: &Key) -> Result<(), OrgsError> {
    let holder = Holder {
        org: edit.actor.org.clone(),
        id: id.to_string(),
        tier: key.tier(),
        description: None,
        tenant: None,
        may_name_tenant: false,
        version: 1,
        created_at: edit.now,
        expires_at: None,
        revoked_at: None,
    };
    match edit.add_holder(&holder, key).await? {
        HolderAdded::Done => Ok(()),
        HolderAdded::Exists => Err(OrgsError::KeyTaken),
        HolderAdded::TooMany => Err(OrgsError::TooManyKeys),
    }
}

async fn commit(
    edit: Edit,
    action: &'static str,
    object: &str,
    id: &HolderId,
    key: &Key,
) -> Result<(), StoreError> {
    let details = json!({"key": id.as_str(), "prefix": key.shown()});
    let record = Record { details: Some(details), ..Record::of(action, object) };
    let nobody_asks_again = Kept { status: 201, etag: None, location: None, body: String::new() };
    edit.commit(&record, &nobody_asks_again).await
}

impl ManagementKey {
    /// The key itself, to be shown to its owner once.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for ManagementKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ManagementKey(…)")
    }
}

impl From<OrgRow> for Org {
    fn from(row: OrgRow) -> Self {
        Self { name: row.name, revision: row.revision, created_at: row.created_at }
    }
}

#[cfg(test)]
mod tests;
