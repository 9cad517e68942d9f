//! The cascade as its contract puts it, in plain loops over the document: slow, and easy to check by eye.

use std::cmp::Reverse;

use serde_json::{Value, json};

const TOOL_FIRST: [&str; 9] = [
    "resource+tool+method",
    "resource+tool",
    "tool+method",
    "tool",
    "resource+method",
    "resource",
    "method",
    "tag",
    "any",
];
const RESOURCE_FIRST: [&str; 9] = [
    "resource+tool+method",
    "resource+tool",
    "resource+method",
    "resource",
    "tool+method",
    "tool",
    "method",
    "tag",
    "any",
];

/// The conditions that it knows.
pub(crate) const CONDITIONS: [&str; 7] = [
    "true",
    "false",
    "tenant == ''",
    "args.amount > 100",
    "args.missing.deep == 1",
    "args.amount",
    "1 / 0 == 1",
];

/// A level, and the rule there; or a fallback, and an object with its permission.
type Found = (String, Value);

/// The rules of a document.
pub(crate) fn rules(document: &Value) -> &[Value] {
    list(document, "rules")
}

/// The verdict as JSON, like `policy decide` prints it.
pub(crate) fn verdict(document: &Value, query: &Value) -> Value {
    let tool =
        list(document, "tools").iter().find(|tool| tool["name"] == query["tool"]).unwrap_or(&Value::Null);
    if tool["enabled"] == false {
        return json!({"permission": "disabled", "level": "gate/tool-disabled"});
    }
    let mut faults: Vec<Found> = Vec::new();
    let mut found = walk(document, query, tool, &mut faults).unwrap_or_else(|| fallback(document, tool));
    let ids: Vec<Value> = faults.iter().map(|(_, rule)| rule["id"].clone()).collect();
    // Stable: the first met, among equals.
    faults.sort_by_key(|(_, rule)| Reverse(strictness(rule)));
    if let Some(fault) = faults.into_iter().next().filter(|(_, rule)| strictness(rule) > strictness(&found.1))
    {
        found = fault;
    }
    let (level, rule) = found;
    let is_new = tool.is_null() || tool["status"] == "draft";
    let is_named = rule["tool"] == query["tool"] || level == "tool-default";
    let clamped =
        document["unlisted_tools"] != "trust" && is_new && !is_named && rule["permission"] == "allowed";
    let permission = if clamped { json!("requires_approval") } else { rule["permission"].clone() };
    let mut verdict = json!({"permission": permission, "level": level});
    if clamped {
        verdict["clamped"] = json!(true);
    }
    if !rule["id"].is_null() {
        verdict["rule"] = rule["id"].clone();
    }
    if !ids.is_empty() {
        verdict["faults"] = json!(ids);
    }
    verdict
}

fn walk(document: &Value, query: &Value, tool: &Value, faults: &mut Vec<Found>) -> Option<Found> {
    let levels = if document["precedence"] == "resource-first" { RESOURCE_FIRST } else { TOOL_FIRST };
    for scope in ["tenant", "org"].into_iter().filter(|scope| *scope == "org" || !query["tenant"].is_null()) {
        for coordinates in levels {
            let level = format!("{scope}/{coordinates}");
            let tenant = if scope == "tenant" { &query["tenant"] } else { &Value::Null };
            let mut rules: Vec<&Value> = rules(document)
                .iter()
                .filter(|rule| rule["tenant"] == *tenant && coordinates_of(rule) == coordinates)
                .filter(|rule| matches(rule, query, tool))
                .collect();
            // Stable: among equals, document order.
            rules.sort_by_key(|rule| Reverse((closeness(&rule["tool"]), closeness(&rule["resource"]))));
            let mut strictest: Option<&Value> = None;
            for rule in rules {
                match holds(rule, query) {
                    None => faults.push((level.clone(), rule.clone())),
                    Some(true) if coordinates != "tag" => return Some((level, rule.clone())),
                    Some(true) if strictest.is_none_or(|found| strictness(rule) > strictness(found)) => {
                        strictest = Some(rule);
                    }
                    Some(_) => {}
                }
            }
            if let Some(rule) = strictest {
                return Some((level, rule.clone()));
            }
        }
    }
    None
}

fn fallback(document: &Value, tool: &Value) -> Found {
    let category = list(document, "categories").iter().find(|category| category["name"] == tool["category"]);
    let category_default = category.map_or(&Value::Null, |category| &category["default"]);
    if !tool["default"].is_null() {
        ("tool-default".into(), json!({"permission": tool["default"]}))
    } else if !category_default.is_null() {
        ("category-default".into(), json!({"permission": category_default}))
    } else if tool["status"] == "approved" {
        ("tool-approved".into(), json!({"permission": "allowed"}))
    } else {
        ("fail-safe".into(), json!({"permission": "requires_approval"}))
    }
}

fn list<'d>(document: &'d Value, name: &str) -> &'d [Value] {
    document[name].as_array().map_or(&[], Vec::as_slice)
}

fn strictness(rule: &Value) -> usize {
    ["allowed", "requires_approval", "disabled"].iter().position(|word| rule["permission"] == *word).unwrap()
}

fn coordinates_of(rule: &Value) -> String {
    let named: Vec<&str> =
        ["resource", "tool", "method", "tag"].into_iter().filter(|field| !rule[field].is_null()).collect();
    if named.is_empty() { "any".into() } else { named.join("+") }
}

fn matches(rule: &Value, query: &Value, tool: &Value) -> bool {
    let is_tagged = rule["tag"].is_null() || list(tool, "tags").contains(&rule["tag"]);
    is_tagged && ["resource", "tool", "method"].iter().all(|field| fits(&rule[field], &query[field], field))
}

fn fits(named: &Value, value: &Value, field: &str) -> bool {
    match (named.as_str(), value.as_str()) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(named), Some(value)) => match named.strip_suffix('*') {
            Some(prefix) if field != "method" => value.starts_with(prefix),
            _ => named == value,
        },
    }
}

/// Exact names before patterns, longer patterns before shorter ones.
fn closeness(named: &Value) -> (bool, usize) {
    named.as_str().map_or((false, 0), |named| (!named.ends_with('*'), named.len()))
}

/// Whether a rule's condition holds; `None` for a fault.
fn holds(rule: &Value, query: &Value) -> Option<bool> {
    match rule["when"].as_str() {
        None | Some("true") => Some(true),
        Some("false") => Some(false),
        Some("tenant == ''") => Some(query["tenant"].as_str().unwrap_or_default().is_empty()),
        Some("args.amount > 100") => query["args"]["amount"].as_f64().map(|amount| amount > 100.0),
        Some("args.missing.deep == 1" | "args.amount" | "1 / 0 == 1") => None,
        Some(unknown) => panic!("{unknown}"),
    }
}
