//! From text to cases, collecting every mistake on the way.

use std::collections::HashMap;

use chrono::DateTime;

use super::fields::{Fields, Found};
use super::mistake::{CaseMistake, CasesError, Whose};
use super::node::{Kind, Node};
use super::{CASES_BYTES_MAX, CASES_MAX, Case, Expect};
use crate::{Level, Permission, Place, Precedence, Query, Scope, UnixMillis};

/// The fields of a call.
const CALL_FIELDS: [&str; 7] = ["tool", "tenant", "resource", "method", "args", "caller", "reasoning"];

/// Cases as far as they have been read.
#[derive(Default)]
pub(super) struct Reading {
    cases: Vec<Case>,
    /// The line of each name.
    names: HashMap<String, u32>,
    errors: Vec<CasesError>,
}

impl Reading {
    pub(super) fn finish(mut self, text: &str) -> Result<Vec<Case>, Vec<CasesError>> {
        let start = Place { line: 1, column: 1 };
        if text.len() > CASES_BYTES_MAX {
            let mistake = CaseMistake::TooLarge { bytes: text.len(), max: CASES_BYTES_MAX };
            self.note(&Whose::File, vec![(mistake, start)]);
            return Err(self.errors);
        }
        match Node::parse(text) {
            Ok(node) => self.file(node),
            Err((text, place)) => self.note(&Whose::File, vec![(CaseMistake::Syntax(text), place)]),
        }
        self.errors.sort_by_key(|error| error.place);
        if self.errors.is_empty() { Ok(self.cases) } else { Err(self.errors) }
    }

    fn file(&mut self, node: Node) {
        let place = node.place;
        let mut mistakes = Vec::new();
        let mut fields = Fields::of("the file", node, &mut mistakes);
        let cases = match fields.required("cases") {
            Some(Node { kind: Kind::List(cases), .. }) => Some(cases),
            Some(other) => {
                fields.mistake(CaseMistake::WrongType("cases".into(), "a list"), other.place);
                None
            }
            None => None,
        };
        fields.finish();
        match cases {
            Some(cases) if cases.is_empty() => mistakes.push((CaseMistake::NoCase, place)),
            Some(cases) if cases.len() > CASES_MAX => mistakes.push((CaseMistake::TooMany(CASES_MAX), place)),
            Some(cases) => {
                cases.into_iter().zip(1..).for_each(|(node, position)| self.case(node, position));
            }
            None => {}
        }
        self.note(&Whose::File, mistakes);
    }

    fn case(&mut self, node: Node, position: usize) {
        let place = node.place;
        let mut mistakes = Vec::new();
        let mut fields = Fields::of("a case", node, &mut mistakes);
        let name = fields.required_text("name").map(|(name, _)| name);
        let query = fields.required("call").and_then(|node| query(node, fields.mistakes()));
        let now = fields.text("now").and_then(|(text, place)| {
            let now = time(&text);
            if now.is_none() {
                fields.mistake(CaseMistake::NotATime, place);
            }
            now
        });
        let expect = fields.required("expect").and_then(|node| expect(node, fields.mistakes()));
        fields.finish();
        if let Some(name) = &name
            && let Some(line) = self.names.insert(name.clone(), place.line)
        {
            mistakes.push((CaseMistake::Duplicate(line), place));
        }
        let whose = name.as_deref().map_or(Whose::Entry(position), |name| Whose::Case(name.into()));
        self.note(&whose, mistakes);
        if let (Some(name), Some(query), Some(expect)) = (name, query, expect) {
            self.cases.push(Case { name, query, now, expect });
        }
    }

    fn note(&mut self, whose: &Whose, mistakes: Vec<Found>) {
        let errors = mistakes.into_iter();
        self.errors.extend(errors.map(|(mistake, place)| CasesError {
            whose: whose.clone(),
            mistake,
            place,
        }));
    }
}

fn query(node: Node, mistakes: &mut Vec<Found>) -> Option<Query> {
    let place = node.place;
    if let Kind::Mapping(entries) = &node.kind {
        let before = mistakes.len();
        let unknown = entries.iter().filter(|(key, _)| !CALL_FIELDS.contains(&key.as_str()));
        mistakes
            .extend(unknown.map(|(key, node)| (CaseMistake::UnknownField(key.as_str().into()), node.place)));
        if mistakes.len() > before {
            return None;
        }
    }
    match Query::parse(&node.into_json().to_string()) {
        Ok(query) => Some(query),
        Err(error) => {
            mistakes.push((error.into(), place));
            None
        }
    }
}

fn expect(node: Node, mistakes: &mut Vec<Found>) -> Option<Expect> {
    let mut fields = Fields::of("expect", node, mistakes);
    let permission = fields.required_text("permission").and_then(|(text, place)| {
        let known = [Permission::Allowed, Permission::RequiresApproval, Permission::Disabled];
        let found = known.into_iter().find(|permission| permission.as_str() == text);
        if found.is_none() {
            fields.mistake(CaseMistake::UnknownPermission(text.into()), place);
        }
        found
    });
    let level = fields.text("level").and_then(|(text, place)| {
        let found = levels().find(|level| level.as_str() == text);
        if found.is_none() {
            fields.mistake(CaseMistake::UnknownLevel(text.into()), place);
        }
        found
    });
    let rule = fields.text("rule").map(|(rule, _)| rule);
    let clamped = fields.flag("clamped");
    let faults = fields.texts("faults");
    fields.finish();
    Some(Expect { permission: permission?, level, rule, clamped, faults })
}

/// Every level that a verdict can come from.
fn levels() -> impl Iterator<Item = Level> {
    let of = |scope| Precedence::default().order().map(|coordinates| Level::Rule(scope, coordinates));
    let others = [
        Level::ToolDisabled,
        Level::ToolDefault,
        Level::CategoryDefault,
        Level::ToolApproved,
        Level::FailSafe,
    ];
    of(Scope::Tenant).into_iter().chain(of(Scope::Org)).chain(others)
}

/// A time by RFC 3339, from 1970 on.
fn time(text: &str) -> Option<UnixMillis> {
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    u64::try_from(time.timestamp_millis()).ok().map(UnixMillis)
}
