//! A policy that comes as a signed bundle, as written.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// A signed policy that is fetched over HTTPS again and again, as `oakgate policy sign` writes it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BundleSource {
    /// Where it is: `https://…`, or `http://` on a loopback address.
    pub url: String,
    /// The file of the policy keys' public halves, one a line; `#` begins a comment. Nothing is taken that none of them
    /// signed.
    pub key_file: PathBuf,
    /// The organisation whose policy is taken. Unless set, that of the first one.
    #[schemars(length(min = 1, max = 1024))]
    pub org: Option<String>,
    /// The folder of what was last known to be good, which the proxy starts with. It is made if it is missing. No two
    /// proxies share one.
    pub state_directory: PathBuf,
    /// How often it is asked whether there is another one.
    #[serde(default = "default_poll_seconds")]
    #[schemars(range(min = 1, max = 86_400))]
    pub poll_seconds: u32,
    /// PEM file of the authorities that the server's certificate must come from; the system's unless set. Read again each
    /// time.
    pub ca_file: Option<PathBuf>,
}

const fn default_poll_seconds() -> u32 {
    30
}
