//! An issuer's keys: a JWK set (RFC 7517).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use config::Algorithm;
use policy::UnixMillis;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::jws::{algorithm_named, strict_object};
use super::refused::TokenRefused;
use crate::refusal::Refusal;

/// A set with more keys is refused.
pub(super) const KEYS_MAX: usize = 100;
/// A larger document is refused.
pub(super) const JWKS_MAX_BYTES: usize = 256 * 1024;
/// Sizes of an RSA key.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A document is no JWK set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoJwks {
    /// It is not one JSON object with a list `keys`, read strictly.
    #[error("is not a JWK set: one JSON object with a list `keys`, no key of an object twice")]
    NotJson,
    /// It is too large.
    #[error("is larger than {JWKS_MAX_BYTES} bytes")]
    TooLarge,
    /// It has too many keys.
    #[error("has more than {KEYS_MAX} keys")]
    TooManyKeys,
}

/// One key that verifies signatures.
#[derive(Debug)]
pub(crate) struct Key {
    pub(super) id: Option<String>,
    /// The only algorithm it is for, if it says so.
    algorithm: Option<Algorithm>,
    material: Material,
    /// Until when it may be believed, in milliseconds since 1970; 0 once it is no longer one of its issuer's.
    good_until: AtomicU64,
}

#[derive(Debug, PartialEq, Eq)]
enum Material {
    Ed25519(Vec<u8>),
    /// An uncompressed point.
    P256(Vec<u8>),
    /// An uncompressed point.
    P384(Vec<u8>),
    /// Modulus and exponent, big-endian, without leading zeros.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

/// The keys of a set that can verify anything, as written.
#[derive(Debug)]
pub(crate) struct Keys(pub(super) Vec<Arc<Key>>);

#[derive(Deserialize)]
struct JwkSource {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<IgnoredAny>,
}

impl Keys {
    /// Reads a set. Keys that are of no use here are passed over, as RFC 7517, section 5, has it.
    pub(crate) fn parse(document: &[u8]) -> Result<Self, NoJwks> {
        if document.len() > JWKS_MAX_BYTES {
            return Err(NoJwks::TooLarge);
        }
        let mut document = strict_object(document).ok_or(NoJwks::NotJson)?;
        let Some(Value::Array(keys)) = document.remove("keys") else { return Err(NoJwks::NotJson) };
        if keys.len() > KEYS_MAX {
            return Err(NoJwks::TooManyKeys);
        }
        let usable = |key: Value| serde_json::from_value(key).ok().and_then(Key::of).map(Arc::new);
        Ok(Self(keys.into_iter().filter_map(usable).collect()))
    }
}

impl Key {
    /// A key for signatures; `None` for any other, and for one that is too small or whose secret part everybody can read.
    fn of(source: JwkSource) -> Option<Self> {
        let may_verify = source.usage.as_deref().is_none_or(|usage| usage == "sig")
            && source.key_ops.as_ref().is_none_or(|uses| uses.iter().any(|usage| usage == "verify"))
            && source.d.is_none();
        let algorithm = match source.alg.as_deref() {
            None => None,
            Some(name) => Some(algorithm_named(name)?),
        };
        let material = Material::of(&source)?;
        let key = Self { id: source.kid, algorithm, material, good_until: AtomicU64::new(0) };
        let agrees = algorithm.is_none_or(|algorithm| key.fits(algorithm));
        (may_verify && agrees).then_some(key)
    }

    /// Whether it may verify signatures with an algorithm.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        let is_of_its_kind = match self.material {
            Material::Ed25519(_) => algorithm == EdDSA,
            Material::P256(_) => algorithm == ES256,
            Material::P384(_) => algorithm == ES384,
            Material::Rsa { .. } => matches!(algorithm, RS256 | RS384 | RS512 | PS256 | PS384 | PS512),
        };
        is_of_its_kind && self.algorithm.is_none_or(|own| own == algorithm)
    }

    /// Whether a signature is one of this key's.
    pub(super) fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        let plain = |kind: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(kind, key).verify(signed, signature).is_ok()
        };
        match (&self.material, algorithm) {
            _ if !self.fits(algorithm) => false,
            (Material::Ed25519(key), _) => plain(&signature::ED25519, key),
            // The two numbers side by side (RFC 7518, section 3.4), not DER.
            (Material::P256(key), _) => plain(&signature::ECDSA_P256_SHA256_FIXED, key),
            (Material::P384(key), _) => plain(&signature::ECDSA_P384_SHA384_FIXED, key),
            (Material::Rsa { n, e }, algorithm) => rsa(algorithm).is_some_and(|parameters| {
                RsaPublicKeyComponents { n, e }.verify(parameters, signed, signature).is_ok()
            }),
        }
    }

    /// Whether it is one of its issuer's still, and was seen to be not too long ago.
    pub(crate) fn check(&self, now: UnixMillis) -> Result<(), Refusal> {
        match self.good_until.load(Ordering::Relaxed) {
            0 => Err(Refusal::Token(TokenRefused::Key)),
            until if until <= now.0 => Err(Refusal::UnverifiableCredential),
            _ => Ok(()),
        }
    }

    pub(super) fn trust_until(&self, until_ms: u64) {
        self.good_until.store(until_ms, Ordering::Relaxed);
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && self.algorithm == other.algorithm && self.material == other.material
    }
}

impl Material {
    fn of(source: &JwkSource) -> Option<Self> {
        let bytes = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?).ok();
        let sized = |text: &Option<String>, size: usize| bytes(text).filter(|bytes| bytes.len() == size);
        let point = |size| Some([vec![4], sized(&source.x, size)?, sized(&source.y, size)?].concat());
        match (source.kty.as_str(), source.crv.as_deref()) {
            ("EC", Some("P-256")) => point(32).map(Self::P256),
            ("EC", Some("P-384")) => point(48).map(Self::P384),
            ("OKP", Some("Ed25519")) => sized(&source.x, 32).map(Self::Ed25519),
            ("RSA", None) => {
                let number = |text| Some(bytes(text)?.into_iter().skip_while(|byte| *byte == 0).collect());
                let (n, e): (Vec<u8>, Vec<u8>) = (number(&source.n)?, number(&source.e)?);
                let spare = usize::try_from(n.first()?.leading_zeros()).ok()?;
                RSA_BITS.contains(&(n.len() * 8 - spare)).then_some(Self::Rsa { n, e })
            }
            _ => None,
        }
    }
}

fn rsa(algorithm: Algorithm) -> Option<&'static signature::RsaParameters> {
    Some(match algorithm {
        Algorithm::RS256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RS384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &signature::RSA_PSS_2048_8192_SHA512,
        Algorithm::ES256 | Algorithm::ES384 | Algorithm::EdDSA => return None,
    })
}
