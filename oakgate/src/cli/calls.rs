//! `oakgate permissions`, `tokens` and `params` on the command line: questions about one call.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::RunnerOptions;

const CHECK_EXAMPLES: &str = "\
Examples:
  oakgate permissions check read_note --backend notes --key-file agent-key
  oakgate permissions check payments.refund --backend shop --args '{\"cents\": 900}' --key-file agent-key
  oakgate permissions check payments.refund --backend shop --args-file - --key-file agent-key < args.json

Standard output has the receipt: leave for one run of a call that is allowed, else evidence of the verdict.
Status 0: allowed. 1: not.";

const MINT_EXAMPLES: &str = "\
Examples:
  oakgate tokens mint payments.refund --backend shop --args-file args.json --key-file agent-key > receipt
  oakgate tokens mint read_note --backend notes --key-file agent-key --json

The backend redeems it: `oakgate receipt redeem`. Status 0: minted. 1: the call is not allowed, and there is none.";

const VALIDATE_EXAMPLES: &str = "\
Examples:
  oakgate params validate payments.refund --args '{\"cents\": 900}' --key-file agent-key
  oakgate params validate payments.refund --args-file - --key-file agent-key < args.json

Nothing is run, and nothing is recorded. Status 0: valid. 1: not; each place that is wrong is on a line.";

#[derive(Debug, Subcommand)]
#[command(after_help = CHECK_EXAMPLES)]
pub(crate) enum PermissionsCommand {
    /// Ask whether one call may be made, as the program or agent whose key it is
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CallOptions),
}

#[derive(Debug, Subcommand)]
#[command(after_help = MINT_EXAMPLES)]
pub(crate) enum TokensCommand {
    /// Mint the grant of one call, good for one run of exactly this call, if it is allowed
    #[command(after_help = MINT_EXAMPLES)]
    Mint(CallOptions),
}

#[derive(Debug, Subcommand)]
#[command(after_help = VALIDATE_EXAMPLES)]
pub(crate) enum ParamsCommand {
    /// Hold arguments against the schema that the policy has of a tool
    #[command(after_help = VALIDATE_EXAMPLES)]
    Validate(ValidateOptions),
}

/// A call, and who would make it.
#[derive(Debug, Args)]
pub(crate) struct CallOptions {
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
    #[command(flatten)]
    pub(crate) arguments: ArgumentsOptions,
    /// Why, in the agent's own words, for conditions that ask for it
    #[arg(long, value_name = "TEXT")]
    pub(crate) reasoning: Option<String>,
    /// The whole answer, as JSON on one line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) runner: RunnerOptions,
}

#[derive(Debug, Args)]
pub(crate) struct ValidateOptions {
    /// The tool
    pub(crate) tool: String,
    #[command(flatten)]
    pub(crate) arguments: ArgumentsOptions,
    /// The whole answer, as JSON on one line
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) runner: RunnerOptions,
}

/// The arguments of a call.
#[derive(Debug, Args)]
pub(crate) struct ArgumentsOptions {
    /// The call's arguments, a JSON object. Others on this host can see them here
    #[arg(long, value_name = "JSON", conflicts_with = "args_file")]
    pub(crate) args: Option<String>,
    /// The same from a file; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) args_file: Option<PathBuf>,
}
