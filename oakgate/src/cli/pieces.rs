//! Pieces of the policy in force, and names that the control plane knows, on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{ApiOptions, ListOptions};

pub(super) const RULES_EXAMPLES: &str = "\
Examples:
  oakgate rules list
  oakgate rules show small-refunds
  oakgate rules put small-refunds rule.yaml        the rule as in a policy document, YAML or JSON
  echo '{\"tool\":\"drop_table\",\"permission\":\"disabled\"}' | oakgate rules put no-drop -
  oakgate rules remove small-refunds

Each change is a revision of the policy: `oakgate policy rollback` takes it back.";

pub(super) const CATEGORIES_EXAMPLES: &str = "\
Examples:
  oakgate categories list
  oakgate categories show payments
  echo '{\"default\":\"requires_approval\"}' | oakgate categories put payments -
  oakgate categories remove payments";

pub(super) const TOOLS_EXAMPLES: &str = "\
Examples:
  oakgate policy tools list
  oakgate policy tools show payments.refund
  oakgate policy tools put payments.refund tool.yaml   the tool as in a policy document, YAML or JSON
  oakgate policy tools remove payments.refund

What backends show of their tools is under `oakgate tools`, and what nobody has accepted yet under `oakgate drafts`.";

pub(super) const SETTINGS_EXAMPLES: &str = "\
Examples:
  oakgate policy settings show
  echo '{\"mode\":\"observe\"}' | oakgate policy settings put - --reason 'watch for a week'

Settings are `mode`, `precedence` and `unlisted_tools`, as in a policy document. What is left out has its default.";

pub(super) const TENANTS_EXAMPLES: &str = "\
Examples:
  oakgate tenants list
  oakgate tenants show acme
  oakgate tenants put acme --description 'Acme Ltd'
  oakgate tenants remove acme";

pub(super) const RESOURCES_EXAMPLES: &str = "\
Examples:
  oakgate resources list
  oakgate resources show ledger
  oakgate resources put ledger --description 'the general ledger'
  oakgate resources remove ledger";

pub(super) const METHODS_EXAMPLES: &str = "\
Examples:
  oakgate methods list
  oakgate methods show DELETE
  oakgate methods put DELETE --description 'takes something away'
  oakgate methods remove DELETE";

#[derive(Debug, Args)]
pub(crate) struct PieceOptions {
    #[command(flatten)]
    pub(crate) api: ApiOptions,
    #[command(subcommand)]
    pub(crate) command: PieceCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PieceCommand {
    /// All of them
    List(ListOptions),
    /// One of them, as it is in force
    Show(ShowOptions),
    /// Make one, or replace it whole
    Put {
        /// Its name, or a rule's id
        name: String,
        /// What it is to be, YAML or JSON; `-` is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Of a rule: the id of the one that it is to stand before; a new one comes last without it
        #[arg(long, value_name = "ID")]
        before: Option<String>,
        /// Why, for the record
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        only: OnlyOptions,
    },
    /// Take one away
    Remove {
        /// Its name, or a rule's id
        name: String,
        /// Why, for the record
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        only: OnlyOptions,
    },
}

#[derive(Debug, Args)]
pub(crate) struct SettingsOptions {
    #[command(flatten)]
    pub(crate) api: ApiOptions,
    #[command(subcommand)]
    pub(crate) command: SettingsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SettingsCommand {
    /// The settings in force
    Show {
        /// As JSON on one line
        #[arg(long)]
        json: bool,
    },
    /// Replace them whole
    Put {
        /// What they are to be, YAML or JSON; `-` is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Why, for the record
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        only: OnlyOptions,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CatalogueOptions {
    #[command(flatten)]
    pub(crate) api: ApiOptions,
    #[command(subcommand)]
    pub(crate) command: CatalogueCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CatalogueCommand {
    /// All of them
    List(ListOptions),
    /// One of them
    Show(ShowOptions),
    /// Make one, or describe it anew
    Put {
        /// Its name, as calls and rules have it
        name: String,
        /// A word about it, for people
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        #[command(flatten)]
        only: OnlyOptions,
    },
    /// Take one away; refused while a rule names it
    Remove {
        /// Its name
        name: String,
        #[command(flatten)]
        only: OnlyOptions,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ShowOptions {
    /// Its name, or a rule's id
    pub(crate) name: String,
    /// As JSON on one line
    #[arg(long)]
    pub(crate) json: bool,
}

/// What must be so for a change to be made.
#[derive(Debug, Args)]
pub(crate) struct OnlyOptions {
    /// Only if it is still of this version, as `show` said
    #[arg(long, value_name = "VERSION")]
    pub(crate) if_version: Option<u64>,
}
