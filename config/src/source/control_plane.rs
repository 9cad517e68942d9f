//! The control plane, as written.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::default_receipt_ttl_seconds;
use crate::History;

/// The control plane.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ControlPlaneSource {
    /// Its name: who decided (`iss`), in the receipts that it signs.
    #[serde(default = "default_name")]
    pub name: String,
    /// Address of its API.
    pub address: String,
    /// Under `oakgate up`: the organisation whose policy the proxy beside it takes, made if it is missing. Needed where
    /// `proxy.policy.file` is left out; elsewhere it is the one of that file.
    #[schemars(length(min = 1, max = 256))]
    pub org: Option<String>,
    /// TLS on its API; without it the API speaks plain HTTP.
    pub tls: Option<ControlTlsSource>,
    /// `sqlite://FILE`, or `postgres://USER@HOST/DATABASE`.
    pub store: String,
    /// The password of PostgreSQL's user, in a file of its own.
    pub store_password_file: Option<PathBuf>,
    /// Further host names that its API answers to.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// What signs and verifies receipts. Without it, no permission is checked and no receipt redeemed here.
    pub receipts: Option<ControlReceiptsSource>,
    /// The key that signs what linked proxies are sent. Without it, with SQLite one is made beside the store; with PostgreSQL
    /// no proxy can be linked.
    pub policy_key_file: Option<PathBuf>,
    /// Where used receipts are shared with others that serve the same tools.
    pub redis: Option<RedisSource>,
    /// How much of the past is kept.
    #[serde(default)]
    pub history: History,
}

/// TLS on the control plane's API. The files are read again when they change.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ControlTlsSource {
    /// The certificate and its chain, in PEM.
    pub cert_file: PathBuf,
    /// Its private key, in PEM.
    pub key_file: PathBuf,
}

/// Receipts of the control plane.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ControlReceiptsSource {
    /// A JWK set with the signing key.
    pub keys_file: PathBuf,
    /// How long a receipt is good.
    #[serde(default = "default_receipt_ttl_seconds")]
    #[schemars(range(min = 1, max = 86_400))]
    pub ttl_seconds: u32,
}

/// A Redis server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedisSource {
    /// `redis://HOST:PORT/DATABASE`, or `rediss://` over TLS.
    pub url: String,
    /// The password, in a file of its own.
    pub password_file: Option<PathBuf>,
}

fn default_name() -> String {
    "control-plane".to_owned()
}
