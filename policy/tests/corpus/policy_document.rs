//! Policy documents: refused with places that exist, or decided as their contract says.

#[path = "reference.rs"]
mod reference;

use policy::cascade::{Silent, explain, verdict};
use policy::{Document, Permission, Query, Snapshot, UnixMillis};
use serde_json::{Value, json};

/// Rules whose names are tried on a document.
const RULES_MAX: usize = 16;

/// True if the bytes are a document.
pub(crate) fn holds(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in errors {
                assert!(error.place().line > 0 && error.place().column > 0);
                assert!(!error.to_string().chars().any(char::is_control), "{error}");
            }
            return false;
        }
    };
    let snapshot = Snapshot::compile(document, 1);
    // The reference reads JSON, and knows a few conditions only.
    let json: Option<Value> = serde_json::from_str(text).ok();
    let is_known =
        |rule: &Value| rule["when"].as_str().is_none_or(|when| reference::CONDITIONS.contains(&when));
    let known = json.as_ref().filter(|document| reference::rules(document).iter().all(is_known));
    for query in queries(&snapshot, json.as_ref()) {
        let text = query.to_string();
        let parsed = Query::parse(&text).unwrap();
        let found = verdict(&snapshot, &parsed.call(), UnixMillis(0), &mut Silent);
        assert_eq!(explain(&snapshot, &parsed.call(), UnixMillis(0)).verdict(), Some(&found), "{text}");
        let tenant = parsed.call().tenant;
        let is_hidden = !snapshot.may_be_called(parsed.call().tool, tenant);
        assert!(!is_hidden || found.permission == Permission::Disabled, "hidden, and yet {found:?}: {text}");
        if let Some(document) = known {
            assert_eq!(serde_json::to_value(&found).unwrap(), reference::verdict(document, &query), "{text}");
        }
    }
    true
}

/// Calls that name what the document names, and others.
fn queries(snapshot: &Snapshot, document: Option<&Value>) -> Vec<Value> {
    let mut queries =
        vec![json!({"tool": "unheard of"}), json!({"tool": "", "tenant": "", "resource": "", "method": ""})];
    for tool in snapshot.tools().take(RULES_MAX) {
        queries.push(json!({"tool": tool.name(), "tenant": "t", "args": {"amount": 250.5}}));
        queries.push(json!({"tool": tool.name(), "resource": "r/1", "method": "get", "args": {"amount": 7}}));
    }
    let tool = snapshot.tools().next().map_or("t", |tool| tool.name());
    for rule in document.map(reference::rules).unwrap_or_default().iter().take(RULES_MAX) {
        let named = ["tenant", "resource", "tool", "method"].map(|field| {
            let name = rule[field].as_str().map(|name| name.replace('*', "x"));
            (field.to_owned(), json!(name))
        });
        let mut query: Value = named.into_iter().collect();
        if query["tool"].is_null() {
            query["tool"] = json!(tool);
        }
        queries.push(query);
    }
    queries
}
