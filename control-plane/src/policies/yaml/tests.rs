//! Whatever a policy says, its YAML says the same, to this program and to readers of JSON's own kind.

use policy::document::{Entry, Parts};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Texts of every kind: odd characters, and words that YAML could take for something else.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[-a-zA-Z0-9_./:#&*!|>'\"%@`{}\\[\\], ?~=<\t\n]{1,12}",
        prop::sample::select(vec![
            "null", "~", "true", "No", "ON", "y", "1", "0x1f", "1e3", ".inf", "- a", "a: b", "a #b", "---",
            "...", "<<", "=", "\u{85}", "\u{2028}", "\u{feff}", "\u{7f}", "\u{0}", "\u{ffff}", " a", "a ",
            "", "a\\", "é", "😀",
        ])
        .prop_map(str::to_owned),
    ]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        Just(Value::Null),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(text(), inner, 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn entry(name: &str, value: &Value) -> Entry {
    Entry { name: name.to_owned(), json: value.to_string() }
}

proptest! {
    #[test]
    fn yaml_says_what_json_says(
        org in text().prop_filter("empty", |org| !org.is_empty()),
        tools in btree_map(text().prop_filter("empty", |name| !name.is_empty()), (vec(text(), 0..3), json_value()), 0..4),
        reasons in vec(text(), 0..4),
        observe in any::<bool>(),
    ) {
        let tools: Vec<_> = tools
            .iter()
            .map(|(name, (tags, note))| {
                entry(name, &json!({"name": name, "tags": tags, "input_schema": {"default": note}}))
            })
            .collect();
        let rules: Vec<_> = reasons
            .iter()
            .zip(0..)
            .map(|(reason, number)| {
                let id = format!("r{number}");
                entry(&id, &json!({"id": id, "tool": id, "permission": "disabled", "reason": reason}))
            })
            .collect();
        let settings = if observe { r#"{"mode":"observe"}"# } else { "{}" };
        let pieces = || {
            let tools = tools.iter().map(|tool| (PieceKind::Tool, tool.json.as_str()));
            let rules = rules.iter().map(|rule| (PieceKind::Rule, rule.json.as_str()));
            [(PieceKind::Settings, settings)].into_iter().chain(tools).chain(rules)
        };
        let json = crate::policies::text(&org, pieces());
        let parts = Parts::parse(&json).map_err(|errors| TestCaseError::fail(format!("{errors:?}\n{json}")))?.1;
        prop_assert_eq!(&parts.org, &org);
        prop_assert_eq!(&parts.tools, &tools);
        prop_assert_eq!(&parts.rules, &rules);
        let yaml = yaml(&org, pieces()).unwrap();
        let again = Parts::parse(&yaml).map_err(|errors| TestCaseError::fail(format!("{errors:?}\n{yaml}")))?.1;
        prop_assert_eq!(again, parts, "{}", yaml);
    }
}

#[test]
fn it_is_made_for_people() {
    let pieces = [
        (PieceKind::Settings, r#"{"mode":"observe"}"#),
        (PieceKind::Category, r#"{"default":"allowed","name":"reading"}"#),
        (PieceKind::Tool, r#"{"category":"reading","name":"fs.read","tags":["a b","no"]}"#),
        (
            PieceKind::Rule,
            r#"{"id":"1","permission":"disabled","reason":"don't: \u0085","resource":"/etc/*"}"#,
        ),
    ];
    let expected = r#"format: 1
org: acme
mode: observe
categories:
  - name: reading
    default: allowed
tools:
  - name: fs.read
    category: reading
    tags: ["a b","no"]
rules:
  - id: "1"
    permission: disabled
    reason: "don't: \u0085"
    resource: "/etc/*"
"#;
    assert_eq!(yaml("acme", pieces.into_iter()).unwrap(), expected);
}
