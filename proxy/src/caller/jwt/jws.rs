//! A signed token in compact form (RFC 7515, section 3.1), taken apart as strictly as can be.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use config::Algorithm;
use protocol::json::Reader;
use serde_json::{Map, Value};

use super::refused::TokenRefused;

/// A token, taken apart. Nothing in it is to be believed before its signature is verified.
#[derive(Debug)]
pub(super) struct Jws<'a> {
    pub(super) algorithm: Algorithm,
    /// The key it says it is signed with.
    pub(super) key_id: Option<String>,
    /// What is signed.
    pub(super) signed: &'a [u8],
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Takes a token apart. Keys that the token itself brings or points to (`jwk`, `jku`, `x5c`, `x5u`) are not looked at.
    pub(super) fn parse(token: &'a str) -> Result<Self, TokenRefused> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenRefused::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenRefused::Malformed)?;
        // A fourth part would be no base64url.
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenRefused::Malformed);
        let header = strict_object(&decoded(header)?).ok_or(TokenRefused::Malformed)?;
        if header.contains_key("crit") {
            return Err(TokenRefused::Critical);
        }
        if !header.get("typ").is_none_or(is_access_token) {
            return Err(TokenRefused::Type);
        }
        let algorithm = header.get("alg").and_then(Value::as_str).ok_or(TokenRefused::Malformed)?;
        let key_id = match header.get("kid") {
            None => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(_) => return Err(TokenRefused::Malformed),
        };
        Ok(Self {
            algorithm: algorithm_named(algorithm).ok_or(TokenRefused::Algorithm)?,
            key_id,
            signed: signed.as_bytes(),
            payload: decoded(payload)?,
            signature: decoded(signature)?,
        })
    }
}

/// One JSON object that all readers read alike.
pub(super) fn strict_object(bytes: &[u8]) -> Option<Map<String, Value>> {
    let mut reader = Reader::new(bytes).ok()?;
    reader.skip().ok()?;
    reader.finish().ok()?;
    serde_json::from_slice(bytes).ok()
}

/// The algorithm of a name in `alg`. `Ed25519` is the newer name of what `EdDSA` is here (RFC 9864).
pub(super) fn algorithm_named(name: &str) -> Option<Algorithm> {
    Some(match name {
        "RS256" => Algorithm::RS256,
        "RS384" => Algorithm::RS384,
        "RS512" => Algorithm::RS512,
        "PS256" => Algorithm::PS256,
        "PS384" => Algorithm::PS384,
        "PS512" => Algorithm::PS512,
        "ES256" => Algorithm::ES256,
        "ES384" => Algorithm::ES384,
        "EdDSA" | "Ed25519" => Algorithm::EdDSA,
        _ => return None,
    })
}

/// Media types compare without case, and may go without `application/` (RFC 7515, section 4.1.9).
fn is_access_token(kind: &Value) -> bool {
    let kind = kind.as_str().unwrap_or_default().to_ascii_lowercase();
    matches!(kind.strip_prefix("application/").unwrap_or(&kind), "jwt" | "at+jwt")
}
