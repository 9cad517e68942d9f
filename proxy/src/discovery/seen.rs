//! A tool as it is told of: what its backend says of it, cut to size.

use policy::ToolDefinition;
use policy_sync::{Hints, SeenIn, SeenTool};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A longer description is cut.
const DESCRIPTION_BYTES_MAX: usize = 4 * 1024;

/// A longer schema is left out.
const SCHEMA_BYTES_MAX: usize = 16 * 1024;

/// The members of a definition that a person needs, as they came.
#[derive(Default, Deserialize)]
struct Definition<'a> {
    #[serde(borrow)]
    description: Option<&'a RawValue>,
    #[serde(borrow)]
    annotations: Option<&'a RawValue>,
    #[serde(borrow, rename = "inputSchema")]
    input_schema: Option<&'a RawValue>,
}

/// MCP's tool annotations.
#[derive(Deserialize)]
struct Annotations {
    #[serde(rename = "readOnlyHint")]
    read_only: Option<bool>,
    #[serde(rename = "destructiveHint")]
    destructive: Option<bool>,
    #[serde(rename = "idempotentHint")]
    idempotent: Option<bool>,
    #[serde(rename = "openWorldHint")]
    open_world: Option<bool>,
}

/// A tool with what its definition (JSON text) says. What is not as MCP has it is left out.
pub(super) fn seen(name: &str, seen: SeenIn, definition: Option<&str>) -> SeenTool {
    let digest = definition.and_then(|text| Some(ToolDefinition::read(text).ok()?.digest().to_string()));
    let said =
        definition.and_then(|text| serde_json::from_str::<Definition<'_>>(text).ok()).unwrap_or_default();
    let description = said.description.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
    let schema = said.input_schema.map(RawValue::get).filter(|schema| schema.len() <= SCHEMA_BYTES_MAX);
    SeenTool {
        name: name.to_owned(),
        seen,
        description: description.map(cut),
        annotations: said.annotations.and_then(|raw| hints(raw.get())),
        input_schema: schema.map(str::to_owned),
        definition_sha256: digest,
    }
}

fn hints(json: &str) -> Option<Hints> {
    let Annotations { read_only, destructive, idempotent, open_world } = serde_json::from_str(json).ok()?;
    Some(Hints { read_only, destructive, idempotent, open_world })
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(DESCRIPTION_BYTES_MAX));
    text
}
