//! The policy key: what a control plane signs documents with, and what proxies know it by (Ed25519, RFC 8032).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const SECRET_PREFIX: &str = "oak_policy_secret_";
const PUBLIC_PREFIX: &str = "oak_policy_public_";

/// Comes before everything that a policy key signs, so that no signature of it means anything elsewhere.
const DOMAIN: &[u8] = b"oakgate.sync.v1\n";

/// The secret half. Only control planes, and whoever makes bundles, have it.
pub struct PolicyKey(SigningKey);

/// The public half, which proxies pin.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PolicyPublicKey(VerifyingKey);

/// A signature over the header of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct HeaderSignature([u8; 64]);

/// Text that is no key, or no signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The secret half was expected.
    #[error("not a policy key: it must be `{SECRET_PREFIX}` and 43 characters of base64url")]
    Secret,
    /// The public half was expected.
    #[error(
        "not the public half of a policy key: it must be `{PUBLIC_PREFIX}` and 43 characters of base64url"
    )]
    Public,
    /// The secret half stands where the public one belongs.
    #[error("this is the secret half of a policy key; proxies need the public one, `{PUBLIC_PREFIX}...`")]
    SecretForPublic,
    /// A signature was expected.
    #[error("not a signature: it must be 86 characters of base64url")]
    Signature,
}

impl PolicyKey {
    /// A new key from 256 random bits.
    #[must_use]
    pub fn generate(entropy: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(entropy))
    }

    /// Reads what [`PolicyKey::to_text`] wrote.
    ///
    /// # Errors
    /// [`KeyError::Secret`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let encoded = text.trim_end().strip_prefix(SECRET_PREFIX).ok_or(KeyError::Secret)?;
        let seed: Option<Zeroizing<[u8; 32]>> = decode(encoded).map(Zeroizing::new);
        Ok(Self(SigningKey::from_bytes(&*seed.ok_or(KeyError::Secret)?)))
    }

    /// The text of its file.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let seed = Zeroizing::new(self.0.to_bytes());
        let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(*seed));
        Zeroizing::new([SECRET_PREFIX, &encoded, "\n"].concat())
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> PolicyPublicKey {
        PolicyPublicKey(self.0.verifying_key())
    }

    pub(crate) fn sign(&self, header: &str) -> HeaderSignature {
        HeaderSignature(self.0.sign(&[DOMAIN, header.as_bytes()].concat()).to_bytes())
    }
}

impl PolicyPublicKey {
    /// Strictly: of the signatures that a lax reader takes, only the one that a signer makes.
    pub(crate) fn verifies(&self, header: &str, signature: &HeaderSignature) -> bool {
        let signature = Signature::from_bytes(&signature.0);
        self.0.verify_strict(&[DOMAIN, header.as_bytes()].concat(), &signature).is_ok()
    }
}

impl FromStr for PolicyPublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let text = text.trim_end();
        if text.starts_with(SECRET_PREFIX) {
            return Err(KeyError::SecretForPublic);
        }
        let bytes = text.strip_prefix(PUBLIC_PREFIX).and_then(decode).ok_or(KeyError::Public)?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::Public)?;
        if key.is_weak() { Err(KeyError::Public) } else { Ok(Self(key)) }
    }
}

impl fmt::Display for PolicyPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC_PREFIX}{}", URL_SAFE_NO_PAD.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for PolicyPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for PolicyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PolicyKey(secret half of {})", self.public())
    }
}

impl From<PolicyPublicKey> for String {
    fn from(key: PolicyPublicKey) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for PolicyPublicKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<HeaderSignature> for String {
    fn from(signature: HeaderSignature) -> Self {
        URL_SAFE_NO_PAD.encode(signature.0)
    }
}

impl TryFrom<String> for HeaderSignature {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        decode(&text).map(Self).ok_or(KeyError::Signature)
    }
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_and_signs_the_same() {
        let key = PolicyKey::generate(&[7; 32]);
        let again = PolicyKey::parse(&key.to_text()).unwrap();
        let signature = key.sign("a header");
        assert_eq!(again.sign("a header"), signature);
        let public: PolicyPublicKey = key.public().to_string().parse().unwrap();
        assert!(public.verifies("a header", &signature));
        assert!(!public.verifies("another", &signature));
        assert!(!PolicyKey::generate(&[8; 32]).public().verifies("a header", &signature));
    }

    #[test]
    fn texts_that_are_no_keys_say_what_they_should_be() {
        let key = PolicyKey::generate(&[7; 32]);
        assert_eq!(key.to_text().parse::<PolicyPublicKey>(), Err(KeyError::SecretForPublic));
        assert_eq!(PolicyKey::parse(&key.public().to_string()).err(), Some(KeyError::Secret));
        for text in ["", "oak_policy_public_", "oak_policy_public_AAAA", "x"] {
            assert_eq!(text.parse::<PolicyPublicKey>(), Err(KeyError::Public), "{text}");
        }
        // The neutral point: it verifies anything.
        let weak = format!("{PUBLIC_PREFIX}AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(weak.parse::<PolicyPublicKey>(), Err(KeyError::Public));
    }

    #[test]
    fn the_secret_half_is_not_shown() {
        let key = PolicyKey::generate(&[7; 32]);
        assert!(!format!("{key:?}").contains("BwcHBw"));
    }
}
