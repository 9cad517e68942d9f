//! Reads a document from top to bottom, collecting every mistake on the way.

use std::borrow::Cow;
use std::sync::Arc;

use hashbrown::HashMap;

use super::fields::Fields;
use super::node::{Entry, Found, Kind, Next, Node, Reader};
use super::rule::{Rule, Target};
use super::{CATEGORIES_MAX, DOCUMENT_BYTES_MAX, Document, Mode, NAME_BYTES_MAX, RULES_MAX, TOOLS_MAX};
use super::{UnlistedTools, rule, tool};
use crate::Precedence;
use crate::condition::{Condition, NotACondition};
use crate::load_error::{Expected, LoadError, MISTAKES_MAX, Mistake, Part, Place};

/// The only format there is.
const FORMAT: &str = "1";

/// A document as far as it has been read.
pub(super) struct Reading<'t> {
    reader: Reader<'t>,
    errors: Vec<LoadError>,
    document: Document,
    categories: Names,
    tools: Names,
    rules: Names,
    /// The categories that tools are in: looked up at the end, as they may be listed after the tools.
    used_categories: Vec<(Arc<str>, Arc<str>, Place)>,
    conditions: Conditions,
}

/// The names that one list has so far, and the line of each.
type Names = HashMap<Arc<str>, u32>;

/// Rules often share a condition; each text is compiled once.
pub(super) type Conditions = HashMap<String, Result<Arc<Condition>, NotACondition>>;

/// The three lists of a document.
#[derive(Clone, Copy)]
enum List {
    Categories,
    Tools,
    Rules,
}

impl List {
    fn named(key: &str) -> Option<Self> {
        match key {
            "categories" => Some(Self::Categories),
            "tools" => Some(Self::Tools),
            "rules" => Some(Self::Rules),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Categories => "categories",
            Self::Tools => "tools",
            Self::Rules => "rules",
        }
    }

    const fn entries_max(self) -> usize {
        match self {
            Self::Categories => CATEGORIES_MAX,
            Self::Tools => TOOLS_MAX,
            Self::Rules => RULES_MAX,
        }
    }
}

impl<'t> Reading<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            reader: Reader::new(text),
            errors: Vec::new(),
            document: Document {
                org: Arc::from(""),
                mode: Mode::default(),
                precedence: Precedence::default(),
                unlisted_tools: UnlistedTools::default(),
                categories: HashMap::new(),
                tools: Vec::new(),
                rules: Vec::new(),
            },
            categories: Names::new(),
            tools: Names::new(),
            rules: Names::new(),
            used_categories: Vec::new(),
            conditions: Conditions::new(),
        }
    }

    /// Reads it all.
    pub(super) fn finish(mut self, bytes: usize) -> Result<Document, Vec<LoadError>> {
        let read = if bytes > DOCUMENT_BYTES_MAX {
            let mistake = Mistake::DocumentTooLarge { bytes, max: DOCUMENT_BYTES_MAX };
            Err((mistake, Place { line: 1, column: 1 }))
        } else {
            self.document()
        };
        if read.is_ok() {
            self.compare();
        }
        self.note(&Part::Document);
        self.errors.sort_by_key(|error| error.place);
        // What ends the reading comes last.
        self.reader.mistakes.extend(read.err());
        self.note(&Part::Document);
        if self.errors.is_empty() { Ok(self.document) } else { Err(self.errors) }
    }

    fn document(&mut self) -> Result<(), Found> {
        let (next, place) = self.reader.next()?;
        if !matches!(next, Next::Mapping) {
            return Err((Mistake::NotAMapping, place));
        }
        let mut head = Vec::new();
        let mut keys: Vec<Cow<'t, str>> = Vec::new();
        while let Some((key, key_place)) = self.reader.key()? {
            if keys.contains(&key) {
                self.reader.note((Mistake::DuplicateKey(key.as_ref().into()), key_place));
            }
            match List::named(&key) {
                Some(list) => self.list(list)?,
                None => {
                    let (next, value_place) = self.reader.next()?;
                    let value = self.reader.node(next, value_place)?;
                    head.push(Entry { key: key.clone(), place: key_place, value });
                }
            }
            keys.push(key);
            // Hardly any key is known, so most of so many are mistakes.
            if keys.len() > MISTAKES_MAX {
                return Err((Mistake::TooManyMistakes, key_place));
            }
            self.stop_at_too_many(key_place)?;
        }
        self.head(Node { kind: Kind::Mapping(head), place });
        self.reader.finish()
    }

    /// Everything but the lists.
    fn head(&mut self, node: Node<'t>) {
        let mut fields = Fields::of(node, Part::Document, &mut self.errors);
        fields.format(FORMAT);
        if let Some(org) = fields.required_text("org", NAME_BYTES_MAX) {
            self.document.org = org.as_ref().into();
        }
        let mode = fields.word("mode", &[("enforce", Mode::Enforce), ("observe", Mode::Observe)]);
        let precedence = fields.word(
            "precedence",
            &[("tool-first", Precedence::ToolFirst), ("resource-first", Precedence::ResourceFirst)],
        );
        let unlisted = fields
            .word("unlisted_tools", &[("clamp", UnlistedTools::Clamp), ("trust", UnlistedTools::Trust)]);
        fields.finish();
        self.document.mode = mode.unwrap_or_default();
        self.document.precedence = precedence.unwrap_or_default();
        self.document.unlisted_tools = unlisted.unwrap_or_default();
    }

    /// One of the lists, entry by entry, so that no more than one entry is held as a tree.
    fn list(&mut self, list: List) -> Result<(), Found> {
        let (next, place) = self.reader.next()?;
        if !matches!(next, Next::List) {
            self.reader.node(next, place)?;
            let mistake = Mistake::WrongType { field: list.name(), expected: Expected::List };
            self.reader.note((mistake, place));
            return Ok(());
        }
        for position in 1.. {
            let (next, place) = self.reader.next()?;
            if matches!(next, Next::End) {
                break;
            }
            if position > list.entries_max() {
                return Err((Mistake::TooManyEntries { list: list.name(), max: list.entries_max() }, place));
            }
            let node = self.reader.node(next, place)?;
            let part = Part::Entry(list.name(), position);
            match list {
                List::Categories => self.category(node, part),
                List::Tools => self.tool(node, part),
                List::Rules => self.rule(node, part),
            }
            self.stop_at_too_many(place)?;
        }
        Ok(())
    }

    fn category(&mut self, node: Node<'t>, part: Part) {
        let place = node.place;
        let mut fields = Fields::of(node, part, &mut self.errors);
        let name = fields.name("name", Part::Category);
        let default = fields.permission("default");
        let part = fields.finish();
        if let Some(name) = name {
            let name: Arc<str> = name.as_ref().into();
            self.document.categories.insert(Arc::clone(&name), default);
            list_once(&mut self.categories, name, place, &part, &mut self.errors);
        }
        self.note(&part);
    }

    fn tool(&mut self, node: Node<'t>, part: Part) {
        let place = node.place;
        let mut fields = Fields::of(node, part, &mut self.errors);
        let tool = tool::read(&mut fields);
        let part = fields.finish();
        if let Some(tool) = tool {
            if let Some(category) = &tool.category {
                self.used_categories.push((Arc::clone(category), Arc::clone(&tool.name), place));
            }
            list_once(&mut self.tools, Arc::clone(&tool.name), place, &part, &mut self.errors);
            self.document.tools.push(tool);
        }
        self.note(&part);
    }

    fn rule(&mut self, node: Node<'t>, part: Part) {
        let place = node.place;
        let before = self.errors.len();
        let mut fields = Fields::of(node, part, &mut self.errors);
        let id: Option<Arc<str>> = fields.name("id", Part::Rule).map(|id| id.as_ref().into());
        let rule = rule::read(&mut fields, id.clone(), place, &mut self.conditions);
        let part = fields.finish();
        if let Some(id) = id {
            list_once(&mut self.rules, id, place, &part, &mut self.errors);
        }
        self.note(&part);
        // One with a mistake in it is not compared with others: its coordinates may not be what was meant.
        if self.errors.len() == before {
            self.document.rules.extend(rule);
        }
    }

    /// What can only be seen once everything has been read.
    fn compare(&mut self) {
        for (category, tool, place) in &self.used_categories {
            if !self.categories.contains_key(category) {
                let part = Part::Tool(tool.as_ref().into());
                let mistake = Mistake::UnknownCategory(category.as_ref().into());
                self.errors.push(LoadError { part, mistake, place: *place });
            }
        }
        let mut always: HashMap<(Option<&str>, &Target), &Rule> = HashMap::new();
        for rule in &self.document.rules {
            if matches!(rule.target, Target::Tag(_)) {
                continue;
            }
            let coordinates = (rule.tenant.as_deref(), &rule.target);
            if let Some(earlier) = always.get(&coordinates) {
                let part = Part::Rule(rule.id.as_ref().into());
                let mistake = Mistake::Shadowed { earlier: earlier.id.as_ref().into() };
                self.errors.push(LoadError { part, mistake, place: rule.place });
            } else if rule.when.is_none() {
                always.insert(coordinates, rule);
            }
        }
    }

    /// Says of which part the mistakes are that the reader has seen since.
    fn note(&mut self, part: &Part) {
        for (mistake, place) in self.reader.mistakes.drain(..) {
            self.errors.push(LoadError { part: part.clone(), mistake, place });
        }
    }

    fn stop_at_too_many(&self, place: Place) -> Result<(), Found> {
        let mistakes_count = self.errors.len().saturating_add(self.reader.mistakes.len());
        if mistakes_count < MISTAKES_MAX { Ok(()) } else { Err((Mistake::TooManyMistakes, place)) }
    }
}

fn list_once(names: &mut Names, name: Arc<str>, place: Place, part: &Part, errors: &mut Vec<LoadError>) {
    if let Some(&line) = names.get(&name) {
        errors.push(LoadError { part: part.clone(), mistake: Mistake::Duplicate { line }, place });
    } else {
        names.insert(name, place.line);
    }
}
