//! `oakgate executions` on the command line.

use clap::{Args, Subcommand, ValueEnum};
use receipt::Nonce;

use super::{ApiOptions, ListOptions, RunnerOptions};

const EXAMPLES: &str = "\
Examples:
  oakgate executions list --outcome open                what was redeemed, and nobody has said what became of it
  oakgate executions log JTI --outcome success --status 200 --duration-ms 120 --key-file backend-key

JTI is `jti` of the receipt that was redeemed. A management key or a session lists; a standard or an agent's key logs.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExecutionsOptions {
    #[command(subcommand)]
    pub(crate) command: ExecutionsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ExecutionsCommand {
    /// Calls whose receipts were redeemed in the last 30 days, newest first
    List {
        /// Only of this tool
        #[arg(long, value_name = "NAME")]
        tool: Option<String>,
        /// Only those that ended so
        #[arg(long, value_enum)]
        outcome: Option<ListedOutcome>,
        #[command(flatten)]
        list: ListOptions,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// Log what became of a call whose receipt was redeemed, once
    Log(LogOptions),
}

#[derive(Debug, Args)]
pub(crate) struct LogOptions {
    /// `jti` of its receipt
    #[arg(allow_hyphen_values = true, value_parser = nonce)]
    pub(crate) jti: Nonce,
    /// How it ended
    #[arg(long, value_enum)]
    pub(crate) outcome: LoggedOutcome,
    /// Such as an HTTP status
    #[arg(long, value_name = "NUMBER")]
    pub(crate) status: Option<u32>,
    /// How long it took
    #[arg(long, value_name = "MILLISECONDS")]
    pub(crate) duration_ms: Option<u32>,
    /// For people
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    #[command(flatten)]
    pub(crate) runner: RunnerOptions,
}

/// How calls ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LoggedOutcome {
    /// It did what it should
    Success,
    /// The tool said no
    Failed,
    /// It broke
    Error,
    /// Nobody knows
    Unknown,
}

/// The same, where it may not be known yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListedOutcome {
    /// Nobody has said yet
    Open,
    /// It did what it should
    Success,
    /// The tool said no
    Failed,
    /// It broke
    Error,
    /// Nobody knows
    Unknown,
}

impl LoggedOutcome {
    /// The word of the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Unknown => "unknown",
        }
    }
}

impl ListedOutcome {
    /// The word of the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Unknown => "unknown",
        }
    }
}

fn nonce(text: &str) -> Result<Nonce, &'static str> {
    serde_json::from_value(text.into()).map_err(|_| "must be the 22 characters that a receipt has as `jti`")
}
