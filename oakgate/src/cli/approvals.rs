//! `oakgate approvals` on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{ListOptions, ServerOptions};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  oakgate approvals list\n  oakgate approvals list --state denied --limit 20\n  \
                  oakgate approvals show REF-XXXXXXXX-XXXX\n  \
                  oakgate approvals approve REF-XXXXXXXX-XXXX --note 'checked with finance'\n  \
                  oakgate approvals deny REF-XXXXXXXX-XXXX --note 'ask again next week'\n\n\
                  Only a person's session may decide. `oakgate up` writes one at its first start."
)]
pub(crate) struct ApprovalsOptions {
    #[command(flatten)]
    pub(crate) server: ServerOptions,
    /// File with a person's session
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "OAKGATE_SESSION_FILE",
        default_value = "oakgate-data/session",
        help_heading = "Control plane"
    )]
    pub(crate) session_file: PathBuf,
    #[command(subcommand)]
    pub(crate) command: ApprovalsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalsCommand {
    /// What waits for a person, newest first
    List {
        /// Also what was decided or has ended
        #[arg(long)]
        all: bool,
        /// What stands so instead
        #[arg(long, value_enum, conflicts_with = "all")]
        state: Option<ApprovalState>,
        #[command(flatten)]
        list: ListOptions,
    },
    /// Everything about one approval
    Show {
        /// REF-XXXXXXXX-XXXX
        reference: String,
        /// As JSON on one line
        #[arg(long)]
        json: bool,
    },
    /// Let one held call go on
    Approve {
        /// REF-XXXXXXXX-XXXX
        reference: String,
        /// For the record
        #[arg(long)]
        note: Option<String>,
    },
    /// Refuse a held call
    Deny {
        /// REF-XXXXXXXX-XXXX
        reference: String,
        /// For the record, and for the caller
        #[arg(long)]
        note: Option<String>,
    },
}

/// Where approvals stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ApprovalState {
    /// It waits for a person
    Pending,
    /// Granted, and not used yet
    Approved,
    /// Refused
    Denied,
    /// Nobody decided in time
    Expired,
    /// Nobody waits for it any more
    Withdrawn,
    /// Granted, and used
    Consumed,
    /// Granted, and not used in time
    Lapsed,
}

impl ApprovalState {
    /// The word of the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Consumed => "consumed",
            Self::Lapsed => "lapsed",
        }
    }
}
