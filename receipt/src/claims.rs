//! What a receipt says: the claims of its payload, named as on the wire.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base64url;
use crate::digest::Digest;

/// The claims of one receipt. Text is borrowed when signing and owned after verifying; an absent claim is
/// left out of the JSON. Claims that this version does not know are ignored when read: a claim that narrows
/// what a receipt is good for needs a new `typ`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Claims<'a> {
    /// What the receipt may be used for.
    #[serde(rename = "use")]
    pub use_: Use,
    /// Who decided: the configured name of a proxy or control plane.
    pub iss: Cow<'a, str>,
    /// The backend the call goes to.
    pub aud: Cow<'a, str>,
    /// The caller's id, never its key.
    pub sub: Cow<'a, str>,
    /// The organisation of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<Cow<'a, str>>,
    /// The tenant of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Cow<'a, str>>,
    /// The resource of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Cow<'a, str>>,
    /// The tool called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<Cow<'a, str>>,
    /// The method of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Cow<'a, str>>,
    /// The verdict that the receipt proves.
    pub verdict: Verdict,
    /// The level of the cascade that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Cow<'a, str>>,
    /// The rule that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Cow<'a, str>>,
    /// The policy revision decided on.
    pub policy: u64,
    /// The verdict was not enforced: the call was forwarded only because the policy observes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub observed: bool,
    /// The reference of the approval that let the call through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Cow<'a, str>>,
    /// SHA-256 of the exact body bytes forwarded: [`body_sha256`](crate::body_sha256).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_sha256: Option<Digest>,
    /// SHA-256 of the canonical form of the tool's arguments: [`args_sha256`](crate::args_sha256).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args_sha256: Option<Digest>,
    /// When it was issued, in Unix seconds. Evidence only: how long a receipt is good depends on `exp`.
    pub iat: u64,
    /// When it ends, in Unix seconds: from this second on it is refused.
    pub exp: u64,
    /// The nonce that makes it single-use.
    pub jti: Nonce,
}

/// What a receipt may be used for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Use {
    /// Set by a proxy on what it forwards: evidence for the backend.
    Stamp,
    /// From the check API: good for one run through a proxy.
    Grant,
    /// Evidence of a refusal.
    Verdict,
}

/// The verdict that a receipt proves.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The call may run.
    Allowed,
    /// The call may run once a person approves it.
    RequiresApproval,
    /// The call may not run.
    Disabled,
}

/// The `jti` of a receipt: 128 random bits, base64url in JSON and in `Display`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Nonce(#[serde(with = "base64url")] pub [u8; 16]);

/// Where a call goes, as a receipt names it. Two are the same only if the same parts are absent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Coordinates<'a> {
    /// The organisation of the call.
    pub org: Option<&'a str>,
    /// The tenant of the call.
    pub tenant: Option<&'a str>,
    /// The resource of the call.
    pub resource: Option<&'a str>,
    /// The tool called.
    pub tool: Option<&'a str>,
    /// The method of the call.
    pub method: Option<&'a str>,
}

impl Claims<'_> {
    /// The coordinates of the call that was decided.
    #[must_use]
    pub fn coordinates(&self) -> Coordinates<'_> {
        Coordinates {
            org: self.org.as_deref(),
            tenant: self.tenant.as_deref(),
            resource: self.resource.as_deref(),
            tool: self.tool.as_deref(),
            method: self.method.as_deref(),
        }
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        base64url::display(&self.0).fmt(f)
    }
}
