//! Verifying: a token to claims that may be believed, or the reason why not.
//!
//! A receipt is judged in this order: form, key, signature, claims, life, use, audience, caller, call.
//! Nothing that it says of itself is acted on before its signature holds, except which key to look up.

#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::base64url;
use crate::claims::{Claims, Coordinates, Use, Verdict};
use crate::digest::{args_sha256, body_sha256};
use crate::json;
use crate::key::Algorithm;
use crate::key_set::KeySet;
use crate::refusal::Refusal;
use crate::sign::TYPE;

/// The longest token that is looked at.
pub const TOKEN_MAX_BYTES: usize = 8 * 1024;

/// What a receipt must be good for. What is `None` is not checked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expected<'a> {
    /// `aud`: the backend's name.
    pub audience: Option<&'a str>,
    /// `sub`: the id of the caller that presents it.
    pub caller: Option<&'a str>,
    /// `use`. A grant demanded must have the verdict `allowed` too.
    pub use_: Option<Use>,
    /// The coordinates of the call; those that are absent must be absent from the receipt.
    pub coordinates: Option<Coordinates<'a>>,
    /// The exact bytes of the body, for `body_sha256`; a receipt without that claim is refused.
    pub body: Option<&'a [u8]>,
    /// The arguments as JSON, for `args_sha256`; a receipt without that claim is refused.
    pub args: Option<&'a str>,
}

/// What a token says, believed by nobody.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unverified {
    /// The protected header.
    pub header: Map<String, Value>,
    /// The claims.
    pub claims: Map<String, Value>,
}

/// Verifies a receipt. `now_seconds` is Unix time. No clock difference is forgiven: from its `exp` on, a
/// receipt is refused.
///
/// # Errors
/// [`Refusal`], but never [`Refusal::Missing`] or [`Refusal::Replayed`], which are the caller's to find.
pub fn verify(
    keys: &KeySet,
    token: &str,
    expected: &Expected<'_>,
    now_seconds: u64,
) -> Result<Claims<'static>, Refusal> {
    let parts = Parts::of(token)?;
    let header: Header = decode_json(parts.header)?;
    if header.typ != TYPE {
        return Err(Refusal::Malformed);
    }
    let signature = base64url::decode(parts.signature).ok_or(Refusal::Malformed)?;
    let key = keys.find(&header.kid, now_seconds).ok_or(Refusal::UnknownKey)?;
    if !key.accepts(header.alg, parts.signed.as_bytes(), &signature) {
        return Err(Refusal::BadSignature);
    }
    let claims: Claims<'static> = decode_json(parts.claims)?;
    expected.check(&claims, now_seconds)?;
    Ok(claims)
}

/// Decodes a token without verifying it: its signature is not looked at.
///
/// # Errors
/// [`Refusal::Malformed`].
pub fn inspect(token: &str) -> Result<Unverified, Refusal> {
    let parts = Parts::of(token)?;
    Ok(Unverified { header: decode_json(parts.header)?, claims: decode_json(parts.claims)? })
}

/// The protected header: these members and no other. So `crit` is refused, and so is a key sent along.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: Algorithm,
    kid: String,
    typ: String,
}

/// The three parts of a JWS in compact form, and what of it is signed.
struct Parts<'a> {
    signed: &'a str,
    header: &'a str,
    claims: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    fn of(token: &'a str) -> Result<Self, Refusal> {
        if token.len() > TOKEN_MAX_BYTES {
            return Err(Refusal::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Refusal::Malformed)?;
        if claims.contains('.') {
            return Err(Refusal::Malformed);
        }
        Ok(Self { signed, header, claims, signature })
    }
}

fn decode_json<T: DeserializeOwned>(part: &str) -> Result<T, Refusal> {
    let json = base64url::decode(part).ok_or(Refusal::Malformed)?;
    json::from_slice(&json).map_err(|_| Refusal::Malformed)
}

impl<'a> Expected<'a> {
    /// What a proxy must demand of a receipt that is to run a call: all of it.
    #[must_use]
    pub const fn grant(
        audience: &'a str,
        caller: &'a str,
        coordinates: Coordinates<'a>,
        args: &'a str,
    ) -> Self {
        Self {
            audience: Some(audience),
            caller: Some(caller),
            use_: Some(Use::Grant),
            coordinates: Some(coordinates),
            body: None,
            args: Some(args),
        }
    }

    fn check(&self, claims: &Claims<'_>, now_seconds: u64) -> Result<(), Refusal> {
        if now_seconds >= claims.exp {
            return Err(Refusal::Expired);
        }
        self.check_use(claims)?;
        if self.audience.is_some_and(|audience| audience != claims.aud) {
            return Err(Refusal::WrongAudience);
        }
        if self.caller.is_some_and(|caller| caller != claims.sub) {
            return Err(Refusal::WrongCaller);
        }
        let same_coordinates = self.coordinates.is_none_or(|expected| expected == claims.coordinates());
        let same_body = self.body.is_none_or(|body| claims.body_sha256 == Some(body_sha256(body)));
        // Arguments without a digest are nobody's: they match no receipt.
        let same_args = self
            .args
            .is_none_or(|args| args_sha256(args).is_ok_and(|digest| claims.args_sha256 == Some(digest)));
        if same_coordinates && same_body && same_args { Ok(()) } else { Err(Refusal::WrongCall) }
    }

    fn check_use(&self, claims: &Claims<'_>) -> Result<(), Refusal> {
        match self.use_ {
            Some(Use::Grant) if claims.use_ != Use::Grant || claims.verdict != Verdict::Allowed => {
                Err(Refusal::NotAGrant)
            }
            Some(use_) if claims.use_ != use_ => Err(Refusal::WrongCall),
            _ => Ok(()),
        }
    }
}
