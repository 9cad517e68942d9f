//! People and their sessions: who may decide.
//!
//! A session is a secret of 256 random bits that a person holds. It is shown once; its SHA-256 is kept.

use std::fmt;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use policy::UnixMillis;
use policy::approval::{Approver, PersonId};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::clock;
use crate::names::{HOST_ID, Name, NameError};
use crate::store::{Added, PersonRow, Store, StoreError};

/// How every session begins.
const SESSION_PREFIX: &str = "oak_session_";

/// Random bytes in a session.
const SESSION_BYTES: usize = 32;

/// Those bytes as base64url.
const SESSION_CHARS: usize = 43;

/// The longest life of a session: 90 days.
pub const SESSION_SECONDS_MAX: u64 = 90 * 24 * 60 * 60;

/// The people of a control plane.
#[derive(Clone, Debug)]
pub struct People {
    store: Store,
}

/// Somebody to be added.
#[derive(Clone, Debug)]
pub struct NewPerson {
    /// Their organisation: they see and decide nothing of another.
    pub org: String,
    /// Their id, and the groups they are in.
    pub approver: Approver,
    /// What people call them.
    pub name: String,
    /// How long their first session lasts; at most [`SESSION_SECONDS_MAX`].
    pub session_seconds: u64,
}

/// A person, as others may see them.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their organisation.
    pub org: String,
    /// Their id, and the groups they are in.
    pub approver: Approver,
    /// What people call them.
    pub name: String,
    /// When their session ends, or ended.
    pub session_expires_at: UnixMillis,
}

/// A session's secret: `oak_session_` and 43 characters of base64url. Wiped when it is dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Session(String);

/// Why a person or session could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// The org has a person of that id.
    #[error("there is a person of that id already")]
    Exists,
    /// The org has nobody of that id.
    #[error("there is no person of that id")]
    Unknown,
    /// The org has as many people as it may.
    #[error("the organisation has too many people")]
    TooMany,
    /// A bad name of a person or an org.
    #[error("a name {0}")]
    Name(NameError),
    /// A bad id.
    #[error("a person's id {0}")]
    Id(NameError),
    /// A session of no time, or longer than 90 days.
    #[error("a session must last from 1 second to 90 days")]
    SessionLength,
    /// The session could not be put where it lasts, so it is not good.
    #[error("it can't be kept: {0}")]
    Keep(#[source] io::Error),
    /// The system gives no random numbers.
    #[error("no random numbers: {0}")]
    Entropy(#[from] getrandom::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl People {
    pub(crate) fn new(store: Store) -> Self {
        Self { store }
    }

    /// Adds a person, and returns their session, which is never to be had again.
    ///
    /// # Errors
    /// [`PeopleError`]; nobody was added.
    pub async fn create(&self, person: NewPerson) -> Result<Session, PeopleError> {
        self.create_kept(person, |_| Ok(())).await
    }

    /// The same. `keep` puts the session where it lasts, before it is good.
    ///
    /// # Errors
    /// [`PeopleError`]; nobody was added.
    pub async fn create_kept(
        &self,
        person: NewPerson,
        keep: impl FnOnce(&Session) -> io::Result<()>,
    ) -> Result<Session, PeopleError> {
        for name in [&person.name, &person.org] {
            Name::parse(name.clone()).map_err(PeopleError::Name)?;
        }
        if person.approver.id.as_str() == HOST_ID {
            return Err(PeopleError::Id(NameError::Host));
        }
        let now = clock::now();
        let row = PersonRow {
            session_expires_at: expiry(person.session_seconds, now)?,
            org: person.org,
            name: person.name,
            approver: person.approver,
        };
        let session = Session::mint()?;
        keep(&session).map_err(PeopleError::Keep)?;
        match self.store.add_person(&row, &session.sha256(), now).await? {
            Added::Done => Ok(session),
            Added::Exists => Err(PeopleError::Exists),
            Added::TooMany => Err(PeopleError::TooMany),
        }
    }

    /// Gives a person a new session; the old one ends at once.
    ///
    /// # Errors
    /// [`PeopleError`]; the old session stays.
    pub async fn renew_session(
        &self,
        org: &str,
        id: &PersonId,
        seconds: u64,
    ) -> Result<Session, PeopleError> {
        self.renew_session_kept(org, id, seconds, |_| Ok(())).await
    }

    /// The same. `keep` puts the session where it lasts, before it is good and the old one has ended.
    ///
    /// # Errors
    /// [`PeopleError`]; the old session stays.
    pub async fn renew_session_kept(
        &self,
        org: &str,
        id: &PersonId,
        seconds: u64,
        keep: impl FnOnce(&Session) -> io::Result<()>,
    ) -> Result<Session, PeopleError> {
        let now = clock::now();
        let expires_at = expiry(seconds, now)?;
        let session = Session::mint()?;
        keep(&session).map_err(PeopleError::Keep)?;
        let found = self.store.replace_session(org, id, Some(&session.sha256()), expires_at, now).await?;
        if found { Ok(session) } else { Err(PeopleError::Unknown) }
    }

    /// Ends a person's session at once.
    ///
    /// # Errors
    /// [`PeopleError`]; the session stays.
    pub async fn end_session(&self, org: &str, id: &PersonId) -> Result<(), PeopleError> {
        let now = clock::now();
        let found = self.store.replace_session(org, id, None, now, now).await?;
        if found { Ok(()) } else { Err(PeopleError::Unknown) }
    }

    /// Everybody of an org, by id.
    ///
    /// # Errors
    /// [`PeopleError::Store`].
    pub async fn list(&self, org: &str) -> Result<Vec<Person>, PeopleError> {
        Ok(self.store.people(org).await?.into_iter().map(Person::from).collect())
    }

    /// Whose session that is, if it is one and lasts still.
    pub(crate) async fn session_owner(
        &self,
        session: &Session,
        now: UnixMillis,
    ) -> Result<Option<Person>, StoreError> {
        let sha256 = session.sha256();
        let found = self.store.session_owner(&sha256).await?;
        Ok(found.and_then(|(person, kept)| {
            let same = bool::from(sha256.as_bytes().ct_eq(kept.as_bytes()));
            (same && now < person.session_expires_at).then(|| Person::from(person))
        }))
    }
}

impl From<PersonRow> for Person {
    fn from(row: PersonRow) -> Self {
        Self {
            org: row.org,
            approver: row.approver,
            name: row.name,
            session_expires_at: row.session_expires_at,
        }
    }
}

impl Session {
    /// Reads what somebody presents as a session. `None`: it has not the form of one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bits = text.strip_prefix(SESSION_PREFIX)?;
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (bits.len() == SESSION_CHARS && bits.bytes().all(is_base64url)).then(|| Self(text.to_owned()))
    }

    /// The secret itself, to be shown to its owner once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn mint() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; SESSION_BYTES]);
        getrandom::fill(bytes.as_mut())?;
        let mut text = String::with_capacity(SESSION_PREFIX.len() + SESSION_CHARS);
        text.push_str(SESSION_PREFIX);
        URL_SAFE_NO_PAD.encode_string(bytes.as_ref(), &mut text);
        Ok(Self(text))
    }

    fn sha256(&self) -> String {
        Sha256::digest(self.0.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session(…)")
    }
}

fn expiry(seconds: u64, now: UnixMillis) -> Result<UnixMillis, PeopleError> {
    if (1..=SESSION_SECONDS_MAX).contains(&seconds) {
        Ok(now.plus_seconds(seconds))
    } else {
        Err(PeopleError::SessionLength)
    }
}

#[cfg(test)]
mod tests;
