//! One key as a JSON Web Key (RFC 7517, RFC 7518, RFC 8037), read into a key ready for use.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::base64url;
use crate::key::{Algorithm, KeyId, SECRET_MIN_BYTES, SigningKey, VerifyingKey};

/// What is wrong with a key. It names members and repeats no value: the value may be a secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyMistake {
    /// Another key of the set has its `kid`.
    #[error("its `kid` occurs twice")]
    IdTwice,
    /// `d` and `x` are not of one pair.
    #[error("`d` and `x` are not a pair")]
    KeyPair,
    /// A member is of the wrong JSON type, or a secret is written with escapes.
    #[error("a member is not of the right type")]
    MemberType,
    /// A member that a key of this type needs is not there.
    #[error("it has no `{0}`")]
    NoMember(&'static str),
    /// Several keys, and this one does not say what it is for.
    #[error("it has no `state`, which a set of several keys needs")]
    NoState,
    /// A member is not base64url without padding, or not as long as it must be.
    #[error("`{0}` is not base64url of the right length")]
    NotBase64url(&'static str),
    /// `use` is not `sig`, or `key_ops` leaves out what the key is to do.
    #[error("its `use` or `key_ops` do not allow it")]
    NotPermitted,
    /// An Ed25519 public key that is no point of the curve, or a weak one.
    #[error("`x` is not a sound Ed25519 public key")]
    PublicKey,
    /// Another key of the set is in state `signing` already.
    #[error("it is the second key in state `signing`")]
    SecondSigningKey,
    /// An HMAC secret of less than [`SECRET_MIN_BYTES`].
    #[error("its secret is shorter than {SECRET_MIN_BYTES} bytes")]
    ShortSecret,
    /// `alg` is not `HS256` or `EdDSA`.
    #[error("its `alg` is not HS256 or EdDSA")]
    UnknownAlgorithm,
    /// `crv` is not `Ed25519`.
    #[error("its `crv` is not Ed25519")]
    UnknownCurve,
    /// `state` is not `signing` or `verifying`.
    #[error("its `state` is not signing or verifying")]
    UnknownState,
    /// `kty` is not `oct` or `OKP`.
    #[error("its `kty` is not oct or OKP")]
    UnknownType,
    /// `alg` does not go with `kty`.
    #[error("its `alg` is not one for its `kty`")]
    WrongAlgorithm,
}

/// What a key of a set is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Signing,
    Verifying,
}

/// A key as read. `signing` is there if it holds a secret and may sign, whatever its state.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) signing: Option<SigningKey>,
    pub(crate) verifying: VerifyingKey,
    pub(crate) state: Option<State>,
    pub(crate) not_after_seconds: Option<u64>,
}

/// The members that say which key it is. Read first, so that every later mistake can be told with it.
#[derive(Deserialize)]
pub(crate) struct JwkId {
    pub(crate) kid: Option<String>,
}

/// The members read; others are ignored (RFC 7517 section 4). Secrets are borrowed, never copied.
#[derive(Deserialize)]
struct Jwk<'a> {
    kty: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    k: Option<&'a str>,
    d: Option<&'a str>,
    x: Option<&'a str>,
    #[serde(rename = "use")]
    use_: Option<String>,
    key_ops: Option<Vec<String>>,
    state: Option<String>,
    not_after: Option<u64>,
}

/// The public half of an Ed25519 key, as served at `/.well-known/jwks.json`.
#[derive(Serialize)]
pub(crate) struct PublicJwk<'a> {
    kty: &'static str,
    crv: &'static str,
    kid: &'a KeyId,
    alg: Algorithm,
    x: String,
    #[serde(rename = "use")]
    use_: &'static str,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<u64>,
}

impl Key {
    pub(crate) fn from_jwk(jwk: &RawValue) -> Result<Self, KeyMistake> {
        let jwk: Jwk<'_> = serde_json::from_str(jwk.get()).map_err(|_| KeyMistake::MemberType)?;
        let (secret, verifying) = match jwk.kty.as_deref().ok_or(KeyMistake::NoMember("kty"))? {
            "oct" => jwk.hs256()?,
            "OKP" => jwk.ed25519()?,
            _ => return Err(KeyMistake::UnknownType),
        };
        let state = match jwk.state.as_deref() {
            None => None,
            Some("signing") => Some(State::Signing),
            Some("verifying") => Some(State::Verifying),
            Some(_) => return Err(KeyMistake::UnknownState),
        };
        let may_sign = jwk.permits("sign");
        let may_verify = state != Some(State::Signing) && jwk.permits("verify");
        if !(may_sign || may_verify) {
            return Err(KeyMistake::NotPermitted);
        }
        let signing = secret.filter(|_| may_sign);
        Ok(Self { signing, verifying, state, not_after_seconds: jwk.not_after })
    }
}

impl Jwk<'_> {
    fn hs256(&self) -> Result<(Option<SigningKey>, VerifyingKey), KeyMistake> {
        self.check_algorithm("HS256")?;
        let text = self.k.ok_or(KeyMistake::NoMember("k"))?;
        let secret = base64url::decode_secret(text).ok_or(KeyMistake::NotBase64url("k"))?;
        let key = SigningKey::hs256(&secret).ok_or(KeyMistake::ShortSecret)?;
        let verifying = key.verifying_key();
        Ok((Some(key), verifying))
    }

    fn ed25519(&self) -> Result<(Option<SigningKey>, VerifyingKey), KeyMistake> {
        self.check_algorithm("EdDSA")?;
        match self.crv.as_deref() {
            None => return Err(KeyMistake::NoMember("crv")),
            Some("Ed25519") => {}
            Some(_) => return Err(KeyMistake::UnknownCurve),
        }
        let text = self.x.ok_or(KeyMistake::NoMember("x"))?;
        let bytes = base64url::decode(text).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let public = ed25519_dalek::VerifyingKey::from_bytes(&bytes.ok_or(KeyMistake::NotBase64url("x"))?)
            .ok()
            .filter(|key| !key.is_weak())
            .ok_or(KeyMistake::PublicKey)?;
        let Some(text) = self.d else {
            return Ok((None, VerifyingKey::Ed25519(public)));
        };
        let secret = base64url::decode_secret(text).ok_or(KeyMistake::NotBase64url("d"))?;
        let secret = secret.as_slice().try_into().map_err(|_| KeyMistake::NotBase64url("d"))?;
        let key = ed25519_dalek::SigningKey::from_bytes(secret);
        if key.verifying_key() != public {
            return Err(KeyMistake::KeyPair);
        }
        Ok((Some(SigningKey::Ed25519(key)), VerifyingKey::Ed25519(public)))
    }

    /// `alg` may be left out, since the type of the key says it; what is there must agree.
    fn check_algorithm(&self, expected: &str) -> Result<(), KeyMistake> {
        match self.alg.as_deref() {
            None => Ok(()),
            Some(alg) if alg == expected => Ok(()),
            Some("HS256" | "EdDSA") => Err(KeyMistake::WrongAlgorithm),
            Some(_) => Err(KeyMistake::UnknownAlgorithm),
        }
    }

    /// Whether `use` and `key_ops` (RFC 7517 sections 4.2 and 4.3), where they are there, allow it.
    fn permits(&self, operation: &str) -> bool {
        let for_signatures = self.use_.as_deref().is_none_or(|use_| use_ == "sig");
        let has_operation = |operations: &Vec<String>| operations.iter().any(|known| known == operation);
        for_signatures && self.key_ops.as_ref().is_none_or(has_operation)
    }
}

impl<'a> PublicJwk<'a> {
    pub(crate) fn new(
        kid: &'a KeyId,
        key: &ed25519_dalek::VerifyingKey,
        state: State,
        not_after: Option<u64>,
    ) -> Self {
        let x = base64url::display(key.as_bytes()).to_string();
        Self { kty: "OKP", crv: "Ed25519", kid, alg: Algorithm::EdDsa, x, use_: "sig", state, not_after }
    }
}
