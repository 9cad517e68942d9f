//! `oakgate tools` on the command line.

use clap::{Args, Subcommand};

const TOOLS_EXAMPLES: &str = "\
Examples:
  oakgate tools list                          every tool that backends have shown, and where it stands
  oakgate tools diff read_note                what changed in its definition since it was accepted
  oakgate tools pin read_note write_note      entries for `tools:` in the policy, as they are now

A proxy knows the tools of the lists that have passed through it since it started.";

#[derive(Debug, Args)]
#[command(after_help = TOOLS_EXAMPLES)]
pub(crate) struct ToolsOptions {
    /// The proxy's admin address
    #[arg(long, global = true, value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
    pub(crate) admin: String,
    /// Only tools of this backend
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) backend: Option<String>,
    #[command(subcommand)]
    pub(crate) command: ToolsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ToolsCommand {
    /// Every tool that was seen. PIN says where it stands: `accepted`, `changed` (a draft until it is accepted), or
    /// `none` (the policy pins no definition of it)
    List {
        /// As JSON, an object a line
        #[arg(long)]
        json: bool,
    },
    /// What changed in a tool's definition since it was accepted; status 1 if anything did
    #[command(after_help = "Example:\n  oakgate tools diff read_note --admin 127.0.0.1:9090")]
    Diff {
        /// The tool
        name: String,
    },
    /// Print entries for `tools:` in the policy that accept definitions as they are now
    #[command(
        after_help = "Example:\n  oakgate tools pin read_note\n\nRead what you accept: `oakgate tools diff` shows it. Put \
                      the entries under `tools:` in the policy. Where it lists a tool already, put the two fields \
                      into that entry."
    )]
    Pin {
        /// The tools; all that were seen if none is named
        names: Vec<String>,
    },
}
