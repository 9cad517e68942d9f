//! What holds for any policy and any call. Names come from a small alphabet, so that they collide.

use proptest::collection::vec;
use proptest::option::{of, weighted};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::{decided, reference, snapshot};
use crate::{Outlook, Query, Verdict};

const TENANTS: [&str; 3] = ["", "acme", "globex"];
const TOOLS: [&str; 6] = ["", "a", "ab", "abc", "abd", "b"];
const TOOL_PATTERNS: [&str; 12] = ["", "a", "ab", "abc", "abd", "b", "*", "a*", "ab*", "abc*", "abcd*", "b*"];
const RESOURCES: [&str; 5] = ["", "r", "r/1", "r/1/2", "s"];
const RESOURCE_PATTERNS: [&str; 9] = ["", "r", "r/1", "s", "*", "r*", "r/*", "r/1*", "r/1/*"];
const METHODS: [&str; 3] = ["", "get", "put"];
const TAGS: [&str; 3] = ["x", "y", "z"];
const PERMISSIONS: [&str; 3] = ["allowed", "requires_approval", "disabled"];

/// An object of those fields that are there.
fn object(fields: &[(&str, Option<&str>)]) -> Value {
    fields.iter().filter_map(|(name, value)| Some(((*name).to_owned(), json!((*value)?)))).collect()
}

fn rule() -> impl Strategy<Value = Value> {
    let coordinates = prop_oneof![
        8 => (weighted(0.4, select(&RESOURCE_PATTERNS)), weighted(0.5, select(&TOOL_PATTERNS)), weighted(0.3, select(&METHODS)))
            .prop_map(|(resource, tool, method)| (resource, tool, method, None)),
        2 => select(&TAGS).prop_map(|tag| (None, None, None, Some(tag))),
    ];
    let tenant = weighted(0.4, select(&TENANTS));
    (tenant, coordinates, select(&PERMISSIONS), weighted(0.6, select(&reference::CONDITIONS))).prop_map(
        |(tenant, (resource, tool, method, tag), permission, when)| {
            object(&[
                ("tenant", tenant),
                ("resource", resource),
                ("tool", tool),
                ("method", method),
                ("tag", tag),
                ("permission", Some(permission)),
                ("when", when),
            ])
        },
    )
}

/// Rules that a document may hold together: none stands behind another that always holds.
fn valid(rules: Vec<Value>) -> Vec<Value> {
    let mut kept: Vec<Value> = Vec::new();
    for rule in rules {
        let is_shadowed = kept.iter().any(|earlier| {
            earlier["when"].is_null() && rule["tag"].is_null() && coordinates(earlier) == coordinates(&rule)
        });
        if !is_shadowed {
            kept.push(rule);
        }
    }
    kept
}

fn coordinates(rule: &Value) -> [&Value; 5] {
    ["tenant", "resource", "tool", "method", "tag"].map(|field| &rule[field])
}

/// Names the rules of a list.
fn numbered(rules: Vec<Value>) -> Value {
    let mut rules = rules;
    for (number, rule) in rules.iter_mut().enumerate() {
        if rule["id"].is_null() {
            rule["id"] = json!(format!("r{number}"));
        }
    }
    rules.into()
}

fn tool(name: &'static str) -> impl Strategy<Value = Value> {
    let status = of(select(&["draft", "registered", "approved"]));
    let category = of(select(&["files", "money"]));
    (
        status,
        category,
        weighted(0.3, select(&PERMISSIONS)),
        prop::bool::weighted(0.9),
        vec(select(&TAGS), 0..3),
    )
        .prop_map(move |(status, category, default, enabled, tags)| {
            let fields =
                [("name", Some(name)), ("status", status), ("category", category), ("default", default)];
            let mut tool = object(&fields);
            tool["enabled"] = enabled.into();
            tool["tags"] = tags.into();
            tool
        })
}

fn document() -> impl Strategy<Value = Value> {
    let settings = (of(select(&["tool-first", "resource-first"])), of(select(&["clamp", "trust"])));
    let defaults = (of(select(&PERMISSIONS)), of(select(&PERMISSIONS)));
    let tools = TOOLS.iter().skip(1).map(|name| weighted(0.6, tool(name))).collect::<Vec<_>>();
    (settings, defaults, tools, vec(rule(), 0..14)).prop_map(
        |((precedence, unlisted), (files, money), tools, rules)| {
            let settings = [("org", Some("acme")), ("precedence", precedence), ("unlisted_tools", unlisted)];
            let mut document = object(&settings);
            document["format"] = 1.into();
            document["categories"] = json!([
                object(&[("name", Some("files")), ("default", files)]),
                object(&[("name", Some("money")), ("default", money)]),
            ]);
            document["tools"] = tools.into_iter().flatten().collect();
            document["rules"] = numbered(valid(rules));
            document
        },
    )
}

fn query() -> impl Strategy<Value = Value> {
    let arguments = select(vec![
        json!({}),
        json!({"amount": 100}),
        json!({"amount": 101}),
        json!({"amount": 250.5}),
        json!({"amount": "101"}),
    ]);
    (select(&TOOLS), of(select(&TENANTS)), of(select(&RESOURCES)), of(select(&METHODS)), arguments).prop_map(
        |(tool, tenant, resource, method, arguments)| {
            let mut query = object(&[
                ("tool", Some(tool)),
                ("tenant", tenant),
                ("resource", resource),
                ("method", method),
            ]);
            query["args"] = arguments;
            query
        },
    )
}

fn queries() -> impl Strategy<Value = Vec<Value>> {
    vec(query(), 20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn agrees_with_the_reference(document in document(), queries in queries()) {
        let snapshot = snapshot(&document);
        for query in queries {
            let found = serde_json::to_value(decided(&snapshot, &query)).unwrap();
            prop_assert_eq!(found, reference::verdict(&document, &query), "{} {}", document, query);
        }
    }

    #[test]
    fn another_disabled_rule_never_loosens(
        document in document(), queries in queries(), added in rule(), position in 0..15usize,
    ) {
        let before = snapshot(&document);
        let mut stricter = document;
        let mut rules = stricter["rules"].as_array().unwrap().clone();
        let mut added = added;
        added["permission"] = json!("disabled");
        rules.insert(position.min(rules.len()), added);
        prop_assume!(valid(rules.clone()) == rules);
        stricter["rules"] = rules.into_iter().map(|mut rule| {
            if rule["id"].is_null() {
                rule["id"] = json!("added");
            }
            rule
        }).collect();
        let after = snapshot(&stricter);
        for query in queries {
            let (before, after) = (decided(&before, &query), decided(&after, &query));
            prop_assert!(after.permission >= before.permission, "{stricter} {query} {before:?} {after:?}");
        }
    }

    #[test]
    fn a_fault_never_loosens(document in document(), queries in queries(), position in 0..14usize) {
        let rules_count = document["rules"].as_array().unwrap().len();
        prop_assume!(rules_count > 0);
        let with = |when: &str| {
            let mut changed = document.clone();
            changed["rules"][position % rules_count]["when"] = json!(when);
            changed
        };
        let (faulty, passed_over) = (with("args.missing.deep == 1"), with("false"));
        let rule = faulty["rules"][position % rules_count].clone();
        let (faulty, passed_over) = (snapshot(&faulty), snapshot(&passed_over));
        for query in queries {
            let (found, without) = (decided(&faulty, &query), decided(&passed_over, &query));
            prop_assert!(found.permission >= without.permission, "{document} {query} {found:?} {without:?}");
            if found.faults.iter().any(|id| rule["id"] == **id) {
                prop_assert!(rule["permission"] == "allowed" || found.permission.as_str() == rule["permission"]
                    || found.permission == crate::Permission::Disabled);
            }
        }
    }

    /// The same document may hide less than it could, for it does not know what conditions will say.
    #[test]
    fn every_call_of_a_hidden_tool_is_disabled(document in document(), queries in queries()) {
        let snapshot = snapshot(&document);
        let tenants = TENANTS.into_iter().map(Some).chain([None]);
        let names = tenants.flat_map(|tenant| TOOLS.map(|tool| (tenant, tool)));
        for (tenant, tool) in names.filter(|(tenant, tool)| !snapshot.may_be_called(tool, *tenant)) {
            for mut query in queries.clone() {
                query["tool"] = json!(tool);
                query["tenant"] = json!(tenant);
                let found = decided(&snapshot, &query);
                prop_assert_eq!(found.permission, crate::Permission::Disabled, "{} {}", document, query);
            }
        }
    }

    /// An outlook promises; only `depends` promises nothing.
    #[test]
    fn every_call_gets_what_the_outlook_says(
        document in document(), queries in queries(), changed in any::<bool>(),
    ) {
        let snapshot = snapshot(&document);
        for mut query in queries {
            query["definition_changed"] = json!(changed);
            let parsed = Query::parse(&query.to_string()).unwrap();
            let call = parsed.call();
            let expected = match snapshot.outlook(call.tool, call.tenant, call.definition) {
                Outlook::Allowed => crate::Permission::Allowed,
                Outlook::RequiresApproval => crate::Permission::RequiresApproval,
                Outlook::Disabled => crate::Permission::Disabled,
                Outlook::Depends => continue,
            };
            prop_assert_eq!(decided(&snapshot, &query).permission, expected, "{} {}", document, query);
        }
    }

    /// `allowed` becomes `requires_approval`, and nothing else changes.
    #[test]
    fn a_changed_definition_makes_a_draft_of_any_tool(document in document(), queries in queries()) {
        let snapshot = snapshot(&document);
        for mut query in queries {
            let before = decided(&snapshot, &query);
            query["definition_changed"] = json!(true);
            let after = decided(&snapshot, &query);
            let clamped = before.permission == crate::Permission::Allowed;
            let permission = if clamped { crate::Permission::RequiresApproval } else { before.permission };
            let expected = Verdict {
                permission, clamped: before.clamped || clamped, definition_changed: true, ..before
            };
            prop_assert_eq!(after, expected, "{} {}", document, query);
        }
    }

    #[test]
    fn rules_of_other_coordinates_may_change_places(
        document in document(), queries in queries(), places in vec(any::<u32>(), 14),
    ) {
        let before = snapshot(&document);
        let rules = document["rules"].as_array().unwrap().clone();
        // Tag rules of one tenant keep their order among each other, for the first of equals is named.
        let group = |rule: &Value| {
            let mut group = coordinates(rule).map(Value::clone);
            if !rule["tag"].is_null() {
                group[4] = json!(true);
            }
            group
        };
        let mut order: Vec<usize> = (0..rules.len()).collect();
        order.sort_by_key(|&index| places[index]);
        let mut queues: Vec<Value> = rules.clone();
        let moved: Vec<Value> = order.into_iter().map(|index| {
            let wanted = group(&rules[index]);
            let first = queues.iter().position(|rule| group(rule) == wanted).unwrap();
            queues.remove(first)
        }).collect();
        let mut shuffled = document;
        shuffled["rules"] = moved.into();
        let after = snapshot(&shuffled);
        for query in queries {
            prop_assert_eq!(decided(&before, &query), decided(&after, &query));
        }
    }
}
