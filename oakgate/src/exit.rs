//! How a command ends: 0 done, 1 a check said no, 2 bad input, 64 bad configuration, 70 our own fault.

use std::process::ExitCode;

use crate::terminal;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A check said no; what it said is printed already.
    No,
    /// The input is bad. The text says how, and what would be right.
    Input(String),
    /// The configuration is bad: every mistake, a line each.
    Configuration(String),
    /// Something that should work did not.
    Fault(String),
}

/// A command's end.
pub(crate) type Done = Result<(), Failure>;

/// The exit status; the reason goes to standard error.
pub(crate) fn code(done: Done) -> ExitCode {
    let (status, text) = match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::No) => (1, None),
        Err(Failure::Input(text)) => (2, Some(text)),
        Err(Failure::Configuration(text)) => (64, Some(text)),
        Err(Failure::Fault(text)) => (70, Some(text)),
    };
    if let Some(text) = text {
        terminal::complain(&text);
    }
    ExitCode::from(status)
}

/// Help and version are no failure; a wrong command line is bad input.
pub(crate) fn of_usage(error: &clap::Error) -> ExitCode {
    let printed = error.print();
    if error.use_stderr() || printed.is_err() { ExitCode::from(2) } else { ExitCode::SUCCESS }
}
