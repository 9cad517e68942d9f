//! What a condition saw: the parts of the call that it names, as people may see them.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::condition::{Condition, Inputs, Key, Path};
use crate::mask::{CUT, MASK, mask_arguments};

/// Most bytes of one value that are shown, before [`CUT`].
pub const VALUE_BYTES_MAX: usize = 256;

/// Longest text that can say what the value next to it is.
const LABEL_BYTES_MAX: usize = 256;

/// What one condition could see of one call. Nothing is looked up before it is asked for.
#[derive(Clone, Copy)]
pub struct Seen<'s, 'c> {
    condition: &'s Condition,
    inputs: &'s Inputs<'c>,
}

/// A part of the call that a condition names. As JSON it is `{"name":…,"value":…}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeenValue {
    /// As the condition names it: `args.amount`.
    pub name: String,
    /// The JSON text of its value, masked and at most [`VALUE_BYTES_MAX`] bytes before [`CUT`]; `None` (in JSON
    /// `null`) if the call has no such part.
    pub value: Option<String>,
}

impl<'s, 'c> Seen<'s, 'c> {
    pub(super) const fn new(condition: &'s Condition, inputs: &'s Inputs<'c>) -> Self {
        Self { condition, inputs }
    }

    /// Every part of the call that the condition names, each once. Items of loops are not among them.
    #[must_use]
    pub fn values(&self) -> Vec<SeenValue> {
        let seen = |path: &Path| SeenValue { name: path.to_string(), value: self.value(path) };
        self.condition.paths().iter().map(seen).collect()
    }

    fn value(&self, path: &Path) -> Option<String> {
        let variable = self.inputs.shown(path.variable)?;
        let mut value = variable.as_ref();
        let mut is_secret = false;
        for key in &path.keys {
            let inner = key.of(value)?;
            is_secret |= stands_for_secret(value, key);
            value = inner;
        }
        Some(if is_secret { MASK.to_owned() } else { cut(mask_arguments(&value.to_string())) })
    }
}

/// Whether what stands under a key is masked whatever it is: a number in its place would be.
fn stands_for_secret(outer: &Value, key: &Key) -> bool {
    let is_label = |value: &Value| value.as_str().is_some_and(|text| text.len() <= LABEL_BYTES_MAX);
    let (stand_in, key): (Value, _) = match (outer, key) {
        (Value::Object(fields), Key::Field(name)) => {
            // What a field `value` is, another field says.
            let labels = fields.iter().filter(|(label, value)| {
                is_label(value)
                    && ["name", "key", "header"].iter().any(|word| label.eq_ignore_ascii_case(word))
            });
            let mut fields: Map<_, _> = labels.map(|(label, value)| (label.clone(), value.clone())).collect();
            fields.insert(name.as_ref().to_owned(), 0.into());
            (fields.into(), key)
        }
        (Value::Array(items), Key::Item(index)) => {
            // What an item of a command line is, the one before it says.
            let before =
                index.checked_sub(1).and_then(|before| items.get(before)).filter(|item| is_label(item));
            (Value::Array(vec![before.cloned().unwrap_or_default(), 0.into()]), &Key::Item(1))
        }
        _ => return false,
    };
    let masked = serde_json::from_str(&mask_arguments(&stand_in.to_string())).ok();
    // What has lost its key is not shown either.
    masked.as_ref().and_then(|masked: &Value| key.of(masked)) != Some(&0.into())
}

fn cut(text: String) -> String {
    match text.split_at_checked(text.floor_char_boundary(VALUE_BYTES_MAX)) {
        Some((shown, rest)) if !rest.is_empty() => format!("{shown}{CUT}"),
        _ => text,
    }
}

impl fmt::Debug for Seen<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen").finish_non_exhaustive()
    }
}

impl fmt::Display for SeenValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{} = {value}", self.name),
            None => write!(f, "no {}", self.name),
        }
    }
}
