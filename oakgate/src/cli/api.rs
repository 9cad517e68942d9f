//! What every command of the control plane's API has: where it is, as whom, and how lists are shown.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::Timestamp;

/// Where the control plane is.
#[derive(Debug, Args)]
#[command(next_help_heading = "Control plane")]
pub(crate) struct ServerOptions {
    /// Its address; `https://` over TLS
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "OAKGATE_URL",
        default_value = "http://127.0.0.1:8081"
    )]
    pub(crate) url: String,
    /// Trust the certificates of these authorities alone (PEM), not the system's
    #[arg(long, global = true, value_name = "FILE", env = "OAKGATE_CA_FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

/// Where the control plane is, and who asks.
#[derive(Debug, Args)]
#[command(next_help_heading = "Control plane")]
pub(crate) struct ApiOptions {
    #[command(flatten)]
    pub(crate) server: ServerOptions,
    /// File with a management key
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "OAKGATE_KEY_FILE",
        default_value = "oakgate-data/management-key"
    )]
    pub(crate) key_file: PathBuf,
    /// File with a person's session, instead of a key: enough to look, not to change
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) session_file: Option<PathBuf>,
}

/// Where the control plane is, and which program or agent asks.
#[derive(Debug, Args)]
#[command(next_help_heading = "Control plane")]
pub(crate) struct RunnerOptions {
    #[command(flatten)]
    pub(crate) server: ServerOptions,
    /// File with a standard or an agent's key; a management key cannot run
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: PathBuf,
}

/// How a list is shown.
#[derive(Debug, Args)]
pub(crate) struct ListOptions {
    /// At most so many
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    pub(crate) limit: usize,
    /// As JSON, an object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// A moment (RFC 3339).
pub(super) fn moment(text: &str) -> Result<Timestamp, &'static str> {
    text.parse().map_err(|_| "must be a date, a time and its offset, such as 2027-01-31T00:00:00Z")
}

/// What policy can say of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum PermissionName {
    /// It goes through
    Allowed,
    /// It waits for a person
    RequiresApproval,
    /// It does not go through
    Disabled,
}

impl PermissionName {
    /// The word of the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::RequiresApproval => "requires_approval",
            Self::Disabled => "disabled",
        }
    }
}
