//! A proxy's link to its control plane, as written.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// The control plane that a proxy follows. What a file of the proxy's own is named for (`policy.file`, `keys_file`,
/// `receipts.keys_file`) stays with that file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkSource {
    /// Where it is: `wss://HOST/v1/sync`, or `ws://` on a loopback address.
    pub url: String,
    /// The file whose one line is this proxy's relay token. Read again each time that the proxy connects.
    pub relay_token_file: PathBuf,
    /// The file of the policy keys' public halves, one a line; `#` begins a comment. Nothing is taken that none of them
    /// signed.
    pub policy_key_file: PathBuf,
    /// The organisation whose documents are taken. Unless set, that of the first one.
    #[schemars(length(min = 1, max = 1024))]
    pub org: Option<String>,
    /// The folder of what was last known to be good, which the proxy starts with. It is made if it is missing. No two
    /// proxies share one.
    pub state_directory: PathBuf,
    /// PEM file of the authorities that the control plane's certificate must come from; the system's unless set. Read again
    /// each time that the proxy connects.
    pub ca_file: Option<PathBuf>,
}
