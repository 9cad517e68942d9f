//! A policy as YAML for people: one field a line; lists and mappings inside an entry as JSON, which YAML has in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::value::RawValue;

use super::candidate::quoted;
use crate::store::{PieceKind, StoreError};

/// The fields of an entry.
type Fields<'t> = BTreeMap<String, &'t RawValue>;

/// Words that some reader of YAML takes for something else than text.
const WORDS: [&str; 11] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf"];

/// The document that pieces are; those of one kind stand together.
pub(crate) fn yaml<'p>(
    org: &str,
    pieces: impl Iterator<Item = (PieceKind, &'p str)>,
) -> Result<String, StoreError> {
    let mut text = String::from("format: 1\norg: ");
    scalar(&mut text, org);
    text.push('\n');
    let mut last = PieceKind::Settings;
    for (kind, body) in pieces {
        let (list, first) = match kind {
            PieceKind::Settings => ("", ""),
            PieceKind::Category => ("categories:\n", "name"),
            PieceKind::Tool => ("tools:\n", "name"),
            PieceKind::Rule => ("rules:\n", "id"),
        };
        if kind != last {
            text.push_str(list);
        }
        last = kind;
        let mut fields: Fields<'_> =
            serde_json::from_str(body).map_err(|_| StoreError::damaged("pieces", "body"))?;
        let mut indent = if kind == PieceKind::Settings { "" } else { "  - " };
        let first = fields.remove_entry(first);
        for (name, value) in first.into_iter().chain(fields) {
            let _ = write!(text, "{indent}{name}: ");
            field(&mut text, value)?;
            text.push('\n');
            indent = if kind == PieceKind::Settings { "" } else { "    " };
        }
    }
    Ok(text)
}

fn field(text: &mut String, value: &RawValue) -> Result<(), StoreError> {
    let json = value.get();
    if json.starts_with('"') {
        let value: String = serde_json::from_str(json).map_err(|_| StoreError::damaged("pieces", "body"))?;
        scalar(text, &value);
    } else {
        quoted(text, json);
    }
    Ok(())
}

/// Text as it is, where nothing can take it for anything else; otherwise in quotes.
fn scalar(text: &mut String, value: &str) {
    let is_plain = value.starts_with(|c: char| c.is_ascii_alphabetic())
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/'))
        && !WORDS.iter().any(|word| value.eq_ignore_ascii_case(word));
    if is_plain {
        text.push_str(value);
    } else {
        quoted(text, &serde_json::Value::from(value).to_string());
    }
}

#[cfg(test)]
mod tests;
