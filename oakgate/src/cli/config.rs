//! `oakgate config` and `oakgate refusals` on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand};

const EXAMPLES: &str = "\
Examples:
  oakgate config check gate.yaml
  oakgate config routes gate.yaml
  oakgate config schema > settings.schema.json";

#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum ConfigCommand {
    /// Read a settings file and say every mistake in it, and every file it names that can't be read; status 64 if there is one
    Check {
        /// The settings file
        file: PathBuf,
    },
    /// Print the routes of each REST backend: which request is which tool, and where that is written
    Routes {
        /// The settings file
        file: PathBuf,
    },
    /// Print the JSON Schema of settings files, for editors
    Schema,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  oakgate refusals                 every reason\n  oakgate refusals list-unreadable one of them"
)]
pub(crate) struct RefusalsOptions {
    /// A reason, as answers, records and metrics have it; all of them without it
    #[arg(value_name = "REASON")]
    pub(crate) reason: Option<String>,
    /// As a Markdown table
    #[arg(long)]
    pub(crate) markdown: bool,
}
