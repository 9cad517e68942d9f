//! What commands print. A reader that went away is no failure.

use std::fmt::Display;
use std::io::{Write, stderr, stdout};

/// Prints a line on standard output.
pub(crate) fn say(line: impl Display) {
    let _reader_gone = writeln!(stdout().lock(), "{line}");
}

/// Prints a line on standard error.
pub(crate) fn complain(line: impl Display) {
    let _reader_gone = writeln!(stderr().lock(), "{line}");
}
