//! Words of a backend, made fit to be kept and to be shown: whoever wrote them may want to mislead.

use std::fmt::Write as _;

use serde_json::value::RawValue;

use crate::names::misleads;

/// A longer description is cut.
const TEXT_BYTES_MAX: usize = 4 * 1024;

/// Longer JSON is left out.
const JSON_BYTES_MAX: usize = 16 * 1024;

/// A text, its length bounded. What would not show as itself is replaced (U+FFFD).
pub(super) fn text(text: &str) -> String {
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    let kept = text.char_indices().take_while(|(at, _)| *at < end).map(|(_, c)| c);
    kept.map(|c| if misleads(c) && !matches!(c, '\n' | '\t') { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}

/// JSON text of the same value, in which what would not show as itself is written as an escape. `None`: it is no JSON, or
/// too long.
pub(super) fn json(json: &str) -> Option<String> {
    if json.len() > JSON_BYTES_MAX || serde_json::from_str::<&RawValue>(json).is_err() {
        return None;
    }
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        // White space between tokens is the only control character outside of strings, and in strings there is none of it.
        if misleads(c) && !matches!(c, '\n' | '\t' | '\r') {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(escaped, "\\u{unit:04x}").ok()?;
            }
        } else {
            escaped.push(c);
        }
    }
    (escaped.len() <= JSON_BYTES_MAX).then_some(escaped)
}

pub(super) fn is_sha256(text: &str) -> bool {
    policy::DefinitionDigest::parse(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_shows_as_what_it_is() {
        for (said, kept) in [
            ("Reads a note.\n\tTwice.", "Reads a note.\n\tTwice."),
            ("a\0b\u{1b}[2Jc\r\nd\u{7f}\u{9b}", "a\u{fffd}b\u{fffd}[2Jc\u{fffd}\nd\u{fffd}\u{fffd}"),
            (
                "safe\u{202e}elif\u{2066}x\u{200b}\u{feff}\u{e0041}",
                "safe\u{fffd}elif\u{fffd}x\u{fffd}\u{fffd}\u{fffd}",
            ),
            ("Grüße, 世界 👩", "Grüße, 世界 👩"),
        ] {
            assert_eq!(text(said), kept);
        }
        assert_eq!(text(&"ü".repeat(4000)).len(), TEXT_BYTES_MAX);
        assert_eq!(text(&format!("x{}", "ü".repeat(4000))).len(), TEXT_BYTES_MAX - 1);
    }

    #[test]
    fn json_keeps_its_value() {
        let raw = "{\"a\":\n \"x\u{202e}y\u{85}\u{e0041}\\u0000\"}";
        let kept = json(raw).unwrap();
        assert_eq!(kept, "{\"a\":\n \"x\\u202ey\\u0085\\udb40\\udc41\\u0000\"}");
        let read = |text| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&kept), read(raw));
        for bad in ["", "{", "{\"a\":\"\0\"}", "{} {}", "\u{feff}{}"] {
            assert_eq!(json(bad), None, "{bad:?}");
        }
        assert_eq!(json(&format!("\"{}\"", "x".repeat(JSON_BYTES_MAX))), None);
        assert_eq!(
            json(&format!("\"{}\"", "\u{200b}".repeat(JSON_BYTES_MAX / 4))),
            None,
            "escaped it is too long"
        );
    }
}
