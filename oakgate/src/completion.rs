//! `oakgate completion`: a script that completes commands in a shell.

use clap::CommandFactory;

use crate::cli::{Cli, CompletionOptions};
use crate::exit::Done;
use crate::terminal::say;

#[expect(clippy::unnecessary_wraps, reason = "commands end alike")]
pub(crate) fn run(options: &CompletionOptions) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "oakgate", &mut script);
    say(String::from_utf8_lossy(&script).trim_end());
    Ok(())
}
