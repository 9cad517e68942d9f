//! `oakgate activity` on the command line.

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::api::moment;
use super::{ApiOptions, ListOptions, PermissionName};

const EXAMPLES: &str = "\
Examples:
  oakgate activity --limit 20
  oakgate activity --action 'rule.*' --actor deploy
  oakgate activity --object payments.refund --permission disabled --json
  oakgate activity --follow
  oakgate activity show 0199f0d2-7a54-7c1e-9d5b-3f2c5a9e8b10     all of one record; `--json` has the ids";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct ActivityOptions {
    #[command(subcommand)]
    pub(crate) command: Option<ActivityCommand>,
    /// What was done, such as `rule.put`, or `rule.*` for all that is done to rules
    #[arg(long)]
    pub(crate) action: Option<String>,
    /// Who did it: the id of a key or a person
    #[arg(long)]
    pub(crate) actor: Option<String>,
    /// What it was done to: a rule's id, a tool's name, a key's id
    #[arg(long)]
    pub(crate) object: Option<String>,
    /// Calls of this tenant
    #[arg(long)]
    pub(crate) tenant: Option<String>,
    /// Calls of which policy said this
    #[arg(long, value_enum)]
    pub(crate) permission: Option<PermissionName>,
    /// From then on, such as 2027-01-31T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<Timestamp>,
    /// Before then
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "follow")]
    pub(crate) until: Option<Timestamp>,
    /// Go on: what is new, as it happens
    #[arg(long)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) list: ListOptions,
    #[command(flatten)]
    pub(crate) api: ApiOptions,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ActivityCommand {
    /// All of one record
    Show {
        /// Its id
        id: String,
        /// As JSON on one line
        #[arg(long)]
        json: bool,
    },
}
