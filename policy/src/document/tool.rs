//! A tool as written.

use std::sync::Arc;

use super::NAME_BYTES_MAX;
use super::fields::Fields;
use crate::load_error::Part;
use crate::{Annotations, Reasoning, Status, Tool};

/// Most tags of one tool.
pub(crate) const TAGS_MAX: usize = 32;
/// Longest time that an approval may wait: a year.
const APPROVAL_TIMEOUT_SECONDS_MAX: u32 = 365 * 24 * 3600;

/// Reads a tool; `None` if it has no name.
pub(super) fn read(fields: &mut Fields<'_, '_>) -> Option<Tool> {
    let name = fields.name("name", Part::Tool);
    let category = fields.text("category", NAME_BYTES_MAX).map(|category| category.as_ref().into());
    let statuses =
        [("draft", Status::Draft), ("registered", Status::Registered), ("approved", Status::Approved)];
    let status = fields.word("status", &statuses).unwrap_or_default();
    let enabled = fields.flag("enabled").unwrap_or(true);
    let default = fields.permission("default");
    let mut tags: Vec<Arc<str>> = Vec::new();
    for tag in fields.texts("tags", TAGS_MAX, NAME_BYTES_MAX) {
        if !tags.iter().any(|earlier| **earlier == *tag) {
            tags.push(tag.as_ref().into());
        }
    }
    let annotations = annotations(fields);
    let second_approval = fields.flag("second_approval").unwrap_or(false);
    let approval_timeout_seconds =
        fields.seconds("approval_timeout_seconds", 1, APPROVAL_TIMEOUT_SECONDS_MAX);
    let reasonings = [("none", Reasoning::None), ("soft", Reasoning::Soft), ("hard", Reasoning::Hard)];
    let reasoning = fields.word("reasoning", &reasonings).unwrap_or_default();
    let input_schema = fields.schema("input_schema").map(Arc::new);
    let definition_sha256 = fields.sha256("definition_sha256");
    Some(Tool {
        name: name?.as_ref().into(),
        category,
        status,
        enabled,
        default,
        tags: tags.into(),
        annotations,
        second_approval,
        approval_timeout_seconds,
        reasoning,
        input_schema,
        definition_sha256,
    })
}

fn annotations(fields: &mut Fields<'_, '_>) -> Annotations {
    let Some(mut fields) = fields.inner("annotations") else { return Annotations::default() };
    let annotations = Annotations {
        read_only: fields.flag("read_only"),
        destructive: fields.flag("destructive"),
        idempotent: fields.flag("idempotent"),
        open_world: fields.flag("open_world"),
    };
    fields.finish();
    annotations
}
