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

/// A text with everything in it to be seen: what does not show by itself, or turns the direction of other characters, is
/// written as an escape. Texts of backends go to a terminal in this form only.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' | '"' | '\\' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn what_does_not_show_is_written_out() {
        for (text, expected) in [
            ("Reads \"é\" at C:\\x 日本", "Reads \"é\" at C:\\x 日本"),
            ("a\u{1b}[31mb\rc", r"a\u{1b}[31mb\rc"),
            ("a\u{200b}b\u{202e}c\u{feff}", r"a\u{200b}b\u{202e}c\u{feff}"),
            // Letters of the block of tags, which models read and people do not see.
            ("ok\u{e0069}\u{e006e}", r"ok\u{e0069}\u{e006e}"),
        ] {
            assert_eq!(visible(text), expected);
        }
    }
}
