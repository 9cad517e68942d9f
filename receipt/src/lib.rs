//! Decision receipts: a signed, single-use proof of one verdict, as a JWS in compact form (RFC 7515).
//!
//! A proxy or control plane signs [`Claims`] with the [`Signer`] of a [`KeySet`]; a tool server calls
//! [`verify`] with what it [expects](Expected). The crate reads no clock, no file and no entropy: time,
//! key text and nonces are arguments. What a receipt cannot know by itself stays with the caller: that
//! one was sent at all ([`Refusal::Missing`]) and that its nonce is unused ([`Refusal::Replayed`]).
//!
//! ```
//! use receipt::{Claims, Expected, KeyId, KeySet, Nonce, Refusal, Use, Verdict, body_sha256, verify};
//!
//! let key_file = KeySet::generate_hs256(&"k1".parse::<KeyId>()?, &[7; 32]);
//! let keys = KeySet::from_jwks(key_file.as_bytes())?;
//! let signer = keys.signer().ok_or("the set has no signing key")?;
//! let claims = Claims {
//!     use_: Use::Stamp,
//!     iss: "gate-1".into(),
//!     aud: "files".into(),
//!     sub: "agent-7".into(),
//!     org: Some("acme".into()),
//!     tenant: None,
//!     resource: None,
//!     tool: Some("write_file".into()),
//!     method: None,
//!     verdict: Verdict::Allowed,
//!     level: Some("org/tool".into()),
//!     rule: Some("r1".into()),
//!     policy: 42,
//!     observed: false,
//!     approval: None,
//!     body_sha256: Some(body_sha256(b"{}")),
//!     args_sha256: None,
//!     iat: 1_767_225_600,
//!     exp: 1_767_225_900,
//!     jti: Nonce([1; 16]),
//! };
//! let token = signer.sign(&claims)?;
//!
//! let expected = Expected { audience: Some("files"), body: Some(b"{}"), ..Expected::default() };
//! assert_eq!(verify(&keys, &token, &expected, 1_767_225_601)?, claims);
//! assert_eq!(verify(&keys, &token, &expected, 1_767_225_900), Err(Refusal::Expired));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod base64url;
mod claims;
mod digest;
mod json;
mod jwk;
mod key;
mod key_set;
mod refusal;
mod sign;
mod verify;

pub use claims::{Claims, Coordinates, Nonce, Use, Verdict};
pub use digest::{ARGUMENTS_MAX_BYTES, ArgumentsError, Digest, args_sha256, body_sha256};
pub use json::JsonError;
pub use jwk::KeyMistake;
pub use key::{InvalidKeyId, KEY_ID_MAX_BYTES, KeyId, SECRET_MIN_BYTES};
pub use key_set::{KEY_SET_MAX_BYTES, KEYS_MAX, KeySet, KeySetError};
pub use refusal::Refusal;
pub use sign::{CLAIMS_MAX_BYTES, ClaimsTooLong, Signer};
pub use verify::{Expected, TOKEN_MAX_BYTES, Unverified, inspect, verify};
