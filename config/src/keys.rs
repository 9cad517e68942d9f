//! The keys file: API keys by their SHA-256, for a proxy with no control plane.

use std::collections::HashMap;

use policy::CallerKind;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Environment, Mistake, Mistakes, document};

/// More keys than this are refused.
const KEYS_MAX: usize = 100_000;
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
    /// Reads a keys file.
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
        let mut keys: HashMap<[u8; 32], ApiKey> = HashMap::with_capacity(sources.len());
        let mut ids = std::collections::HashSet::new();
        for (position, source) in sources.into_iter().enumerate() {
            let at = |field: &str| format!("[{position}].{field}");
            if source.id.is_empty() || source.id.len() > ID_MAX_BYTES {
                mistakes.push(Mistake::at(at("id"), format!("must have 1 to {ID_MAX_BYTES} bytes")));
            }
            if let Some(prefix) = RESERVED_IDS.iter().find(|prefix| source.id.starts_with(**prefix)) {
                let what = format!("must not begin with `{prefix}`, which callers without a key have");
                mistakes.push(Mistake::at(at("id"), what));
            }
            if !ids.insert(source.id.clone()) {
                mistakes
                    .push(Mistake::at(at("id"), format!("`{}` is the id of an earlier key too", source.id)));
            }
            let expires_unix_seconds = match source.expires.as_deref().map(str::parse::<jiff::Timestamp>) {
                None => None,
                Some(Ok(moment)) => Some(moment.as_second()),
                Some(Err(_)) => {
                    mistakes
                        .push(Mistake::at(at("expires"), "must be a moment such as 2027-01-31T00:00:00Z"));
                    None
                }
            };
            let Some(sha256) = digest(&source.sha256) else {
                let what = "must be the 64 lower-case hexadecimal digits that `oakgate keys new` prints";
                mistakes.push(Mistake::at(at("sha256"), what));
                continue;
            };
            let key = ApiKey {
                id: source.id,
                kind: source.kind,
                tenant: source.tenant,
                may_name_tenant: source.may_name_tenant,
                expires_unix_seconds,
            };
            if keys.insert(sha256, key).is_some() {
                mistakes.push(Mistake::at(at("sha256"), "an earlier key has the same"));
            }
        }
        if mistakes.is_empty() { Ok(Self(keys)) } else { Err(mistakes) }
    }
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
