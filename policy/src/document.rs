//! The policy document: YAML or JSON, read whole or refused whole.
//!
//! Every mistake is reported at once, with its part and place. What is unknown is refused, so that an old
//! proxy never ignores a new restriction.

mod fields;
mod node;
mod parts;
mod reading;
mod rule;
mod tool;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use hashbrown::HashMap;

pub use self::parts::{Entry, Parts, object};
use self::reading::Reading;
pub(crate) use self::rule::{Pattern, Rule, Target};
pub(crate) use self::tool::TAGS_MAX;
use crate::{LoadError, Permission, Precedence, Tool};

/// Largest document.
pub const DOCUMENT_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Most rules of one document.
pub const RULES_MAX: usize = 2_000_000;
/// Most tools of one document.
pub const TOOLS_MAX: usize = 1_000_000;
/// Most categories of one document.
pub const CATEGORIES_MAX: usize = 100_000;
/// Longest name: of an organisation, tenant, category, tool, tag, resource or method, or a rule's id.
pub const NAME_BYTES_MAX: usize = 1024;

/// A policy document without a mistake in it.
#[derive(Debug)]
pub struct Document {
    pub(crate) org: Arc<str>,
    pub(crate) mode: Mode,
    pub(crate) precedence: Precedence,
    pub(crate) unlisted_tools: UnlistedTools,
    pub(crate) categories: HashMap<Arc<str>, Option<Permission>>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) rules: Vec<Rule>,
}

/// Whether verdicts are enforced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// A call goes through only if its verdict lets it.
    #[default]
    Enforce,
    /// Every call goes through; verdicts are only recorded.
    Observe,
}

/// What becomes of tools that nobody has accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnlistedTools {
    /// `allowed` becomes `requires_approval`, unless the tool was named.
    #[default]
    Clamp,
    /// They are like any other tool.
    Trust,
}

impl Document {
    /// Reads a document, YAML 1.2 or JSON.
    ///
    /// # Errors
    /// Every mistake in it, in the order in which they stand there.
    pub fn parse(text: &str) -> Result<Self, Vec<LoadError>> {
        Reading::new(text).finish(text.len())
    }

    /// Whose policy it is.
    #[must_use]
    pub fn org(&self) -> &str {
        &self.org
    }
}
