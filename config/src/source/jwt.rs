//! Callers with tokens, as written.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// Whose tokens a listener takes: JSON Web Tokens (RFC 7519) of one issuer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JwtSource {
    /// The authorization server, as tokens say it in `iss`.
    pub issuer: String,
    /// Whom tokens must be for: one of these in `aud`. Without it, and with the listener's `public_url`, the URL of the
    /// backend that is called.
    pub audience: Option<TextsSource>,
    /// Where its keys are: a JWK set (RFC 7517). Without it and `jwks_file`, where the issuer's metadata says.
    pub jwks_url: Option<String>,
    /// A file with its keys, watched.
    pub jwks_file: Option<PathBuf>,
    /// Certificates (PEM) by which the server of the keys is known; the system's unless set.
    pub ca_file: Option<PathBuf>,
    /// Algorithms that tokens may be signed with.
    #[serde(default = "default_algorithms")]
    #[schemars(length(min = 1))]
    pub algorithms: Vec<AlgorithmSource>,
    /// How far the issuer's clock may be from this one.
    #[serde(default = "default_clock_skew_seconds")]
    #[schemars(range(max = 300))]
    pub clock_skew_seconds: u32,
    /// How often the keys are fetched; sooner if their server says so in `Cache-Control`.
    #[serde(default = "default_jwks_refresh_seconds")]
    #[schemars(range(min = 1, max = 86_400))]
    pub jwks_refresh_seconds: u32,
    /// How often they are fetched at most, however many tokens name a key that is not known.
    #[serde(default = "default_jwks_min_interval_seconds")]
    #[schemars(range(min = 1, max = 3600))]
    pub jwks_min_interval_seconds: u32,
    /// How long keys are good while their server can't be reached.
    #[serde(default = "default_jwks_max_age_seconds")]
    #[schemars(range(min = 1, max = 604_800))]
    pub jwks_max_age_seconds: u32,
    /// The claim that says who calls.
    #[serde(default = "default_caller_claim")]
    pub caller_claim: String,
    /// The claim that says which tenant's caller it is. A token without it is refused.
    pub tenant_claim: Option<String>,
    /// What in a token makes its caller an agent; without it none is.
    pub agent_when: Option<AgentWhenSource>,
    /// Scopes that every token must have; 403 without.
    #[serde(default)]
    pub required_scopes: Vec<String>,
    /// Scopes that clients learn of, beside the required ones.
    #[serde(default)]
    pub scopes_supported: Vec<String>,
}

/// One text, or several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TextsSource {
    /// One.
    One(String),
    /// Any of these.
    Several(Vec<String>),
}

/// A claim, and the values of it that only agents have.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentWhenSource {
    /// The claim, such as `client_id`.
    pub claim: String,
    /// Its values; where the claim is a list, one of them in it is enough.
    pub values: TextsSource,
}

/// Algorithms of signatures (RFC 7518, RFC 8037). Those with a shared secret, and `none`, do not exist here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum AlgorithmSource {
    /// RSA with PKCS #1 v1.5 and SHA-256.
    RS256,
    /// RSA with PKCS #1 v1.5 and SHA-384.
    RS384,
    /// RSA with PKCS #1 v1.5 and SHA-512.
    RS512,
    /// RSA-PSS with SHA-256.
    PS256,
    /// RSA-PSS with SHA-384.
    PS384,
    /// RSA-PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// Ed25519.
    EdDSA,
}

fn default_algorithms() -> Vec<AlgorithmSource> {
    vec![AlgorithmSource::RS256, AlgorithmSource::ES256]
}

fn default_caller_claim() -> String {
    "sub".to_owned()
}

const fn default_clock_skew_seconds() -> u32 {
    60
}

const fn default_jwks_refresh_seconds() -> u32 {
    300
}

const fn default_jwks_min_interval_seconds() -> u32 {
    30
}

const fn default_jwks_max_age_seconds() -> u32 {
    86_400
}
