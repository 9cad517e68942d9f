//! Arguments and reasoning as people may see them: without secrets, with less personal data, and not too long.
//!
//! A help against accidents, not a proof: it knows common secrets by their keys and forms. Fails closed: what
//! cannot be read as JSON is not shown at all.

mod numbers;
mod secrets;
mod text;

use serde_json::{Map, Value};

/// What stands in place of everything masked.
pub const MASK: &str = "•••";

/// Most bytes of masked arguments that are kept, before [`CUT`].
pub const ARGUMENTS_BYTES_MAX: usize = 8 * 1024;

/// What ends a text that was longer.
pub const CUT: &str = "… (cut)";

/// The JSON text of a call's arguments, masked, for people: values under keys that look secret, and secrets and
/// common personal data wherever they stand in texts. At most [`ARGUMENTS_BYTES_MAX`] bytes, then [`CUT`]; one
/// that was cut is no whole JSON any more.
#[must_use]
pub fn mask_arguments(json_text: &str) -> String {
    let mut shown = Shown::new(ARGUMENTS_BYTES_MAX);
    match serde_json::from_str(json_text) {
        Ok(value) => write_value(&mut shown, &value),
        Err(_) => shown.push(MASK),
    }
    shown.finish()
}

/// A text, masked, for people: at most `limit_bytes` bytes, then [`CUT`]. Characters that do not show, or that turn
/// the direction of others, are replaced.
#[must_use]
pub fn mask_text(text: &str, limit_bytes: usize) -> String {
    let mut shown = Shown::new(limit_bytes);
    text::write_text(&mut shown, text);
    shown.finish()
}

/// A text that takes no more than its limit.
struct Shown {
    text: String,
    limit_bytes: usize,
    is_cut: bool,
}

impl Shown {
    fn new(limit_bytes: usize) -> Self {
        Self { text: String::new(), limit_bytes, is_cut: false }
    }

    fn room_bytes(&self) -> usize {
        self.limit_bytes.saturating_sub(self.text.len())
    }

    fn push(&mut self, piece: &str) {
        let fits = piece.get(..piece.floor_char_boundary(self.room_bytes())).unwrap_or_default();
        if !self.is_cut {
            self.text.push_str(fits);
        }
        self.is_cut |= fits.len() < piece.len();
    }

    fn finish(mut self) -> String {
        if self.is_cut {
            self.text.push_str(CUT);
        }
        self.text
    }
}

fn write_value(shown: &mut Shown, value: &Value) {
    if shown.is_cut {
        return;
    }
    match value {
        Value::Null | Value::Bool(_) => shown.push(&value.to_string()),
        Value::Number(number) => {
            let digits = number.to_string();
            if numbers::card(&digits).is_some() { write_mask(shown) } else { shown.push(&digits) }
        }
        Value::String(text) => write_string(shown, text),
        Value::Array(items) => write_array(shown, items),
        Value::Object(fields) => write_object(shown, fields),
    }
}

/// Of a command line, `["--password", "…"]`, the item after the option is the secret.
fn write_array(shown: &mut Shown, items: &[Value]) {
    shown.push("[");
    let mut after_secret_option = false;
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            shown.push(",");
        }
        if after_secret_option {
            write_mask(shown)
        } else {
            write_value(shown, item)
        }
        after_secret_option = item.as_str().is_some_and(is_secret_option);
    }
    shown.push("]");
}

fn is_secret_option(text: &str) -> bool {
    text.starts_with('-') && !text.contains(['=', ' ']) && secrets::is_secret_key(text)
}

/// Of a pair, `{"name": "Authorization", "value": "…"}`, the value is the secret.
fn write_object(shown: &mut Shown, fields: &Map<String, Value>) {
    let names_secret = fields.iter().any(|(key, value)| {
        ["name", "key", "header"].iter().any(|name| key.eq_ignore_ascii_case(name))
            && value.as_str().is_some_and(secrets::is_secret_key)
    });
    shown.push("{");
    for (position, (key, value)) in fields.iter().enumerate() {
        if position > 0 {
            shown.push(",");
        }
        write_string(shown, key);
        shown.push(":");
        let is_pair_value = names_secret && key.to_ascii_lowercase().starts_with("value");
        let says_nothing = matches!(value, Value::Null | Value::Bool(_));
        if !says_nothing && (is_pair_value || secrets::is_secret_key(key)) {
            write_mask(shown);
        } else {
            write_value(shown, value);
        }
    }
    shown.push("}");
}

fn write_mask(shown: &mut Shown) {
    shown.push("\"");
    shown.push(MASK);
    shown.push("\"");
}

fn write_string(shown: &mut Shown, text: &str) {
    let mut masked = Shown::new(shown.room_bytes());
    text::write_text(&mut masked, text);
    let quoted = Value::String(masked.text).to_string();
    if masked.is_cut {
        shown.push(quoted.strip_suffix('"').unwrap_or(&quoted));
        shown.is_cut = true;
    } else {
        shown.push(&quoted);
    }
}

#[cfg(test)]
mod tests;
