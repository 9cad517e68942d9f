//! The fields of one mapping, taken out one by one; whatever is left over is a mistake.

use super::mistake::CaseMistake;
use super::node::{Kind, Node};
use crate::Place;

/// A mistake, and where it is.
pub(super) type Found = (CaseMistake, Place);

/// The fields of the file, of a case or of what it expects.
pub(super) struct Fields<'m> {
    place: Place,
    entries: Vec<(String, Node)>,
    /// Otherwise no field can be missing.
    is_mapping: bool,
    mistakes: &'m mut Vec<Found>,
}

impl<'m> Fields<'m> {
    /// The fields of `node`; none, and a mistake, if it is no mapping.
    pub(super) fn of(what: &str, node: Node, mistakes: &'m mut Vec<Found>) -> Self {
        let place = node.place;
        let (entries, is_mapping) = match node.kind {
            Kind::Mapping(entries) => (entries, true),
            _ => {
                mistakes.push((CaseMistake::WrongType(what.into(), "a mapping"), place));
                (Vec::new(), false)
            }
        };
        Self { place, entries, is_mapping, mistakes }
    }

    /// A field, if it is there.
    pub(super) fn take(&mut self, field: &str) -> Option<Node> {
        let position = self.entries.iter().position(|(key, _)| key == field)?;
        Some(self.entries.remove(position).1)
    }

    /// A field that must be there.
    pub(super) fn required(&mut self, field: &'static str) -> Option<Node> {
        let node = self.take(field);
        if node.is_none() && self.is_mapping {
            self.mistakes.push((CaseMistake::Missing(field), self.place));
        }
        node
    }

    /// Text, and where it is.
    pub(super) fn text(&mut self, field: &'static str) -> Option<(String, Place)> {
        let node = self.take(field)?;
        match node.kind {
            Kind::Text(text) => Some((text, node.place)),
            _ => self.wrong(field, "text; quote it", node.place),
        }
    }

    /// Text that must be there.
    pub(super) fn required_text(&mut self, field: &'static str) -> Option<(String, Place)> {
        if self.is_mapping && !self.entries.iter().any(|(key, _)| key == field) {
            self.mistakes.push((CaseMistake::Missing(field), self.place));
        }
        self.text(field)
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, field: &'static str) -> Option<bool> {
        let node = self.take(field)?;
        match node.kind {
            Kind::Bool(flag) => Some(flag),
            _ => self.wrong(field, "true or false", node.place),
        }
    }

    /// A list.
    pub(super) fn list(&mut self, field: &'static str) -> Option<Vec<Node>> {
        let node = self.take(field)?;
        match node.kind {
            Kind::List(items) => Some(items),
            _ => self.wrong(field, "a list", node.place),
        }
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, field: &'static str) -> Option<Vec<String>> {
        let items = self.list(field)?;
        let mut texts = Vec::with_capacity(items.len());
        for item in items {
            match item.kind {
                Kind::Text(text) => texts.push(text),
                _ => self.wrong(field, "a list of texts; quote them", item.place).unwrap_or_default(),
            }
        }
        Some(texts)
    }

    /// Notes a mistake.
    pub(super) fn mistake(&mut self, mistake: CaseMistake, place: Place) {
        self.mistakes.push((mistake, place));
    }

    /// Mistakes that are noted beside those of these fields.
    pub(super) const fn mistakes(&mut self) -> &mut Vec<Found> {
        self.mistakes
    }

    /// Says of every field that nobody took that it is unknown.
    pub(super) fn finish(self) {
        let unknown =
            self.entries.into_iter().map(|(key, node)| (CaseMistake::UnknownField(key.into()), node.place));
        self.mistakes.extend(unknown);
    }

    fn wrong<T>(&mut self, field: &'static str, wanted: &'static str, place: Place) -> Option<T> {
        self.mistakes.push((CaseMistake::WrongType(field.into(), wanted), place));
        None
    }
}
