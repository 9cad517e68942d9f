//! `oakgate approvals` on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ServerOptions;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  oakgate approvals list\n  oakgate approvals show REF-XXXXXXXX-XXXX\n  \
                  oakgate approvals approve REF-XXXXXXXX-XXXX --note 'checked with finance'\n\n\
                  Only a person's session may decide. `oakgate up` writes one at its first start.")]
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
        /// As JSON, an object a line
        #[arg(long)]
        json: bool,
    },
    /// Everything about one approval
    Show {
        /// REF-XXXXXXXX-XXXX
        reference: String,
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
