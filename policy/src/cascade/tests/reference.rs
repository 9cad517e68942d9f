//! The cascade as its contract puts it, in plain loops over the document: slow, and easy to check by eye.

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
const STRICTNESS: [&str; 3] = ["allowed", "requires_approval", "disabled"];

/// The verdict as JSON, like `policy decide` prints it.
pub(super) fn verdict(document: &Value, query: &Value) -> Value {
    let tool = list(document, "tools").iter().find(|tool| tool["name"] == query["tool"]).unwrap_or(&Value::Null);
    if tool["enabled"] == false {
        return json!({"permission": "disabled", "level": "gate/tool-disabled"});
    }
    let (mut set_aside, mut faults) = (Vec::new(), Vec::new());
    let mut found = None;
    let scopes = [("tenant", query["tenant"].clone()), ("org", Value::Null)];
    let levels = if document["precedence"] == "resource-first" { RESOURCE_FIRST } else { TOOL_FIRST };
    for (scope, tenant) in scopes.iter().filter(|(scope, tenant)| *scope == "org" || !tenant.is_null()) {
        for coordinates in levels {
            let mut candidates: Vec<&Value> = list(document, "rules")
                .iter()
                .filter(|rule| rule["tenant"] == *tenant && coordinates_of(rule) == coordinates)
                .filter(|rule| matches(rule, query, tool))
                .collect();
            if coordinates == "tag" {
                // Stable: among equals, document order.
                candidates.retain(|rule| holds(rule, query, &mut faults));
                candidates.sort_by_key(|rule| std::cmp::Reverse(strictness(&rule["permission"])));
            } else {
                candidates.sort_by_key(|rule| std::cmp::Reverse((length(&rule["tool"]), length(&rule["resource"]))));
                let decides = candidates.iter().position(|rule| holds(rule, query, &mut faults));
                candidates = decides.map(|decides| candidates[decides]).into_iter().collect();
            }
            let level = format!("{scope}/{coordinates}");
            set_aside.extend(faults.iter().skip(set_aside.len()).map(|rule| (level.clone(), rule)).map(
                |(level, rule): (String, &Value)| (level, rule.clone()),
            ));
            if found.is_none() {
                found = candidates.first().map(|rule| (level, (*rule).clone()));
            }
            if found.is_some() {
                break;
            }
        }
        if found.is_some() {
            break;
        }
    }
    let (mut level, mut rule) = found.unwrap_or_else(|| fallback(document, tool));
    let strictest = set_aside.iter().map(|(_, rule)| strictness(&rule["permission"])).max();
    if strictest > Some(strictness(&rule["permission"])) {
        (level, rule) = set_aside
            .into_iter()
            .find(|(_, rule)| Some(strictness(&rule["permission"])) == strictest)
            .unwrap();
    }
    let is_new = tool.is_null() || tool["status"] == "draft";
    let named = rule["tool"] == query["tool"] || level == "tool-default";
    let clamped = document["unlisted_tools"] != "trust" && is_new && !named && rule["permission"] == "allowed";
    let mut verdict = json!({"permission": rule["permission"], "level": level});
    if clamped {
        verdict["permission"] = "requires_approval".into();
        verdict["clamped"] = true.into();
    }
    if !rule["id"].is_null() {
        verdict["rule"] = rule["id"].clone();
    }
    if !faults.is_empty() {
        verdict["faults"] = faults.iter().map(|rule| rule["id"].clone()).collect();
    }
    verdict
}
