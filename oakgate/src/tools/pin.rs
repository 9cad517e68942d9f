//! `oakgate tools pin`: entries for the policy that accept definitions as they are now.

use std::collections::BTreeMap;

use policy::InputSchema;
use serde_json::Value;

use super::Tool;
use crate::exit::{Done, Failure};
use crate::terminal::{say, visible};

pub(super) fn run(tools: Vec<Tool>, names: &[String]) -> Done {
    let mut by_name: BTreeMap<String, Tool> = BTreeMap::new();
    for tool in tools.into_iter().filter(|tool| names.is_empty() || names.contains(&tool.name)) {
        if let Some(other) = by_name.get(&tool.name)
            && other.sha256 != tool.sha256
        {
            return Err(Failure::Input(format!(
                "`{}` and `{}` show different tools `{}`: name one of them with --backend",
                other.backend, tool.backend, tool.name
            )));
        }
        by_name.insert(tool.name.clone(), tool);
    }
    let missing: Vec<_> = names.iter().filter(|name| !by_name.contains_key(*name)).collect();
    if let Some(name) = missing.first() {
        return Err(Failure::Input(format!(
            "no backend has shown a tool `{name}` since the proxy started; `oakgate tools list` says which were shown"
        )));
    }
    say("tools:");
    by_name.values().for_each(entry);
    Ok(())
}

fn entry(tool: &Tool) {
    let Some(sha256) = &tool.sha256 else {
        say(format!("  # `{}` holds an integer beyond 2^53: it has no digest to pin", visible(&tool.name)));
        return;
    };
    say(format!("  - name: {}", json(&Value::from(tool.name.as_str()))));
    say(format!("    definition_sha256: {sha256}"));
    let Some(definition) = &tool.definition else {
        say("    # its definition is too long to be kept: add its `input_schema` by hand");
        return;
    };
    let Some(schema) = definition.get("inputSchema") else { return };
    match InputSchema::compile(schema.clone()) {
        Ok(_) => say(format!("    input_schema: {}", json(schema))),
        Err(why) => say(format!("    # `input_schema` is left out: {}", visible(&why.to_string()))),
    }
}

/// JSON is YAML, too. What does not show is escaped: whoever accepts a definition should see what is in it.
fn json(value: &Value) -> String {
    let mut text = String::new();
    for c in value.to_string().chars() {
        if c.is_ascii() || visible(c.encode_utf8(&mut [0; 4])) == c.to_string() {
            text.push(c);
        } else {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        }
    }
    text
}
