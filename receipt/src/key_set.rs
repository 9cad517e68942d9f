//! The keys that receipts are signed and verified with: a JWK set (RFC 7517 section 5) whose keys carry two
//! members more, `state` (`signing` or `verifying`) and `not_after` (Unix seconds).
//!
//! INVARIANT: ids are unique and at most one key signs. Secrets are wiped when the set is dropped.

#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::base64url;
use crate::json::{self, JsonError};
use crate::jwk::{JwkId, Key, KeyMistake, PublicJwk, State};
use crate::key::{InvalidKeyId, KeyId, VerifyingKey};
use crate::sign::Signer;

/// The longest text of a key set.
pub const KEY_SET_MAX_BYTES: usize = 64 * 1024;

/// The most keys of a set.
pub const KEYS_MAX: usize = 64;

/// The keys of one issuer.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<KnownKey>,
    signer: Option<Signer>,
}

/// Why a text is not a key set. It names keys by their ids and never repeats other text.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeySetError {
    /// A key that cannot be used.
    #[error("key `{kid}`: {mistake}")]
    Key {
        /// Which key.
        kid: KeyId,
        /// What is wrong with it.
        mistake: KeyMistake,
    },
    /// A key whose `kid` is missing or no [`KeyId`].
    #[error("key {position} of the set has no valid `kid`: {InvalidKeyId}")]
    KeyId {
        /// Counted from 1.
        position: usize,
    },
    /// Not JSON, no member `keys`, or a member twice in one object.
    #[error("not a JSON key set: {0}")]
    Json(#[from] JsonError),
    /// A set without keys.
    #[error("the key set holds no key")]
    NoKeys,
    /// More than [`KEY_SET_MAX_BYTES`].
    #[error("the key set is longer than {KEY_SET_MAX_BYTES} bytes")]
    TooLong,
    /// More than [`KEYS_MAX`].
    #[error("the key set holds more than {KEYS_MAX} keys")]
    TooManyKeys,
}

/// A key that verifies.
#[derive(Debug)]
struct KnownKey {
    id: KeyId,
    key: VerifyingKey,
    state: State,
    not_after_seconds: Option<u64>,
}

#[derive(Deserialize)]
struct JwkSet<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

impl KeySet {
    /// Reads a JWK set of `oct` keys (`HS256`) and `OKP` keys on `Ed25519` (`EdDSA`; with `d` it may sign).
    /// At most one key is in state `signing`. A set of one key needs no `state`: it signs if it can.
    /// A public key in state `signing` is the one that its owner signs with; this set then has no signer.
    /// The caller wipes `json`.
    ///
    /// # Errors
    /// [`KeySetError`] for the first mistake found.
    pub fn from_jwks(json: &[u8]) -> Result<Self, KeySetError> {
        if json.len() > KEY_SET_MAX_BYTES {
            return Err(KeySetError::TooLong);
        }
        let JwkSet { keys: jwks } = json::from_slice(json)?;
        match jwks.len() {
            0 => return Err(KeySetError::NoKeys),
            1..=KEYS_MAX => {}
            _ => return Err(KeySetError::TooManyKeys),
        }
        let only_key = jwks.len() == 1;
        let mut set = Self { keys: Vec::with_capacity(jwks.len()), signer: None };
        for (index, jwk) in jwks.into_iter().enumerate() {
            let position = index + 1;
            let kid = key_id(jwk).ok_or(KeySetError::KeyId { position })?;
            let added = Key::from_jwk(jwk).and_then(|mut key| {
                if only_key && key.state.is_none() {
                    key.state = Some(key.signing.as_ref().map_or(State::Verifying, |_| State::Signing));
                }
                set.add(&kid, key)
            });
            added.map_err(|mistake| KeySetError::Key { kid, mistake })?;
        }
        Ok(set)
    }

    /// The text of a new key file with one HMAC key, whose secret is `entropy`: 256 random bits.
    #[must_use]
    pub fn generate_hs256(kid: &KeyId, entropy: &[u8; 32]) -> Zeroizing<String> {
        let secret = secret_text(entropy);
        let members = [r#""kty":"oct","alg":"HS256","k":""#, &secret, r#"""#];
        key_file(kid, &Zeroizing::new(members.concat()))
    }

    /// The text of a new key file with one Ed25519 key, whose seed is `entropy`: 256 random bits.
    #[must_use]
    pub fn generate_ed25519(kid: &KeyId, entropy: &[u8; 32]) -> Zeroizing<String> {
        let public = ed25519_dalek::SigningKey::from_bytes(entropy).verifying_key();
        let x = base64url::display(public.as_bytes()).to_string();
        let secret = secret_text(entropy);
        let members =
            [r#""kty":"OKP","crv":"Ed25519","alg":"EdDSA","x":""#, &x, r#"","d":""#, &secret, r#"""#];
        key_file(kid, &Zeroizing::new(members.concat()))
    }

    /// What signs, if the set has a key in state `signing` and its secret.
    #[must_use]
    pub const fn signer(&self) -> Option<&Signer> {
        self.signer.as_ref()
    }

    /// The Ed25519 public keys as a JWK set, for `/.well-known/jwks.json`. HMAC keys are never in it.
    #[must_use]
    pub fn public_jwks(&self) -> String {
        let public = |known: &KnownKey| match &known.key {
            VerifyingKey::Ed25519(key) => {
                Some(json!(PublicJwk::new(&known.id, key, known.state, known.not_after_seconds)))
            }
            VerifyingKey::Hs256(_) => None,
        };
        json!({ "keys": self.keys.iter().filter_map(public).collect::<Vec<_>>() }).to_string()
    }

    /// The key of this id, unless it is past its `not_after`.
    pub(crate) fn find(&self, kid: &str, now_seconds: u64) -> Option<&VerifyingKey> {
        let known = self.keys.iter().find(|known| known.id.as_str() == kid)?;
        let is_good = known.not_after_seconds.is_none_or(|not_after| now_seconds <= not_after);
        is_good.then_some(&known.key)
    }

    fn add(&mut self, kid: &KeyId, key: Key) -> Result<(), KeyMistake> {
        let state = key.state.ok_or(KeyMistake::NoState)?;
        if self.keys.iter().any(|known| known.id == *kid) {
            return Err(KeyMistake::IdTwice);
        }
        if state == State::Signing {
            if self.keys.iter().any(|known| known.state == State::Signing) {
                return Err(KeyMistake::SecondSigningKey);
            }
            self.signer = key.signing.map(|signing| Signer::new(kid, signing));
        }
        let not_after_seconds = key.not_after_seconds;
        self.keys.push(KnownKey { id: kid.clone(), key: key.verifying, state, not_after_seconds });
        Ok(())
    }
}

fn key_id(jwk: &RawValue) -> Option<KeyId> {
    let JwkId { kid } = serde_json::from_str(jwk.get()).ok()?;
    kid?.parse().ok()
}

fn secret_text(secret: &[u8; 32]) -> Zeroizing<String> {
    // Room enough from the start: a string that grows leaves a copy behind.
    let mut text = Zeroizing::new(String::with_capacity(2 * secret.len()));
    base64url::encode_into(secret, &mut text);
    text
}

fn key_file(kid: &KeyId, members: &str) -> Zeroizing<String> {
    let parts = [r#"{"keys":[{"kid":""#, kid.as_str(), r#"","state":"signing","#, members, "}]}\n"];
    Zeroizing::new(parts.concat())
}
