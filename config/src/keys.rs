//! The keys file: API keys by their SHA-256. A proxy with no control plane reads it from its disk; one that has a control
//! plane gets a text of the same form from there.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use policy::CallerKind;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Environment, Mistake, Mistakes, document};

/// More keys than this are refused.
const KEYS_MAX: usize = 100_000;
/// Keys of one id: one, and the one that takes its place.
const KEYS_OF_ID_MAX: usize = 2;
/// A key's id is no longer than this.
const ID_MAX_BYTES: usize = 128;
/// How the ids of callers begin that are known in other ways: no key may pass for one of them.
const RESERVED_IDS: [&str; 2] = ["jwt:", "spiffe:"];

/// API keys, found by the SHA-256 of the whole key.
#[derive(Clone, Debug, Default)]
pub struct Keys(HashMap<[u8; 32], ApiKey>);

/// One API key; never the key itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id: who is calling, in policy, records and receipts.
    pub id: String,
    /// What kind of caller it stands for.
    pub kind: KeyKind,
    /// The tenant that it belongs to.
    pub tenant: Option<String>,
    /// Whether its caller may name a tenant in `Oakgate-Tenant`.
    pub may_name_tenant: bool,
    /// When it stops working, in seconds since 1970.
    pub expires_unix_seconds: Option<i64>,
}

/// What kind of caller a key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyKind {
    /// A program that runs calls.
    Standard,
    /// One agent's identity.
    Agent,
}

/// Whose key it is, and how many of theirs came before.
struct Holder<'k> {
    key: &'k ApiKey,
    keys: usize,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
struct KeysSource(Vec<KeySource>);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct KeySource {
    id: String,
    sha256: String,
    kind: KeyKind,
    tenant: Option<String>,
    #[serde(default)]
    may_name_tenant: bool,
    expires: Option<String>,
}

impl From<KeyKind> for CallerKind {
    fn from(kind: KeyKind) -> Self {
        match kind {
            KeyKind::Standard => Self::Standard,
            KeyKind::Agent => Self::Agent,
        }
    }
}

impl Keys {
    /// Reads a keys file. An id may come twice, so that a key and the one that takes its place work side by side: then all
    /// but `sha256` and `expires` is the same in both.
    ///
    /// # Errors
    /// Every mistake in it. A file with any mistake gives no keys at all.
    pub fn read(name: &str, text: &str, environment: Environment) -> Result<Self, Mistakes> {
        Self::parse(text, environment).map_err(|list| Mistakes { file: name.to_owned(), list })
    }

    /// Every key with its SHA-256.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8; 32], &ApiKey)> {
        self.0.iter()
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn parse(text: &str, environment: Environment) -> Result<Self, Vec<Mistake>> {
        let KeysSource(sources) = document::read(text, environment)?;
        if sources.len() > KEYS_MAX {
            return Err(vec![Mistake::at("", format!("more than {KEYS_MAX} keys"))]);
        }
        let mut mistakes = Vec::new();
        let mut keys = Vec::with_capacity(sources.len());
        for (position, source) in sources.into_iter().enumerate() {
            if let Some((sha256, key)) = source.key(position, &mut mistakes) {
                keys.push((position, sha256, key));
            }
        }
        check_ids(&keys, &mut mistakes);
        let mut by_sha256 = HashMap::with_capacity(keys.len());
        for (position, sha256, key) in keys {
            if by_sha256.insert(sha256, key).is_some() {
                mistakes.push(Mistake::at(at(position, "sha256"), "an earlier key has the same"));
            }
        }
        if mistakes.is_empty() { Ok(Self(by_sha256)) } else { Err(mistakes) }
    }
}

impl KeySource {
    /// The key, unless its `sha256` is none. Whatever is wrong with it goes to `mistakes`.
    fn key(self, position: usize, mistakes: &mut Vec<Mistake>) -> Option<([u8; 32], ApiKey)> {
        let mut wrong = |field, what: String| mistakes.push(Mistake::at(at(position, field), what));
        if self.id.is_empty() || self.id.len() > ID_MAX_BYTES {
            wrong("id", format!("must have 1 to {ID_MAX_BYTES} bytes"));
        }
        if let Some(prefix) = RESERVED_IDS.iter().find(|prefix| self.id.starts_with(**prefix)) {
            wrong("id", format!("must not begin with `{prefix}`, which callers without a key have"));
        }
        let expires = self.expires.as_deref().map(str::parse::<jiff::Timestamp>);
        if let Some(Err(_)) = expires {
            wrong("expires", "must be a moment such as 2027-01-31T00:00:00Z".to_owned());
        }
        let sha256 = digest(&self.sha256);
        if sha256.is_none() {
            let what = "must be the 64 lower-case hexadecimal digits that `oakgate keys new` prints";
            wrong("sha256", what.to_owned());
        }
        let key = ApiKey {
            id: self.id,
            kind: self.kind,
            tenant: self.tenant,
            may_name_tenant: self.may_name_tenant,
            expires_unix_seconds: expires.and_then(Result::ok).map(jiff::Timestamp::as_second),
        };
        sha256.map(|sha256| (sha256, key))
    }
}

impl ApiKey {
    /// Whether both are of the same caller, who may do the same with either.
    fn stands_for_the_same(&self, other: &Self) -> bool {
        let Self { id, kind, tenant, may_name_tenant, expires_unix_seconds: _ } = self;
        (id, kind, tenant, may_name_tenant) == (&other.id, &other.kind, &other.tenant, &other.may_name_tenant)
    }
}

/// An id is of one caller, with no more keys than a rotation needs.
fn check_ids(keys: &[(usize, [u8; 32], ApiKey)], mistakes: &mut Vec<Mistake>) {
    let mut holders: HashMap<&str, Holder<'_>> = HashMap::with_capacity(keys.len());
    for (position, _, key) in keys {
        let id = &key.id;
        match holders.entry(id) {
            Entry::Vacant(vacant) => {
                vacant.insert(Holder { key, keys: 1 });
            }
            Entry::Occupied(mut occupied) => {
                let holder = occupied.get_mut();
                holder.keys += 1;
                let what = if !holder.key.stands_for_the_same(key) {
                    format!(
                        "`{id}` is the id of an earlier key that differs in more than `sha256` and `expires`"
                    )
                } else if holder.keys > KEYS_OF_ID_MAX {
                    format!("`{id}` has {KEYS_OF_ID_MAX} keys already")
                } else {
                    continue;
                };
                mistakes.push(Mistake::at(at(*position, "id"), what));
            }
        }
    }
}

/// The path of an entry's field.
fn at(position: usize, field: &str) -> String {
    format!("[{position}].{field}")
}

/// 64 lower-case hexadecimal digits as bytes.
fn digest(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let digits = text.as_bytes();
    if digits.len() != 64 || !digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
