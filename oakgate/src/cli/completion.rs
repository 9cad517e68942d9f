//! `oakgate completion` on the command line.

use clap::Args;
use clap_complete::Shell;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  oakgate completion bash > ~/.local/share/bash-completion/completions/oakgate\n  \
                  oakgate completion zsh > ~/.zfunc/_oakgate\n  \
                  oakgate completion fish > ~/.config/fish/completions/oakgate.fish"
)]
pub(crate) struct CompletionOptions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}
