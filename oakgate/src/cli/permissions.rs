//! `oakgate permissions` on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::ServerOptions;

const EXAMPLES: &str = "\
Examples:
  oakgate permissions check read_note --backend notes --key-file agent-key
  oakgate permissions check payments.refund --backend shop --args '{\"cents\": 900}' --key-file agent-key

Standard output has the receipt: leave for one run of a call that is allowed, else evidence of the verdict.
Status 0: allowed. 1: not.";

#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum PermissionsCommand {
    /// Ask whether one call may be made, as the program or agent whose key it is
    #[command(after_help = EXAMPLES)]
    Check(CheckOptions),
}

#[derive(Debug, Args)]
pub(crate) struct CheckOptions {
    /// The tool
    pub(crate) tool: String,
    /// The backend that the call goes to
    #[arg(long, value_name = "NAME")]
    pub(crate) backend: String,
    /// The tenant, for a key that may name it
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,
    /// What it is done to
    #[arg(long, value_name = "NAME")]
    pub(crate) resource: Option<String>,
    /// How it is done
    #[arg(long, value_name = "NAME")]
    pub(crate) method: Option<String>,
    /// The call's arguments, a JSON object
    #[arg(long, value_name = "JSON")]
    pub(crate) args: Option<String>,
    /// Why, in the agent's own words, for conditions that ask for it
    #[arg(long, value_name = "TEXT")]
    pub(crate) reasoning: Option<String>,
    /// The whole answer, as JSON on one line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
    /// File with a standard or an agent's key; a management key cannot run
    #[arg(long, value_name = "FILE", help_heading = "Control plane")]
    pub(crate) key_file: PathBuf,
}
