//! What changes between two policy documents: for which calls the verdict differs, looser ones first.
//!
//! Calls are told apart only as far as either document tells them apart, so what is found holds for every call.
//! A condition is an unknown: the same text is the same unknown, and a different text may say anything.

mod groups;
mod lines;
mod names;
mod search;
mod settings;
mod text;
mod walk;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::settings::SettingChange;
use crate::{Document, Level, LoadError, Permission};

/// How much of two documents is looked at, in rules matched against classes of calls and names reported.
pub const STEPS_MAX: usize = 20_000_000;

/// A document to compare, with its conditions as written.
#[derive(Debug)]
pub struct Compared {
    document: Document,
    /// By the id of their rule.
    conditions: HashMap<String, String>,
}

/// What differs between two documents. As JSON it is the output of `policy diff --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Nothing was left out. Otherwise the documents differ in more than [`STEPS_MAX`] steps can tell.
    pub complete: bool,
    /// Calls that are told apart by what becomes of them, looser ones first.
    pub verdicts: Vec<VerdictChange>,
    /// Settings of the document, its categories and its tools.
    pub settings: Vec<SettingChange>,
}

/// Calls whose verdict changes. Verdicts differ if their permissions do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerdictChange {
    /// Which way.
    pub direction: Direction,
    /// Which calls.
    pub calls: Calls,
    /// What becomes of them by the old document.
    pub old: Outcome,
    /// What becomes of them by the new one.
    pub new: Outcome,
    /// The rules, the same in both documents, that decide instead where their conditions hold: ids of the new one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unless: Vec<Arc<str>>,
}

/// Which way something changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// More goes through.
    Looser,
    /// Less goes through.
    Stricter,
    /// It depends on conditions.
    MayChange,
}

/// Some calls. A dimension that is left out does not matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Calls {
    /// Of these tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<Values>,
    /// For these tenants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Values>,
    /// On these resources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<Values>,
    /// By these methods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Values>,
}

/// Some values of one dimension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Values {
    /// These.
    Of(ValueSet),
    /// Every one but these; also calls that lack the dimension, unless they are among these.
    AllBut(ValueSet),
}

/// Values of one dimension, one by one and by their beginnings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ValueSet {
    /// Exactly these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Those that begin so, and that neither document names, nor begins a longer pattern with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prefixes: Vec<String>,
    /// Those that nothing in either document names or matches.
    #[serde(skip_serializing_if = "is_false")]
    pub other: bool,
    /// Calls that lack the dimension.
    #[serde(skip_serializing_if = "is_false")]
    pub absent: bool,
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Outcome {
    /// What policy says.
    pub permission: Permission,
    /// Where that comes from.
    pub level: Level,
    /// The rule that says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Arc<str>>,
    /// The rule has a condition; where it does not hold, something else decides.
    #[serde(skip_serializing_if = "is_false")]
    pub conditional: bool,
    /// The draft clamp turned `allowed` into `requires_approval`.
    #[serde(skip_serializing_if = "is_false")]
    pub clamped: bool,
}

impl Compared {
    /// Reads a document.
    ///
    /// # Errors
    /// Every mistake in it, as [`Document::parse`] says them.
    pub fn parse(text: &str) -> Result<Self, Vec<LoadError>> {
        let document = Document::parse(text)?;
        let conditions = if document.rules.iter().any(|rule| rule.when.is_some()) {
            conditions(text).unwrap_or_default()
        } else {
            HashMap::new()
        };
        Ok(Self { document, conditions })
    }

    /// The document, once it has been compared.
    #[must_use]
    pub fn into_document(self) -> Document {
        self.document
    }
}

/// Compares two documents.
#[must_use]
pub fn compare(old: &Compared, new: &Compared) -> Comparison {
    compare_within(STEPS_MAX, old, new)
}

fn compare_within(steps_max: usize, old: &Compared, new: &Compared) -> Comparison {
    let sides = Both { old, new };
    let found = search::search(&sides, steps_max);
    Comparison {
        complete: found.complete,
        verdicts: lines::lines(found),
        settings: settings::changes(&sides.map(|side| &side.document)),
    }
}

impl Comparison {
    /// Whether anything differs, as far as it was looked at.
    #[must_use]
    pub const fn has_differences(&self) -> bool {
        !self.verdicts.is_empty() || !self.settings.is_empty()
    }
}

/// The text of every condition, by the id of its rule. One that is missing here is never taken to be the same.
fn conditions(text: &str) -> Option<HashMap<String, String>> {
    #[derive(Deserialize)]
    struct Rules {
        #[serde(default)]
        rules: Vec<Rule>,
    }
    #[derive(Deserialize)]
    struct Rule {
        id: String,
        when: Option<String>,
    }
    // What there may be has been limited by reading it as a document.
    let options = serde_saphyr::options! { budget: None, with_snippet: false };
    let written: Rules = serde_saphyr::from_str_with_options(text, options).ok()?;
    Some(written.rules.into_iter().filter_map(|rule| Some((rule.id, rule.when?))).collect())
}

/// The same of either document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Both<T> {
    old: T,
    new: T,
}

impl<T> Both<T> {
    fn map<'s, U>(&'s self, of: impl Fn(&'s T) -> U) -> Both<U> {
        Both { old: of(&self.old), new: of(&self.new) }
    }

    fn zip<U>(self, other: Both<U>) -> Both<(T, U)> {
        Both { old: (self.old, other.old), new: (self.new, other.new) }
    }
}

impl<T: PartialEq> Both<T> {
    fn differ(&self) -> bool {
        self.old != self.new
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes the field by reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}
