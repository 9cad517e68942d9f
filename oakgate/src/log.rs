//! Logs: JSON lines for machines, or text for people, on standard error.

use std::io::{self, IsTerminal};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For reading.
    Text,
}

/// Starts logging. `RUST_LOG` chooses what is logged; the default is `info`.
pub(crate) fn start(format: LogFormat) {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn,rmcp=warn"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // Colours are for eyes. Whether those want them, NO_COLOR says.
    let is_seen = io::stderr().is_terminal();
    match format {
        LogFormat::Json => logs.json().flatten_event(true).init(),
        LogFormat::Text if is_seen => logs.compact().with_target(false).init(),
        LogFormat::Text => logs.compact().with_target(false).with_ansi(false).init(),
    }
}
