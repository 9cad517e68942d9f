//! What commands print. A reader that went away is no failure.

use std::fmt::Display;
use std::io::{IsTerminal, Write, stderr, stdin, stdout};

/// Prints a line on standard output.
pub(crate) fn say(line: impl Display) {
    let _reader_gone = writeln!(stdout().lock(), "{line}");
}

/// Prints a line on standard error.
pub(crate) fn complain(line: impl Display) {
    let _reader_gone = writeln!(stderr().lock(), "{line}");
}

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confirmed {
    Yes,
    No,
    /// Nobody could be asked.
    NoTerminal,
}

/// Asks a person, who must type the whole word.
pub(crate) fn confirm(question: &str) -> Confirmed {
    if !stdin().is_terminal() || !stderr().is_terminal() {
        return Confirmed::NoTerminal;
    }
    let mut error = stderr().lock();
    let asked = write!(error, "{question} Type yes: ").and_then(|()| error.flush());
    let mut answer = String::new();
    match asked.and_then(|()| stdin().read_line(&mut answer)) {
        Ok(_) if answer.trim() == "yes" => Confirmed::Yes,
        _ => Confirmed::No,
    }
}

/// A text with everything in it to be seen: what does not show by itself, or turns the direction of other characters, is
/// written as an escape. Texts of backends and callers go to a terminal in this form or as [`visible_json`] only.
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

/// JSON, with the same characters escaped as JSON has it.
pub(crate) fn visible_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii_graphic() || c == '\n' || visible(c.encode_utf8(&mut [0; 4])) == c.to_string() {
            text.push(c);
        } else {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{visible, visible_json};

    #[test]
    fn json_says_the_same_and_hides_nothing() {
        let value = serde_json::json!({"a\u{202e}": "é \u{7f}\u{e0069}\n"});
        let text = visible_json(&value.to_string());
        assert_eq!(text, r#"{"a\u202e":"é \u007f\udb40\udc69\n"}"#);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

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
