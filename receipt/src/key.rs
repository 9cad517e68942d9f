//! Keys ready for use: their ids, what they sign and what they accept. Debug output holds no key.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::Signer as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::ZeroizeOnDrop;

use crate::base64url;

/// The longest key id.
pub const KEY_ID_MAX_BYTES: usize = 128;

/// The shortest HMAC secret: the length of the digest (RFC 7518 section 3.2).
pub const SECRET_MIN_BYTES: usize = 32;

/// The id of a key, `kid` in JSON: 1 to [`KEY_ID_MAX_BYTES`] visible ASCII characters, but neither `"` nor `\`.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(transparent)]
pub struct KeyId(String);

/// The text cannot be a [`KeyId`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a key id is 1 to {KEY_ID_MAX_BYTES} visible ASCII characters without quotes and backslashes")]
pub struct InvalidKeyId;

/// `alg` of a receipt or key (RFC 7518, RFC 8037). There is no other, so none can be confused.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum Algorithm {
    #[serde(rename = "EdDSA")]
    EdDsa,
    #[serde(rename = "HS256")]
    Hs256,
}

/// What signs. The HMAC is kept keyed and cloned for each message.
#[derive(Clone)]
pub(crate) enum SigningKey {
    Ed25519(ed25519_dalek::SigningKey),
    Hs256(Hmac<Sha256>),
}

/// What tells a genuine signature.
pub(crate) enum VerifyingKey {
    Ed25519(ed25519_dalek::VerifyingKey),
    Hs256(Hmac<Sha256>),
}

/// Both kinds of key are wiped when dropped; a keyed HMAC is two of these hash states.
const _: () = {
    const fn wiped_on_drop<T: ZeroizeOnDrop>() {}
    wiped_on_drop::<ed25519_dalek::SigningKey>();
    wiped_on_drop::<Sha256>();
};

impl KeyId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyId {
    type Err = InvalidKeyId;

    fn from_str(text: &str) -> Result<Self, InvalidKeyId> {
        let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        let fits = (1..=KEY_ID_MAX_BYTES).contains(&text.len());
        if fits && text.bytes().all(is_plain) { Ok(Self(text.to_owned())) } else { Err(InvalidKeyId) }
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl SigningKey {
    /// A key from an HMAC secret; none if it is shorter than [`SECRET_MIN_BYTES`].
    pub(crate) fn hs256(secret: &[u8]) -> Option<Self> {
        if secret.len() < SECRET_MIN_BYTES {
            return None;
        }
        Hmac::new_from_slice(secret).ok().map(Self::Hs256)
    }

    pub(crate) const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::EdDsa,
            Self::Hs256(_) => Algorithm::Hs256,
        }
    }

    pub(crate) fn verifying_key(&self) -> VerifyingKey {
        match self {
            Self::Ed25519(key) => VerifyingKey::Ed25519(key.verifying_key()),
            Self::Hs256(keyed) => VerifyingKey::Hs256(keyed.clone()),
        }
    }

    /// Appends the signature of `token` as it stands: the last part of a JWS.
    pub(crate) fn append_signature(&self, token: &mut String) {
        match self {
            Self::Ed25519(key) => {
                let signature = key.sign(token.as_bytes()).to_bytes();
                append_part(&signature, token);
            }
            Self::Hs256(keyed) => {
                let signature = keyed.clone().chain_update(token.as_bytes()).finalize().into_bytes();
                append_part(&signature, token);
            }
        }
    }
}

fn append_part(bytes: &[u8], token: &mut String) {
    token.push('.');
    base64url::encode_into(bytes, token);
}

impl VerifyingKey {
    /// Whether `signature` is this key's for `message`. What the receipt says of its algorithm must be what
    /// the key is for; it never chooses. The HMAC is compared in constant time; Ed25519 is strict (no weak
    /// keys, no second form of a signature).
    pub(crate) fn accepts(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match (self, algorithm) {
            (Self::Ed25519(key), Algorithm::EdDsa) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            (Self::Hs256(keyed), Algorithm::Hs256) => {
                keyed.clone().chain_update(message).verify_slice(signature).is_ok()
            }
            (Self::Ed25519(_), Algorithm::Hs256) | (Self::Hs256(_), Algorithm::EdDsa) => false,
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} signing key [redacted]", self.algorithm())
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ed25519(_) => "EdDsa verifying key",
            Self::Hs256(_) => "Hs256 verifying key [redacted]",
        })
    }
}
