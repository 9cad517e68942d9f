//! `oakgate orgs` and `oakgate people` on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand};

const ORGS_EXAMPLES: &str = "\
Examples:
  oakgate orgs add acme --config gate.yaml    an organisation, and its first management key
  oakgate orgs list --config gate.yaml        all of them
  oakgate orgs key acme --config gate.yaml    a new management key in place of a lost one

They open the store themselves, whether the control plane runs or not.";

const PEOPLE_EXAMPLES: &str = "\
Examples:
  oakgate people add acme ada --level1 --name 'Ada Lovelace' --config gate.yaml
  oakgate people list acme --config gate.yaml
  oakgate people renew acme ada --config gate.yaml
  oakgate people end acme ada --config gate.yaml

They open the store themselves, whether the control plane runs or not.";

#[derive(Debug, Args)]
#[command(after_help = ORGS_EXAMPLES)]
pub(crate) struct OrgsOptions {
    /// Settings with `control_plane`
    #[arg(long, global = true, value_name = "FILE", default_value = "oakgate.yaml")]
    pub(crate) config: PathBuf,
    #[command(subcommand)]
    pub(crate) command: OrgsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OrgsCommand {
    /// Add an organisation: prints its first management key, once
    Add {
        /// Its name: what the policy calls `org`
        name: String,
        /// The key's id
        #[arg(long, value_name = "ID", default_value = control_plane::FIRST_KEY_ID)]
        id: String,
    },
    /// Every organisation
    List {
        /// As JSON, an object a line
        #[arg(long)]
        json: bool,
    },
    /// A new management key of an organisation, printed once; the one of that id before it ends at once
    Key {
        /// The organisation
        name: String,
        /// The key's id
        #[arg(long, value_name = "ID", default_value = control_plane::FIRST_KEY_ID)]
        id: String,
    },
}

#[derive(Debug, Args)]
#[command(after_help = PEOPLE_EXAMPLES)]
pub(crate) struct PeopleOptions {
    /// Settings with `control_plane`
    #[arg(long, global = true, value_name = "FILE", default_value = "oakgate.yaml")]
    pub(crate) config: PathBuf,
    #[command(subcommand)]
    pub(crate) command: PeopleCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PeopleCommand {
    /// Add a person who may look, and decide in the groups named: prints their session, once
    Add {
        /// The organisation
        org: String,
        /// The person's id, in records
        id: String,
        /// In the group whose yes comes first
        #[arg(long)]
        level1: bool,
        /// In the group whose yes comes second, where two are needed
        #[arg(long)]
        level2: bool,
        /// What people call them; their id without it
        #[arg(long)]
        name: Option<String>,
        /// How long the session lasts
        #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=90))]
        session_days: u64,
    },
    /// Everybody of an organisation
    List {
        /// The organisation
        org: String,
        /// As JSON, an object a line
        #[arg(long)]
        json: bool,
    },
    /// Give a person a new session, printed once; the one before ends at once
    Renew {
        /// The organisation
        org: String,
        /// The person
        id: String,
        /// How long it lasts
        #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=90))]
        session_days: u64,
    },
    /// End a person's session at once
    End {
        /// The organisation
        org: String,
        /// The person
        id: String,
    },
}
