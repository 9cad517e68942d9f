//! `oakgate keys` and `oakgate agents` on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;

use super::api::moment;
use super::{ApiOptions, ListOptions, OnlyOptions};

/// The longest that two secrets of one holder work: 7 days.
pub(super) const OVERLAP_SECONDS_MAX: u64 = 7 * 24 * 60 * 60;

const KEYS_EXAMPLES: &str = "\
Here, with no control plane:
  oakgate keys new --id agent-1               a key, and its entry for a proxy's keys file
  oakgate keys receipts > receipts.jwks       a key that signs receipts
  oakgate keys policy policy-key              a key that signs what linked proxies are sent

In the control plane:
  oakgate keys list
  oakgate keys create billing --tier standard --description 'the billing service' > billing-key
  oakgate keys show billing
  oakgate keys change billing --expires-at 2027-01-31T00:00:00Z --no-tenant
  oakgate keys rotate billing --overlap-seconds 3600 > billing-key
  oakgate keys revoke billing";

const AGENTS_EXAMPLES: &str = "\
Examples:
  oakgate agents list
  oakgate agents create support-bot --tenant acme > support-bot-key
  oakgate agents show support-bot
  oakgate agents change support-bot --description 'answers customers'
  oakgate agents rotate support-bot --overlap-seconds 3600 > support-bot-key
  oakgate agents revoke support-bot";

#[derive(Debug, Args)]
#[command(after_help = KEYS_EXAMPLES)]
pub(crate) struct KeysOptions {
    #[command(subcommand)]
    pub(crate) command: KeysCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Here: make an API key, and print it with its entry for a proxy's keys file
    New {
        /// Who is calling, in policy and records
        #[arg(long, default_value = "agent-1")]
        id: String,
        /// What kind of caller it stands for
        #[arg(long, value_enum, default_value = "agent")]
        kind: KeyKind,
    },
    /// Here: make a key that signs receipts, and print a JWK set for `receipts.keys_file`
    Receipts {
        /// The key's id
        #[arg(long, default_value = "receipts-1")]
        id: String,
        /// The algorithm
        #[arg(long, value_enum, default_value = "hs256")]
        algorithm: Algorithm,
    },
    /// Here: make a key that signs what linked proxies are sent, for `control_plane.policy_key_file`, and print its public half
    Policy {
        /// Where the key goes; a file that is there is never overwritten
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print the public half of the key that is there
        #[arg(long)]
        public: bool,
    },
    /// In the control plane: make a key that configures or runs; it is shown once
    Create {
        /// What it is for
        #[arg(long, value_enum)]
        tier: TierName,
        /// Its calls may name a tenant themselves; a standard key's only
        #[arg(long)]
        may_name_tenant: bool,
        #[command(flatten)]
        new: NewHolder,
        #[command(flatten)]
        api: ApiOptions,
    },
    #[command(flatten)]
    Held(HeldCommand),
}

#[derive(Debug, Args)]
#[command(after_help = AGENTS_EXAMPLES)]
pub(crate) struct AgentsOptions {
    #[command(subcommand)]
    pub(crate) command: AgentsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AgentsCommand {
    /// In the control plane: make an agent with its key, which is shown once
    Create {
        #[command(flatten)]
        new: NewHolder,
        #[command(flatten)]
        api: ApiOptions,
    },
    #[command(flatten)]
    Held(HeldCommand),
}

/// What can be done with what the control plane keeps, keys and agents alike.
#[derive(Debug, Subcommand)]
pub(crate) enum HeldCommand {
    /// In the control plane: all of them, without their secrets
    List {
        #[command(flatten)]
        list: ListOptions,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// In the control plane: one of them, without its secrets
    Show {
        /// Its id
        id: String,
        /// As JSON on one line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// In the control plane: change what is said of one, its tenant, or when it stops working
    Change {
        /// Its id
        id: String,
        #[command(flatten)]
        change: ChangeOptions,
        #[command(flatten)]
        only: OnlyOptions,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// In the control plane: make a new secret, which is shown once
    Rotate {
        /// Its id
        id: String,
        /// How long the secret that it had stays good: a day without it, 0 for no longer
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=OVERLAP_SECONDS_MAX))]
        overlap_seconds: Option<u64>,
        #[command(flatten)]
        only: OnlyOptions,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// In the control plane: end it now, for ever
    Revoke {
        /// Its id
        id: String,
        #[command(flatten)]
        only: OnlyOptions,
        #[command(flatten)]
        api: ApiOptions,
    },
}

/// Who is to hold a key.
#[derive(Debug, Args)]
pub(crate) struct NewHolder {
    /// Who is calling, in policy and records; never used again
    pub(crate) id: String,
    /// A word about it, for people
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// The tenant that its calls belong to
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,
    /// When it stops working, such as 2027-01-31T00:00:00Z; never without it
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) expires_at: Option<Timestamp>,
}

/// What is to be another; what is not named stays.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct ChangeOptions {
    /// A word about it, for people
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// No word about it
    #[arg(long, conflicts_with = "description")]
    pub(crate) no_description: bool,
    /// The tenant that its calls belong to
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,
    /// Its calls belong to no tenant
    #[arg(long, conflicts_with = "tenant")]
    pub(crate) no_tenant: bool,
    /// Whether its calls may name a tenant themselves; a standard key's only
    #[arg(long, value_name = "true|false")]
    pub(crate) may_name_tenant: Option<bool>,
    /// When it stops working, such as 2027-01-31T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) expires_at: Option<Timestamp>,
    /// It goes on working
    #[arg(long, conflicts_with = "expires_at")]
    pub(crate) no_expires_at: bool,
}

/// What keys of the control plane are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TierName {
    /// It configures, and cannot run
    Management,
    /// It runs, and cannot configure
    Standard,
}

impl TierName {
    /// The word of the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Management => "management",
            Self::Standard => "standard",
        }
    }
}

/// Kinds of API keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyKind {
    /// A program that runs calls
    Standard,
    /// One agent's identity
    Agent,
}

/// Algorithms of receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Algorithm {
    /// HMAC-SHA256: whoever verifies could sign
    Hs256,
    /// Ed25519: whoever verifies need not be able to sign
    Ed25519,
}
