//! `oakgate activity` on the command line.

use clap::Args;

use super::{ApiOptions, ListOptions, PermissionName};

const EXAMPLES: &str = "\
Examples:
  oakgate activity --limit 20
  oakgate activity --action 'rule.*' --actor deploy
  oakgate activity --object payments.refund --permission disabled --json
  oakgate activity --follow";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ActivityOptions {
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
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Before then
    #[arg(long, value_name = "TIME", conflicts_with = "follow")]
    pub(crate) until: Option<String>,
    /// Go on: what is new, as it happens
    #[arg(long)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) list: ListOptions,
    #[command(flatten)]
    pub(crate) api: ApiOptions,
}
