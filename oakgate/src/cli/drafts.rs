//! `oakgate drafts` on the command line.

use clap::{Args, Subcommand, ValueEnum};

use super::{ApiOptions, ListOptions, OnlyOptions, PermissionName};

const EXAMPLES: &str = "\
Examples:
  oakgate drafts list
  oakgate drafts show read_note
  oakgate drafts accept read_note --read-only --idempotent --default allowed --pin
  oakgate drafts reject drop_table --disable
  oakgate drafts forget drop_table

A tool that a proxy sees and the policy does not list is a draft: its calls wait for a person.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DraftsOptions {
    #[command(flatten)]
    pub(crate) api: ApiOptions,
    #[command(subcommand)]
    pub(crate) command: DraftsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DraftsCommand {
    /// Tools that nobody has accepted or rejected yet
    List {
        /// Those that were accepted or rejected instead
        #[arg(long, value_enum)]
        state: Option<DraftState>,
        /// Only tools of this backend
        #[arg(long, value_name = "NAME")]
        backend: Option<String>,
        #[command(flatten)]
        list: ListOptions,
    },
    /// One of them, with all that its backend says of it
    Show {
        /// The tool
        name: String,
        /// As JSON on one line
        #[arg(long)]
        json: bool,
    },
    /// List it in the policy. What you do not say of it stays as careful as it can be
    Accept {
        /// The tool
        name: String,
        #[command(flatten)]
        accept: AcceptOptions,
        #[command(flatten)]
        only: OnlyOptions,
    },
    /// Leave it out of the policy
    Reject {
        /// The tool
        name: String,
        /// Put it into the policy as disabled, so that nobody can call it
        #[arg(long)]
        disable: bool,
        #[command(flatten)]
        only: OnlyOptions,
    },
    /// Forget it, rejected or not: the tool is new when it is seen again
    Forget {
        /// The tool
        name: String,
        #[command(flatten)]
        only: OnlyOptions,
    },
}

/// How a tool is accepted.
#[derive(Debug, Args)]
pub(crate) struct AcceptOptions {
    /// It changes nothing
    #[arg(long)]
    pub(crate) read_only: bool,
    /// It changes things, and what it does can be undone
    #[arg(long)]
    pub(crate) not_destructive: bool,
    /// To call it again changes nothing more
    #[arg(long)]
    pub(crate) idempotent: bool,
    /// It deals with a known set of things
    #[arg(long)]
    pub(crate) closed_world: bool,
    /// What becomes of its calls where no rule speaks
    #[arg(long, value_enum, value_name = "PERMISSION")]
    pub(crate) default: Option<PermissionName>,
    /// Its calls go through where no rule says otherwise
    #[arg(long)]
    pub(crate) approved: bool,
    /// The category that it is in
    #[arg(long, value_name = "NAME")]
    pub(crate) category: Option<String>,
    /// A tag that it carries; may be given again
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// It is a draft again if its definition is ever another one
    #[arg(long)]
    pub(crate) pin: bool,
}

/// Where drafts stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DraftState {
    /// In the policy now
    Accepted,
    /// Not wanted
    Rejected,
}

impl DraftState {
    /// The word of the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }
}
