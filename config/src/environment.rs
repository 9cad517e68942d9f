//! `${NAME}` in a settings file. The only place that reads the process's environment.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::Mistake;

/// Where `${NAME}` gets its value from.
#[derive(Clone, Copy)]
pub struct Environment(Option<fn(&str) -> Option<String>>);

impl Environment {
    /// The environment of this process.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn of_process() -> Self {
        Self(Some(|name| std::env::var(name).ok()))
    }

    /// Another source, as tests need it.
    #[must_use]
    pub const fn of(lookup: fn(&str) -> Option<String>) -> Self {
        Self(Some(lookup))
    }

    /// None: `${NAME}` stays as it is written. For texts that programs write, and texts from another machine.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Fills in `${NAME}` in every text of the document. Returns the JSON pointers of what was filled in.
    pub(crate) fn fill(self, document: &mut Value, mistakes: &mut Vec<Mistake>) -> BTreeSet<String> {
        let mut filled = BTreeSet::new();
        if let Some(lookup) = self.0 {
            fill_at(lookup, document, &mut String::new(), &mut filled, mistakes);
        }
        filled
    }
}

fn fill_at(
    lookup: fn(&str) -> Option<String>,
    value: &mut Value,
    at: &mut String,
    filled: &mut BTreeSet<String>,
    mistakes: &mut Vec<Mistake>,
) {
    let here = at.len();
    match value {
        Value::String(text) if text.contains("${") => match expand(lookup, text) {
            Ok(expanded) => {
                *text = expanded;
                filled.insert(at.clone());
            }
            Err(what) => mistakes.push(Mistake::at(crate::document::readable(at), what)),
        },
        Value::Array(items) => {
            for (position, item) in items.iter_mut().enumerate() {
                at.push_str(&format!("/{position}"));
                fill_at(lookup, item, at, filled, mistakes);
                at.truncate(here);
            }
        }
        Value::Object(fields) => {
            for (key, item) in fields {
                at.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1")));
                fill_at(lookup, item, at, filled, mistakes);
                at.truncate(here);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn expand(lookup: fn(&str) -> Option<String>, text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, tail) = after.split_once('}').ok_or_else(|| format!("`{text}` has `${{` without `}}`"))?;
        let value = lookup(name).ok_or_else(|| format!("the environment has no `{name}`"))?;
        out.push_str(before);
        out.push_str(&value);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Environment")
    }
}
