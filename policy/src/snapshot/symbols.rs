//! Names as numbers: one lookup per dimension of a call, and every lookup after it compares numbers.

use hashbrown::HashMap;

use super::levels::Levels;
use super::name::Name;
use super::patterns::{Matching, Patterns, PatternsBuilder};

/// A name, or the beginning of names, that rules name.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Symbol {
    /// From one, in its dimension; zero stands for a dimension that a rule does not name.
    pub(crate) id: u32,
    /// The levels that hold a rule which names it.
    pub(crate) levels: Levels,
}

/// All symbols of one dimension.
#[derive(Debug)]
pub(crate) struct Symbols {
    exact: HashMap<Name, Symbol>,
    patterns: Patterns,
}

/// The symbols that match one value of a dimension: the exact one, then patterns, longer ones first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matches<'s> {
    pub(crate) exact: Option<Symbol>,
    patterns: Option<Matching<'s>>,
}

impl Symbols {
    /// What matches a value; nothing matches a dimension that the call lacks.
    pub(crate) fn matches(&self, value: Option<&str>) -> Matches<'_> {
        Matches {
            exact: value.and_then(|value| self.exact(value)),
            patterns: value.and_then(|value| self.patterns.matching(value)),
        }
    }

    /// The symbol of exactly this name.
    pub(crate) fn exact(&self, name: &str) -> Option<Symbol> {
        self.exact.get(name.as_bytes()).copied()
    }
}

impl<'s> Matches<'s> {
    /// The levels that hold a rule which names any of these.
    pub(crate) fn levels(&self) -> Levels {
        let patterns = self.patterns.map(|patterns| patterns.levels()).unwrap_or_default();
        self.exact.unwrap_or_default().levels.or(patterns)
    }

    /// The ids, best match first.
    #[inline]
    pub(crate) fn ids(self) -> Ids<'s> {
        Ids { exact: self.exact.map(|symbol| symbol.id), patterns: self.patterns }
    }
}

/// Ids to try in one dimension. Written out, not chained: this is the innermost loop of a verdict.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ids<'s> {
    exact: Option<u32>,
    patterns: Option<Matching<'s>>,
}

impl Ids<'_> {
    /// Zero alone: the dimension is not named.
    pub(crate) const UNNAMED: Self = Self { exact: Some(0), patterns: None };
}

impl Iterator for Ids<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        if let Some(id) = self.exact.take() {
            return Some(id);
        }
        match &mut self.patterns {
            Some(patterns) => patterns.next(),
            None => None,
        }
    }
}

/// Gives names their numbers.
#[derive(Debug, Default)]
pub(super) struct SymbolsBuilder {
    exact: HashMap<Name, Symbol>,
    patterns: PatternsBuilder,
    last_id: u32,
}

impl SymbolsBuilder {
    /// The id of a name that rules of these levels name.
    pub(super) fn exact(&mut self, name: &str, levels: Levels) -> u32 {
        let next_id = self.last_id.saturating_add(1);
        let symbol =
            self.exact.entry(name.as_bytes().into()).or_insert(Symbol { id: next_id, levels: Levels::NONE });
        symbol.levels = symbol.levels.or(levels);
        self.last_id = self.last_id.max(symbol.id);
        symbol.id
    }

    /// The id of the beginning of names that rules of these levels name.
    pub(super) fn prefix(&mut self, prefix: &str, levels: Levels) -> u32 {
        let id = self.patterns.add(prefix, self.last_id.saturating_add(1), levels);
        self.last_id = self.last_id.max(id);
        id
    }

    pub(super) fn build(mut self) -> Symbols {
        self.exact.shrink_to_fit();
        Symbols { exact: self.exact, patterns: self.patterns.build() }
    }
}
