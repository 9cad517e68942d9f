//! A rule as written.

use std::sync::Arc;

use super::NAME_BYTES_MAX;
use super::fields::Fields;
use super::reading::Conditions;
use crate::Permission;
use crate::condition::{CONDITION_BYTES_MAX, Condition};
use crate::load_error::{Mistake, Place};

/// Longest reason.
const REASON_BYTES_MAX: usize = 4096;

/// One rule of a document.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: Arc<str>,
    pub(crate) place: Place,
    pub(crate) tenant: Option<Box<str>>,
    pub(crate) target: Target,
    pub(crate) permission: Permission,
    pub(crate) when: Option<Arc<Condition>>,
    pub(crate) reason: Option<Arc<str>>,
}

/// What a rule names besides the tenant: a tag and nothing else, or any of the other dimensions.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    Tag(Box<str>),
    Call { resource: Option<Pattern>, tool: Option<Pattern>, method: Option<Box<str>> },
}

/// A name, or the beginning of names.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) enum Pattern {
    /// Exactly this name.
    Exact(Box<str>),
    /// Every name that begins so: written with a `*` at its end.
    Prefix(Box<str>),
}

impl Pattern {
    fn read(field: &'static str, text: &str) -> Result<Self, Mistake> {
        let (name, is_prefix) = text.strip_suffix('*').map_or((text, false), |prefix| (prefix, true));
        if name.contains('*') {
            return Err(Mistake::StarInside { field, pattern: text.into() });
        }
        Ok(if is_prefix { Self::Prefix(name.into()) } else { Self::Exact(name.into()) })
    }
}

/// Reads a rule; `None` if it lacks what every rule has.
pub(super) fn read(
    fields: &mut Fields<'_, '_>,
    id: Option<Arc<str>>,
    place: Place,
    conditions: &mut Conditions,
) -> Option<Rule> {
    let tenant = fields.text("tenant", NAME_BYTES_MAX).map(Into::into);
    let target = target(fields);
    fields.require("permission");
    let permission = fields.permission("permission");
    let when = condition(fields, conditions);
    let reason = fields.text("reason", REASON_BYTES_MAX).map(|reason| reason.as_ref().into());
    Some(Rule { id: id?, place, tenant, target, permission: permission?, when, reason })
}

fn target(fields: &mut Fields<'_, '_>) -> Target {
    if fields.has("tag") {
        for other in ["resource", "tool", "method"] {
            if fields.has(other) {
                fields.mistake(Mistake::TagWith(other), fields.place_of(other));
            }
        }
    }
    let tag = fields.text("tag", NAME_BYTES_MAX);
    let resource = fields.parsed("resource", NAME_BYTES_MAX, |text| Pattern::read("resource", &text));
    let tool = fields.parsed("tool", NAME_BYTES_MAX, |text| Pattern::read("tool", &text));
    let method = fields.text("method", NAME_BYTES_MAX).map(Into::into);
    tag.map_or(Target::Call { resource, tool, method }, |tag| Target::Tag(tag.into()))
}

fn condition(fields: &mut Fields<'_, '_>, conditions: &mut Conditions) -> Option<Arc<Condition>> {
    fields.parsed("when", CONDITION_BYTES_MAX, |text| {
        let compiled =
            conditions.entry_ref(text.as_ref()).or_insert_with(|| Condition::compile(&text).map(Arc::new));
        compiled.clone().map_err(Mistake::Condition)
    })
}
