//! Signing: claims to a receipt. This runs once for every call that a proxy forwards.

#[cfg(test)]
mod tests;

use serde_json::json;

use crate::base64url;
use crate::claims::Claims;
use crate::key::{KeyId, SigningKey};

/// The longest claims, as JSON, that are signed. With the longest header they still make a token that
/// [`verify`](crate::verify) takes.
pub const CLAIMS_MAX_BYTES: usize = 5 * 1024;

/// `typ` of every receipt.
pub(crate) const TYPE: &str = "oakgate-receipt+jwt";

/// Signs receipts with the signing key of a [`KeySet`](crate::KeySet).
#[derive(Clone, Debug)]
pub struct Signer {
    /// The header part of every token, with the point behind it.
    header: String,
    key: SigningKey,
}

/// The claims are longer than [`CLAIMS_MAX_BYTES`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the claims are longer than {CLAIMS_MAX_BYTES} bytes")]
pub struct ClaimsTooLong;

impl Signer {
    pub(crate) fn new(kid: &KeyId, key: SigningKey) -> Self {
        let header = json!({ "alg": key.algorithm(), "kid": kid, "typ": TYPE }).to_string();
        let header = format!("{}.", base64url::display(header.as_bytes()));
        Self { header, key }
    }

    /// A receipt of these claims: a JWS in compact form.
    ///
    /// # Errors
    /// [`ClaimsTooLong`]: no verifier would take it.
    pub fn sign(&self, claims: &Claims<'_>) -> Result<String, ClaimsTooLong> {
        let mut token = String::with_capacity(1024);
        self.sign_into(claims, &mut token)?;
        Ok(token)
    }

    /// [`Signer::sign`] into a string that is used again and again; what was in it is dropped.
    ///
    /// # Errors
    /// [`ClaimsTooLong`]; `token` is then empty.
    pub fn sign_into(&self, claims: &Claims<'_>, token: &mut String) -> Result<(), ClaimsTooLong> {
        token.clear();
        let mut buffer = [0; CLAIMS_MAX_BYTES];
        let mut free = buffer.as_mut_slice();
        // Text and numbers always have a JSON form: all that can fail is a full buffer.
        serde_json::to_writer(&mut free, claims).map_err(|_| ClaimsTooLong)?;
        let length_bytes = CLAIMS_MAX_BYTES - free.len();
        let (json, _) = buffer.split_at(length_bytes);
        token.push_str(&self.header);
        base64url::encode_into(json, token);
        self.key.append_signature(token);
        Ok(())
    }
}
