//! What differs between two documents besides verdicts: settings of the document, its categories and its tools.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Both, Direction};
use crate::document::{Document, Mode, UnlistedTools};
use crate::{Annotations, Precedence, Reasoning, Status, Tool};

/// One setting that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettingChange {
    /// Which way, where that can be said of the setting itself; other settings show in verdicts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// The tool that it is a setting of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<Arc<str>>,
    /// The category that it is a setting of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<Arc<str>>,
    /// The field; `listed` says whether the document lists the tool or category at all.
    pub field: &'static str,
    /// What it was; null if it was not set.
    pub old: Value,
    /// What it is; null if it is not set.
    pub new: Value,
}

/// The settings that differ: the document's, then those of categories and tools in document order.
pub(super) fn changes(documents: &Both<&Document>) -> Vec<SettingChange> {
    let mut changes = Vec::new();
    let Both { old, new } = documents;
    let looser_if = |is_looser| Some(if is_looser { Direction::Looser } else { Direction::Stricter });
    let mut add = |field, direction, value: fn(&Document) -> Value| {
        changes.extend(change(field, documents.map(|document| value(document)), direction));
    };
    add("org", None, |document| json!(document.org));
    add("mode", looser_if(new.mode == Mode::Observe), |document| match document.mode {
        Mode::Enforce => json!("enforce"),
        Mode::Observe => json!("observe"),
    });
    add("precedence", None, |document| match document.precedence {
        Precedence::ToolFirst => json!("tool-first"),
        Precedence::ResourceFirst => json!("resource-first"),
    });
    add("unlisted_tools", None, |document| match document.unlisted_tools {
        UnlistedTools::Clamp => json!("clamp"),
        UnlistedTools::Trust => json!("trust"),
    });
    changes.extend(categories(old, new));
    changes.extend(tools(old, new));
    changes
}

fn change(field: &'static str, values: Both<Value>, direction: Option<Direction>) -> Option<SettingChange> {
    let Both { old, new } = values;
    (old != new).then_some(SettingChange { direction, tool: None, category: None, field, old, new })
}

fn listed(old: bool, new: bool) -> Option<SettingChange> {
    change("listed", Both { old: json!(old), new: json!(new) }, None)
}

fn categories(old: &Document, new: &Document) -> Vec<SettingChange> {
    let mut names: Vec<&Arc<str>> = old.categories.keys().chain(new.categories.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let of = |name: &Arc<str>| {
        let defaults = Both { old: old.categories.get(name), new: new.categories.get(name) };
        let change = match defaults {
            Both { old: Some(old), new: Some(new) } => {
                change("default", Both { old: json!(old), new: json!(new) }, None)
            }
            Both { old, new } => listed(old.is_some(), new.is_some()),
        };
        change.map(|change| SettingChange { category: Some(Arc::clone(name)), ..change })
    };
    names.into_iter().filter_map(of).collect()
}

fn tools(old: &Document, new: &Document) -> Vec<SettingChange> {
    let before: HashMap<&str, &Tool> = old.tools.iter().map(|tool| (tool.name(), tool)).collect();
    let after: HashMap<&str, &Tool> = new.tools.iter().map(|tool| (tool.name(), tool)).collect();
    let added = new.tools.iter().filter(|tool| !before.contains_key(tool.name()));
    let of = |tool: &Tool| {
        let changes = match (before.get(tool.name()), after.get(tool.name())) {
            (Some(old), Some(new)) => fields(&Both { old: *old, new: *new }),
            (old, new) => {
                let unlisted = unlisted(&tool.name);
                let tools = Both { old: *old.unwrap_or(&&unlisted), new: *new.unwrap_or(&&unlisted) };
                // What a tool asked of its calls goes with it.
                let asked = fields(&tools).into_iter().filter(|change| change.direction.is_some());
                listed(old.is_some(), new.is_some()).into_iter().chain(asked).collect()
            }
        };
        let name = Arc::clone(&tool.name);
        changes.into_iter().map(move |change| SettingChange { tool: Some(Arc::clone(&name)), ..change })
    };
    old.tools.iter().chain(added).flat_map(of).collect()
}

/// A tool as it is where the policy does not list it.
fn unlisted(name: &Arc<str>) -> Tool {
    Tool {
        name: Arc::clone(name),
        category: None,
        status: Status::Draft,
        enabled: true,
        default: None,
        tags: Box::default(),
        annotations: Annotations::default(),
        second_approval: false,
        approval_timeout_seconds: None,
        reasoning: Reasoning::None,
        input_schema: None,
        definition_sha256: None,
    }
}

/// A field of a tool, which way its change goes, and its value.
type Field = (&'static str, Option<Direction>, fn(&Tool) -> Value);

fn fields(tools: &Both<&Tool>) -> Vec<SettingChange> {
    let Both { old, new } = tools;
    let needs_more = |is_more| Some(if is_more { Direction::Stricter } else { Direction::Looser });
    let rank = |tool: &Tool| match tool.reasoning {
        Reasoning::None => 0,
        Reasoning::Soft => 1,
        Reasoning::Hard => 2,
    };
    // Another definition is allowed than the one that was accepted: without a pin any, with another pin another one.
    let pinned = match (old.definition_sha256, new.definition_sha256) {
        (None, _) => Direction::Stricter,
        (Some(_), None) => Direction::Looser,
        (Some(_), Some(_)) => Direction::MayChange,
    };
    let fields: [Field; 11] = [
        ("category", None, |tool| json!(tool.category)),
        ("status", None, |tool| json!(tool.status)),
        ("enabled", None, |tool| json!(tool.enabled)),
        ("default", None, |tool| json!(tool.default)),
        ("tags", None, |tool| json!(tool.tags)),
        ("annotations", None, |tool| json!(tool.annotations)),
        ("second_approval", needs_more(new.second_approval), |tool| json!(tool.second_approval)),
        ("approval_timeout_seconds", None, |tool| json!(tool.approval_timeout_seconds)),
        ("reasoning", needs_more(rank(new) > rank(old)), |tool| json!(tool.reasoning)),
        ("input_schema", None, |tool| json!(tool.input_schema.as_ref().map(|schema| schema.value()))),
        ("definition_sha256", Some(pinned), |tool| json!(tool.definition_sha256)),
    ];
    let of = |(field, direction, value): Field| change(field, tools.map(|tool| value(tool)), direction);
    fields.into_iter().filter_map(of).collect()
}
