//! `oakgate tools pin`: entries for the policy that accept definitions as they are now.

use std::collections::BTreeMap;

use policy::InputSchema;
use serde_json::Value;

use super::Tool;
use crate::exit::{Done, Failure};
use crate::terminal::{say, visible, visible_json};

pub(super) fn run(tools: Vec<Tool>, names: &[String]) -> Done {
    let mut by_name: BTreeMap<String, Tool> = BTreeMap::new();
    for tool in tools.into_iter().filter(|tool| names.is_empty() || names.contains(&tool.name)) {
        if let Some(other) = by_name.get(&tool.name)
            && other.sha256 != tool.sha256
        {
            return Err(Failure::Input(format!(
                "`{}` and `{}` show different tools `{}`: name one of them with `--backend`",
                other.backend,
                tool.backend,
                visible(&tool.name)
            )));
        }
        by_name.insert(tool.name.clone(), tool);
    }
    say(
        "# Put the entries under `tools:` in the policy. Where it lists a tool already, put the two fields into that entry.",
    );
    say("tools:");
    by_name.values().for_each(entry);
    Ok(())
}

fn entry(tool: &Tool) {
    let Some(sha256) = &tool.sha256 else {
        say(format!(
            "  # `{}` has no canonical form (an integer beyond 2^53, or a key twice), so there is no digest to pin",
            visible(&tool.name)
        ));
        return;
    };
    // JSON is YAML, too.
    say(format!("  - name: {}", visible_json(&Value::from(tool.name.as_str()).to_string())));
    say(format!("    definition_sha256: {sha256}"));
    let Some(definition) = &tool.definition else {
        say("    # its definition is too long to be kept: add its `input_schema` by hand");
        return;
    };
    let Some(schema) = definition.get("inputSchema") else { return };
    match InputSchema::compile(schema.clone()) {
        Ok(_) => say(format!("    input_schema: {}", visible_json(&schema.to_string()))),
        Err(why) => say(format!("    # `input_schema` is left out: {}", visible(&why.to_string()))),
    }
}
