//! The compiled policy: one document made ready for any number of calls, never changed again.
//!
//! A lookup costs the same with ten rules and with a million: names become numbers once per call, a bit mask
//! tells which levels can hold a match at all, and each of those is one probe of one hash map.

mod compile;
mod levels;
mod name;
mod openings;
mod patterns;
mod rules;
mod symbols;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::document::{Document, Mode, UnlistedTools};
use crate::{DefinitionDigest, Permission, Status, Tool};

pub(crate) use self::levels::{Levels, Reach, Walk};
pub(crate) use self::openings::Openings;
pub(crate) use self::rules::{Key, Rule, Rules};
pub(crate) use self::symbols::{Ids, Matches, Symbol, Symbols};

/// One revision of a policy, compiled.
#[derive(Debug)]
pub struct Snapshot {
    revision: u64,
    org: Arc<str>,
    mode: Mode,
    pub(crate) unlisted_tools: UnlistedTools,
    pub(crate) walk: Walk,
    pub(crate) tenants: Symbols,
    pub(crate) resources: Symbols,
    /// The tool of id `n` is the `n`-th listed one; higher ids are names that only rules name.
    pub(crate) tools: Symbols,
    pub(crate) methods: Symbols,
    listed: Box<[Listed]>,
    has_pins: bool,
    pub(crate) rules: Rules,
    pub(crate) openings: Openings,
}

/// A listed tool: what the cascade needs of it and of its category and tags in one place, the rest behind it.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) enabled: bool,
    pub(crate) status: Status,
    pub(crate) default: Option<Permission>,
    pub(crate) category_default: Option<Permission>,
    /// Those of its tags that rules name.
    pub(crate) tags: Box<[u32]>,
    /// The levels that hold a rule which names any of its tags.
    pub(crate) tag_levels: Levels,
    pub(crate) tool: Box<Tool>,
}

impl Snapshot {
    /// Compiles a document as one revision of the policy.
    #[must_use]
    pub fn compile(document: Document, revision: u64) -> Self {
        compile::compile(document, revision)
    }

    /// The revision that this is.
    #[must_use]
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// The organisation whose policy it is.
    #[must_use]
    pub fn org(&self) -> &str {
        &self.org
    }

    /// Whether verdicts are enforced.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// How many rules it has.
    #[must_use]
    pub fn rules_count(&self) -> usize {
        self.rules.count()
    }

    /// How many tools it lists.
    #[must_use]
    pub fn tools_count(&self) -> usize {
        self.listed.len()
    }

    /// The listed tool of this name.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&Tool> {
        self.listed(self.tools.exact(name)?).map(|listed| listed.tool.as_ref())
    }

    /// Whether it pins the definition of any tool.
    #[must_use]
    pub const fn has_pins(&self) -> bool {
        self.has_pins
    }

    /// The definition that was accepted of a tool, if the policy pins one.
    #[must_use]
    pub fn pin(&self, tool: &str) -> Option<DefinitionDigest> {
        if self.has_pins { self.tool(tool)?.definition_sha256() } else { None }
    }

    /// Every listed tool, in document order.
    pub fn tools(&self) -> impl Iterator<Item = &Tool> {
        self.listed.iter().map(|listed| listed.tool.as_ref())
    }

    /// The listed tool that a symbol stands for.
    pub(crate) fn listed(&self, tool: Symbol) -> Option<&Listed> {
        self.listed.get(usize::try_from(tool.id.checked_sub(1)?).ok()?)
    }
}
