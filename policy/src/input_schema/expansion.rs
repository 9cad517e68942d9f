//! How large a schema is once its references are followed: what a compiler and a check have to go through.
//!
//! A few lines that refer to each other twice at each level stand for more than any computer can go through, so this is
//! known, and bounded, before a schema is compiled.

use serde_json::{Map, Value};

use super::NotASchema;

/// Most objects and lists of a schema, each as often as it is referred to.
pub const SCHEMA_NODES_MAX: usize = 5_000;
/// Deepest nesting of a schema, its references followed.
pub const SCHEMA_DEPTH_MAX: usize = 64;

/// A schema's size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Expansion {
    /// Its objects and lists, each as often as it is referred to.
    pub(super) nodes: usize,
    /// Some part of it refers to a part that it is in.
    pub(super) is_recursive: bool,
}

impl Expansion {
    /// Follows all references of a schema.
    pub(super) fn of(schema: &Value) -> Result<Self, NotASchema> {
        let mut walk = Walk { root: schema, within: Vec::new(), expansion: Self::default() };
        walk.value(schema, 0)?;
        Ok(walk.expansion)
    }
}

struct Walk<'s> {
    root: &'s Value,
    /// The references that are being followed.
    within: Vec<&'s str>,
    expansion: Expansion,
}

impl<'s> Walk<'s> {
    fn value(&mut self, value: &'s Value, depth: usize) -> Result<(), NotASchema> {
        if !value.is_object() && !value.is_array() {
            return Ok(());
        }
        self.expansion.nodes = self.expansion.nodes.saturating_add(1);
        if self.expansion.nodes > SCHEMA_NODES_MAX || depth > SCHEMA_DEPTH_MAX {
            return Err(NotASchema::TooComplex);
        }
        let depth = depth.saturating_add(1);
        match value {
            Value::Array(items) => items.iter().try_for_each(|item| self.value(item, depth)),
            Value::Object(members) => self.object(members, depth),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    fn object(&mut self, members: &'s Map<String, Value>, depth: usize) -> Result<(), NotASchema> {
        for (name, value) in members {
            match (name.as_str(), value) {
                ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(to)) => self.reference(to, depth)?,
                // Inside of it, references would start from somewhere else.
                ("$id", Value::String(id)) if depth > 1 => {
                    return Err(NotASchema::Reference(id.as_str().into()));
                }
                _ => self.value(value, depth)?,
            }
        }
        Ok(())
    }

    fn reference(&mut self, to: &'s str, depth: usize) -> Result<(), NotASchema> {
        let fragment = to.strip_prefix('#').ok_or_else(|| NotASchema::Reference(super::shown(to).into()))?;
        if fragment.is_empty() || self.within.contains(&to) {
            self.expansion.is_recursive = true;
            return Ok(());
        }
        // A pointer in a URI may be percent-encoded; only what is written plainly is taken.
        let target = if fragment.starts_with('/') && !fragment.contains('%') {
            self.root.pointer(fragment)
        } else {
            anchored(self.root, fragment)
        };
        let target = target.ok_or_else(|| NotASchema::Reference(super::shown(to).into()))?;
        self.within.push(to);
        self.value(target, depth)?;
        self.within.pop();
        Ok(())
    }
}

/// The part of a schema that has this anchor.
fn anchored<'s>(value: &'s Value, anchor: &str) -> Option<&'s Value> {
    match value {
        Value::Array(items) => items.iter().find_map(|item| anchored(item, anchor)),
        Value::Object(members) => {
            let has = |name: &str| members.get(name).and_then(Value::as_str) == Some(anchor);
            if has("$anchor") || has("$dynamicAnchor") {
                return Some(value);
            }
            members.values().find_map(|member| anchored(member, anchor))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
