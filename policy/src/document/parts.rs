//! A document taken apart: its settings and each entry of its lists, as JSON.

use serde_json::{Map, Value};

use super::Document;
use super::node::{Found, Next, Reader};
use crate::load_error::{Expected, LoadError, Mistake, Part, Place};

/// What a document consists of. Put together again, in this order, it is the same policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Whose policy it is.
    pub org: String,
    /// Everything else that is no list; without `format`.
    pub settings: Map<String, Value>,
    /// The categories.
    pub categories: Vec<Entry>,
    /// The tools.
    pub tools: Vec<Entry>,
    /// The rules.
    pub rules: Vec<Entry>,
}

/// An entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, or a rule's id.
    pub name: String,
    /// The entry as compact JSON, its keys sorted.
    pub json: String,
}

impl Parts {
    /// Reads a document, and takes it apart.
    ///
    /// # Errors
    /// Every mistake in it, as [`Document::parse`] says them.
    pub fn parse(text: &str) -> Result<(Document, Self), Vec<LoadError>> {
        let document = Document::parse(text)?;
        let parts = Self::read(text)
            .map_err(|(mistake, place)| vec![LoadError { part: Part::Document, mistake, place }])?;
        Ok((document, parts))
    }

    /// Takes a document without mistakes apart, entry by entry.
    fn read(text: &str) -> Result<Self, Found> {
        let mut reader = Reader::new(text);
        let mut parts = Self::default();
        reader.next()?;
        while let Some((key, place)) = reader.key()? {
            let list = match key.as_ref() {
                "categories" => Some((&mut parts.categories, "name")),
                "tools" => Some((&mut parts.tools, "name")),
                "rules" => Some((&mut parts.rules, "id")),
                _ => None,
            };
            let Some((list, name)) = list else {
                let (next, value_place) = reader.next()?;
                let value = reader.node(next, value_place)?.into_json().ok_or_else(|| not_json(place))?;
                parts.settings.insert(key.into_owned(), value);
                continue;
            };
            reader.next()?;
            loop {
                let (next, place) = reader.next()?;
                if matches!(next, Next::End) {
                    break;
                }
                let entry = reader.node(next, place)?.into_json().ok_or_else(|| not_json(place))?;
                list.push(Entry::of(&entry, name).ok_or_else(|| not_json(place))?);
            }
        }
        reader.finish()?;
        parts.settings.remove("format");
        if let Some(Value::String(org)) = parts.settings.remove("org") {
            parts.org = org;
        }
        Ok(parts)
    }
}

/// Reads one mapping, such as an entry of a list: strictly, and without looking at what its fields mean.
///
/// # Errors
/// What is wrong with it.
pub fn object(text: &str) -> Result<Map<String, Value>, Vec<LoadError>> {
    let mut reader = Reader::new(text);
    let read = whole(&mut reader);
    let mut found = std::mem::take(&mut reader.mistakes);
    match read {
        Ok(Value::Object(fields)) if found.is_empty() => return Ok(fields),
        Ok(_) if found.is_empty() => found.push((Mistake::NotAMapping, Place { line: 1, column: 1 })),
        Ok(_) => {}
        Err(mistake) => found.push(mistake),
    }
    let errors = found.into_iter().map(|(mistake, place)| LoadError { part: Part::Document, mistake, place });
    Err(errors.collect())
}

fn whole(reader: &mut Reader<'_>) -> Result<Value, Found> {
    let (next, place) = reader.next()?;
    let value = reader.node(next, place)?.into_json().ok_or_else(|| not_json(place))?;
    reader.finish()?;
    Ok(value)
}

impl Entry {
    fn of(entry: &Value, name: &str) -> Option<Self> {
        Some(Self { name: entry.get(name)?.as_str()?.to_owned(), json: entry.to_string() })
    }
}

/// A number that JSON can't carry; never seen of a document without mistakes.
const fn not_json(place: Place) -> Found {
    (Mistake::WrongType { field: "document", expected: Expected::Json }, place)
}

#[cfg(test)]
mod tests;
