//! Organisations, and the management keys that only the host itself can give them: the first one, and one in place of
//! a lost one. Every other key comes from the API.

use std::fmt;
use std::io;

use policy::UnixMillis;
use serde_json::json;

use crate::actor::Actor;
use crate::clock;
use crate::key::Key;
use crate::names::{HolderId, Name, NameError};
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

/// A relay token, for the proxy that it was made for. Wiped when it is dropped.
pub struct RelayKey(Key);

/// What becomes of a good management key that has the id already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The new one takes its place, and it ends at once: it is lost.
    Replace,
    /// It stays, and there is no new one: somebody else may hold it.
    Refuse,
}

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
    /// That id belongs to a good management key, which was not to be replaced.
    #[error("there is a good management key of that id")]
    KeyHeld,
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
    /// The key could not be put where it lasts, so it is not good.
    #[error("it can't be kept: {0}")]
    Keep(#[source] io::Error),
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
        let name = Name::parse(name.to_owned()).map_err(OrgsError::Name)?;
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
        if Name::parse(name.to_owned()).is_err() || !self.store.has_org(name).await? {
            return Err(OrgsError::Unknown);
        }
        let mut edit = self.edit(name).await?;
        let key = Key::mint(Tier::Management)?;
        let action = put_key(&mut edit, (&id, Taken::Replace), &key).await?;
        commit(edit, action, id.as_str(), &id, &key).await?;
        Ok(ManagementKey(key))
    }

    /// A new management key of an organisation, which is added if it is missing. `keep` puts the key where it lasts,
    /// before it is good and the one that it replaces has ended.
    ///
    /// # Errors
    /// [`OrgsError`]; in the store everything stays as it was.
    pub async fn own_key(
        &self,
        name: &str,
        (key_id, taken): (&str, Taken),
        keep: impl FnOnce(&ManagementKey) -> io::Result<()>,
    ) -> Result<(), OrgsError> {
        let name = Name::parse(name.to_owned()).map_err(OrgsError::Name)?;
        let id = HolderId::parse(key_id.to_owned()).map_err(OrgsError::KeyId)?;
        let has_org = self.store.has_org(name.as_str()).await?;
        let mut edit = self.edit(name.as_str()).await?;
        let key = ManagementKey(Key::mint(Tier::Management)?);
        if !has_org && edit.add_org().await? == OrgAdded::TooMany {
            return Err(OrgsError::TooMany);
        }
        let action = put_key(&mut edit, (&id, taken), &key.0).await?;
        keep(&key).map_err(OrgsError::Keep)?;
        let (action, object) = if has_org { (action, id.as_str()) } else { ("org.add", name.as_str()) };
        Ok(commit(edit, action, object, &id, &key.0).await?)
    }

    /// A new relay token for the proxy of that name, which is added if it is missing: the one that it had ends at once.
    ///
    /// # Errors
    /// [`OrgsError`]; everything stays as it was.
    pub async fn own_proxy(&self, org: &str, name: &str) -> Result<RelayKey, OrgsError> {
        let id = HolderId::parse(name.to_owned()).map_err(OrgsError::KeyId)?;
        if Name::parse(org.to_owned()).is_err() || !self.store.has_org(org).await? {
            return Err(OrgsError::Unknown);
        }
        let mut edit = self.edit(org).await?;
        let key = Key::mint(Tier::Proxy)?;
        let action = match edit.credential(HolderKind::Proxy, id.as_str()).await? {
            None => {
                add_holder(&mut edit, &id, &key).await?;
                "proxy.create"
            }
            Some(known) if known.holder.is_good(edit.now) => {
                let mut holder = known.holder;
                edit.replace_secret(&mut holder, &key, 0).await?;
                "proxy.rotate"
            }
            Some(_) => return Err(OrgsError::KeyTaken),
        };
        commit(edit, action, id.as_str(), &id, &key).await?;
        Ok(RelayKey(key))
    }

    /// Whether that is a management key of the organisation, and good.
    ///
    /// # Errors
    /// [`OrgsError::Store`].
    pub async fn is_good_key(&self, name: &str, key: &str) -> Result<bool, OrgsError> {
        let Some(key) = Key::parse(key) else { return Ok(false) };
        let holder = self.store.holder_of_key(&key.sha256(), clock::now()).await?;
        Ok(holder.is_some_and(|holder| holder.tier == Tier::Management && holder.org == name))
    }

    async fn edit(&self, org: &str) -> Result<Edit, StoreError> {
        match self.store.begin_edit(Actor::host(org), String::new(), None, clock::now()).await? {
            Begun::New(edit) => Ok(edit),
            // Nothing is repeated without an `Idempotency-Key`.
            Begun::Repeated(_) | Begun::KeyReused => Err(StoreError::Conflict),
        }
    }
}

/// Gives a key to the holder of that id, who is added if there is none; returns the word for the record.
async fn put_key(
    edit: &mut Edit,
    (id, taken): (&HolderId, Taken),
    key: &Key,
) -> Result<&'static str, OrgsError> {
    let Some(known) = edit.credential(HolderKind::Key, id.as_str()).await? else {
        add_holder(edit, id, key).await?;
        return Ok("key.create");
    };
    let mut holder = known.holder;
    if holder.tier != Tier::Management || !holder.is_good(edit.now) {
        return Err(OrgsError::KeyTaken);
    }
    if taken == Taken::Refuse {
        return Err(OrgsError::KeyHeld);
    }
    edit.replace_secret(&mut holder, key, 0).await?;
    Ok("key.rotate")
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

impl RelayKey {
    /// The token itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for RelayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RelayKey(…)")
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
