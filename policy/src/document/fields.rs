//! The fields of one mapping, taken out one by one; whatever is left over is a mistake.

use std::borrow::Cow;

use super::NAME_BYTES_MAX;
use super::node::{Entry, Kind, Node};
use crate::load_error::{Expected, LoadError, MISTAKES_MAX, Mistake, Part, Place};
use crate::{DefinitionDigest, InputSchema, Permission};

/// The fields of a category, a tool or a rule.
pub(super) struct Fields<'e, 't> {
    part: Part,
    place: Place,
    entries: Vec<Entry<'t>>,
    /// Otherwise no field can be missing.
    is_mapping: bool,
    errors: &'e mut Vec<LoadError>,
}

impl<'e, 't> Fields<'e, 't> {
    /// The fields of `node`; none, and a mistake, if it is no mapping.
    pub(super) fn of(node: Node<'t>, part: Part, errors: &'e mut Vec<LoadError>) -> Self {
        let place = node.place;
        let mut fields = Self { part, place, entries: Vec::new(), is_mapping: false, errors };
        match node.kind {
            Kind::Mapping(entries) => {
                fields.entries = entries;
                fields.is_mapping = true;
            }
            Kind::Refused => {}
            _ => fields.mistake(Mistake::NotAMapping, place),
        }
        fields
    }

    /// Reads the name of the part itself, so that every mistake from here on carries it.
    pub(super) fn name(&mut self, field: &'static str, part: fn(Box<str>) -> Part) -> Option<Cow<'t, str>> {
        let name = self.required_text(field, NAME_BYTES_MAX)?;
        self.part = part(name.as_ref().into());
        Some(name)
    }

    /// Text that must be there, and must not be empty.
    pub(super) fn required_text(&mut self, field: &'static str, max: usize) -> Option<Cow<'t, str>> {
        self.require(field);
        let place = self.place_of(field);
        let text = self.text(field, max)?;
        if text.is_empty() {
            self.mistake(Mistake::Empty(field), place);
            return None;
        }
        Some(text)
    }

    /// Notes a mistake if the field is not there.
    pub(super) fn require(&mut self, field: &'static str) {
        if self.is_mapping && !self.has(field) {
            self.mistake(Mistake::Missing(field), self.place);
        }
    }

    /// Text, of at most `max` bytes.
    pub(super) fn text(&mut self, field: &'static str, max: usize) -> Option<Cow<'t, str>> {
        let node = self.take(field)?;
        let place = node.place;
        let Kind::Text(text) = node.kind else {
            self.wrong(field, Expected::Text, place);
            return None;
        };
        if text.len() > max {
            self.mistake(Mistake::TooLong { field, bytes: text.len(), max }, place);
            return None;
        }
        Some(text)
    }

    /// Text that `parse` understands, or a mistake that it names.
    pub(super) fn parsed<T>(
        &mut self,
        field: &'static str,
        max: usize,
        parse: impl FnOnce(Cow<'t, str>) -> Result<T, Mistake>,
    ) -> Option<T> {
        let place = self.place_of(field);
        match parse(self.text(field, max)?) {
            Ok(value) => Some(value),
            Err(mistake) => {
                self.mistake(mistake, place);
                None
            }
        }
    }

    /// One of the words that a field knows.
    pub(super) fn word<T: Copy>(&mut self, field: &'static str, words: &[(&'static str, T)]) -> Option<T> {
        self.parsed(field, NAME_BYTES_MAX, |text| {
            words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
                let expected = words.iter().map(|(word, _)| *word).collect();
                Mistake::UnknownWord { field, word: text.as_ref().into(), expected }
            })
        })
    }

    /// A permission.
    pub(super) fn permission(&mut self, field: &'static str) -> Option<Permission> {
        self.parsed(field, NAME_BYTES_MAX, |text| {
            [Permission::Allowed, Permission::RequiresApproval, Permission::Disabled]
                .into_iter()
                .find(|permission| permission.as_str() == text)
                .ok_or_else(|| Mistake::UnknownPermission(text.as_ref().into()))
        })
    }

    /// A SHA-256 digest in lower-case hexadecimal.
    pub(super) fn sha256(&mut self, field: &'static str) -> Option<DefinitionDigest> {
        self.parsed(field, NAME_BYTES_MAX, |text| {
            DefinitionDigest::parse(&text).ok_or(Mistake::WrongType { field, expected: Expected::Sha256 })
        })
    }

    /// The document's `format`.
    pub(super) fn format(&mut self, known: &str) {
        self.require("format");
        let Some(node) = self.take("format") else { return };
        match node.kind {
            Kind::Number(text) if text == known => {}
            Kind::Number(text) | Kind::Text(text) => {
                self.mistake(Mistake::UnknownFormat(text.as_ref().into()), node.place);
            }
            _ => self.wrong("format", Expected::Format, node.place),
        }
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, field: &'static str) -> Option<bool> {
        let node = self.take(field)?;
        if let Kind::Bool(flag) = node.kind {
            return Some(flag);
        }
        self.wrong(field, Expected::Flag, node.place);
        None
    }

    /// A whole number of seconds from `min` to `max`.
    pub(super) fn seconds(&mut self, field: &'static str, min: u32, max: u32) -> Option<u32> {
        let node = self.take(field)?;
        let seconds = match &node.kind {
            Kind::Number(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
            _ => None,
        };
        let seconds = seconds.filter(|seconds| (min..=max).contains(seconds));
        if seconds.is_none() {
            self.wrong(field, Expected::Seconds(min, max), node.place);
        }
        seconds
    }

    /// A list of at most `count_max` texts.
    pub(super) fn texts(
        &mut self,
        field: &'static str,
        count_max: usize,
        bytes_max: usize,
    ) -> Vec<Cow<'t, str>> {
        let Some(node) = self.take(field) else { return Vec::new() };
        let place = node.place;
        let Kind::List(items) = node.kind else {
            self.wrong(field, Expected::List, place);
            return Vec::new();
        };
        if items.len() > count_max {
            self.mistake(Mistake::TooManyEntries { list: field, max: count_max }, place);
            return Vec::new();
        }
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            match item.kind {
                Kind::Text(text) if text.len() <= bytes_max => texts.push(text),
                Kind::Text(text) => {
                    self.mistake(Mistake::TooLong { field, bytes: text.len(), max: bytes_max }, item.place);
                }
                _ => self.wrong(field, Expected::Text, item.place),
            }
        }
        texts
    }

    /// The fields of a mapping inside this one.
    pub(super) fn inner(&mut self, field: &'static str) -> Option<Fields<'_, 't>> {
        let node = self.take(field)?;
        let Kind::Mapping(entries) = node.kind else {
            self.wrong(field, Expected::Mapping, node.place);
            return None;
        };
        Some(Fields {
            part: self.part.clone(),
            place: node.place,
            entries,
            is_mapping: true,
            errors: self.errors,
        })
    }

    /// A JSON Schema, compiled.
    pub(super) fn schema(&mut self, field: &'static str) -> Option<InputSchema> {
        let place = self.place_of(field);
        match InputSchema::compile(self.object(field)?) {
            Ok(schema) => Some(schema),
            Err(error) => {
                self.mistake(Mistake::InputSchema(error), place);
                None
            }
        }
    }

    /// A JSON object.
    fn object(&mut self, field: &'static str) -> Option<serde_json::Value> {
        let node = self.take(field)?;
        let place = node.place;
        let object = node.into_json().filter(serde_json::Value::is_object);
        if object.is_none() {
            self.wrong(field, Expected::Json, place);
        }
        object
    }

    /// Notes a mistake of this part.
    pub(super) fn mistake(&mut self, mistake: Mistake, place: Place) {
        self.errors.push(LoadError { part: self.part.clone(), mistake, place });
    }

    /// Where a field is, or where the part begins if it lacks the field.
    pub(super) fn place_of(&self, field: &str) -> Place {
        self.entries.iter().find(|entry| entry.key == field).map_or(self.place, |entry| entry.value.place)
    }

    /// Whether the field is there and has not been taken yet.
    pub(super) fn has(&self, field: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == field)
    }

    /// Says of every field that nobody took that it is unknown; gives back the part by its name.
    pub(super) fn finish(mut self) -> Part {
        for entry in std::mem::take(&mut self.entries).into_iter().take(MISTAKES_MAX) {
            self.mistake(Mistake::UnknownField(entry.key.as_ref().into()), entry.place);
        }
        self.part
    }

    fn take(&mut self, field: &str) -> Option<Node<'t>> {
        let position = self.entries.iter().position(|entry| entry.key == field)?;
        let taken = self.entries.swap_remove(position).value;
        // A duplicate has been named as a mistake already.
        self.entries.retain(|entry| entry.key != field);
        Some(taken).filter(|node| !matches!(node.kind, Kind::Refused))
    }

    fn wrong(&mut self, field: &'static str, expected: Expected, place: Place) {
        self.mistake(Mistake::WrongType { field, expected }, place);
    }
}
