//! What is reported, held against every call over a small alphabet, and word for word.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::*;
use crate::cascade::{Silent, verdict};
use crate::{Query, Snapshot, UnixMillis};

const TENANTS: [&str; 2] = ["acme", "globex"];
const TOOLS: [&str; 4] = ["a", "ab", "abc", "b"];
const TOOL_PATTERNS: [&str; 7] = ["a", "ab", "b", "*", "a*", "ab*", "c*"];
const RESOURCES: [&str; 5] = ["", "r", "r*", "r/*", "*"];
const METHODS: [&str; 2] = ["", "get"];
const TAGS: [&str; 2] = ["x", "y"];
const PERMISSIONS: [&str; 3] = ["allowed", "requires_approval", "disabled"];
const CONDITIONS: [&str; 4] = ["args.n > 1", "args.n > 2", "args.missing == 1", "method == 'get'"];

/// Every value of each dimension that a document could tell from the others, and some more.
const CALLS: [&[Option<&str>]; 4] = [
    &[None, Some("acme"), Some("globex"), Some("initech")],
    &[
        Some("a"),
        Some("ab"),
        Some("abc"),
        Some("abd"),
        Some("az"),
        Some("b"),
        Some("c"),
        Some("cz"),
        Some("z"),
    ],
    &[None, Some(""), Some("r"), Some("rz"), Some("r/"), Some("r/z"), Some("z")],
    &[None, Some(""), Some("get"), Some("z")],
];

fn maybe<T: Clone + std::fmt::Debug + 'static>(
    probability: f64,
    values: &'static [T],
) -> impl Strategy<Value = Option<T>> {
    proptest::option::weighted(probability, select(values))
}

fn rule(conditional: bool) -> impl Strategy<Value = Value> {
    let call = (maybe(0.5, &TOOL_PATTERNS), maybe(0.4, &RESOURCES), maybe(0.3, &METHODS))
        .prop_map(|(tool, resource, method)| json!({"tool": tool, "resource": resource, "method": method}));
    let target = prop_oneof![4 => call, 1 => select(&TAGS).prop_map(|tag| json!({"tag": tag}))];
    (maybe(0.4, &TENANTS), target, select(&PERMISSIONS), maybe(0.5, &CONDITIONS)).prop_map(
        move |(tenant, mut rule, permission, when)| {
            rule["tenant"] = json!(tenant);
            rule["permission"] = json!(permission);
            rule["when"] = json!(when.filter(|_| conditional));
            rule.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            rule
        },
    )
}

fn tool(name: &'static str) -> impl Strategy<Value = Value> {
    let tags = proptest::sample::subsequence(&TAGS[..], 0..=2);
    (maybe(0.5, &["draft", "approved"]), maybe(0.3, &PERMISSIONS), prop::bool::weighted(0.9), tags).prop_map(
        move |(status, default, enabled, tags)| {
            let mut tool = json!({"name": name, "enabled": enabled, "tags": tags, "category": "files"});
            status.into_iter().for_each(|status| tool["status"] = json!(status));
            default.into_iter().for_each(|default| tool["default"] = json!(default));
            tool
        },
    )
}

/// Two documents: the second has some rules and tools of the first, and some of its own.
fn documents(conditional: bool) -> impl Strategy<Value = [Value; 2]> {
    let head = || (maybe(0.2, &["resource-first"]), maybe(0.2, &["trust"]), maybe(0.3, &PERMISSIONS));
    let tools = || TOOLS.iter().map(|name| proptest::option::weighted(0.6, tool(name))).collect::<Vec<_>>();
    let rules = || vec((rule(conditional), select(&["both", "both", "both", "old", "new"])), 0..12);
    (head(), head(), tools(), tools(), rules(), any::<[bool; 2]>()).prop_map(
        |(old_head, new_head, old_tools, new_tools, rules, same)| {
            let of = |side: &str, head: &(_, _, _), tools: &Vec<Option<Value>>| {
                let mut kept: Vec<Value> = Vec::new();
                let own = rules.iter().enumerate().filter(|(_, (_, sides))| [side, "both"].contains(sides));
                for (number, (rule, _)) in own {
                    let key = |rule: &Value| ["tenant", "tool", "resource", "method"].map(|f| rule[f].clone());
                    let is_shadowed = |earlier: &Value| {
                        earlier["when"].is_null() && earlier["tag"].is_null() && key(earlier) == key(rule)
                    };
                    if rule["tag"].is_null() && kept.iter().any(is_shadowed) {
                        continue;
                    }
                    let mut rule = rule.clone();
                    rule["id"] = json!(format!("r{number}"));
                    kept.push(rule);
                }
                let (precedence, unlisted, category) = head;
                let mut document = json!({
                    "format": 1, "org": "acme", "rules": kept, "precedence": precedence, "unlisted_tools": unlisted,
                    "tools": tools.iter().flatten().collect::<Vec<_>>(),
                });
                document.as_object_mut().unwrap().retain(|_, value: &mut Value| !value.is_null());
                let category: &Option<&str> = category;
                document["categories"] = category.map_or(json!([{"name": "files"}]), |default| {
                    json!([{"name": "files", "default": default}])
                });
                document
            };
            let (new_head, new_tools) =
                (if same[0] { &old_head } else { &new_head }, if same[1] { &old_tools } else { &new_tools });
            [of("old", &old_head, &old_tools), of("new", new_head, new_tools)]
        },
    )
}

fn compared(documents: &[Value; 2]) -> Comparison {
    let [old, new] = documents.each_ref().map(|document| Compared::parse(&document.to_string()).unwrap());
    compare(&old, &new)
}

/// Every call, with arguments by turns, and as the cascade takes it.
static QUERIES: LazyLock<Vec<(Value, Query)>> = LazyLock::new(|| {
    let arguments = [json!(1), json!(2), json!(3), json!("x")];
    let with_arguments = |(mut query, n): (Value, &Value)| {
        query["args"] = json!({"n": n});
        let parsed = Query::parse(&query.to_string()).unwrap();
        (query, parsed)
    };
    every_query().into_iter().zip(arguments.iter().cycle()).map(with_arguments).collect()
});

fn every_query() -> Vec<Value> {
    let mut queries = vec![json!({})];
    for (dimension, values) in ["tenant", "tool", "resource", "method"].iter().zip(CALLS) {
        queries = queries
            .iter()
            .flat_map(|query| {
                values.iter().map(move |value| {
                    let mut query = query.clone();
                    value.iter().for_each(|value| query[*dimension] = json!(value));
                    query
                })
            })
            .collect();
    }
    queries
}

/// The values of one dimension that two documents name, exactly and by their beginnings.
fn named(documents: &[Value; 2], dimension: &str) -> (Vec<String>, Vec<String>) {
    let list = |document: &Value, list: &str| document[list].as_array().unwrap().clone();
    let of_rules = documents.iter().flat_map(|document| list(document, "rules"));
    let patterns = of_rules.filter_map(|rule| Some(rule[dimension].as_str()?.to_owned()));
    let (prefixes, mut exact): (Vec<_>, Vec<_>) = patterns.partition(|pattern| pattern.ends_with('*'));
    if dimension == "tool" {
        let tools = documents.iter().flat_map(|document| list(document, "tools"));
        exact.extend(tools.map(|tool| tool["name"].as_str().unwrap().to_owned()));
    }
    (exact, prefixes.iter().map(|prefix| prefix.trim_end_matches('*').to_owned()).collect())
}

/// Whether a set has a value, as its documentation puts it.
fn holds(set: &ValueSet, value: Option<&str>, (exact, prefixes): &(Vec<String>, Vec<String>)) -> bool {
    let Some(value) = value else { return set.absent };
    let closest =
        prefixes.iter().filter(|prefix| value.starts_with(*prefix)).max_by_key(|prefix| prefix.len());
    if exact.iter().any(|name| name == value) {
        set.names.iter().any(|name| name == value)
    } else if let Some(closest) = closest {
        set.prefixes.contains(closest)
    } else {
        set.other
    }
}

/// The changes that a call is in.
fn covering<'c>(
    comparison: &'c Comparison,
    query: &Value,
    names: &[(Vec<String>, Vec<String>); 4],
) -> Vec<&'c VerdictChange> {
    let is_in = |calls: &Calls| {
        let sets = [&calls.tenant, &calls.tool, &calls.resource, &calls.method];
        ["tenant", "tool", "resource", "method"].iter().zip(sets).zip(names).all(
            |((dimension, values), names)| {
                let value = query[*dimension].as_str();
                match values {
                    None => true,
                    Some(Values::Of(set)) => holds(set, value, names),
                    Some(Values::AllBut(set)) => !holds(set, value, names),
                }
            },
        )
    };
    comparison.verdicts.iter().filter(|change| is_in(&change.calls)).collect()
}

fn snapshots(documents: &[Value; 2]) -> [Snapshot; 2] {
    documents.each_ref().map(|document| Snapshot::compile(Document::parse(&document.to_string()).unwrap(), 1))
}

fn decided(snapshot: &Snapshot, query: &Query) -> crate::Verdict {
    verdict(snapshot, &query.call(), UnixMillis(0), &mut Silent)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn without_conditions_it_says_exactly_what_changes(documents in documents(false)) {
        let comparison = compared(&documents);
        let snapshots = snapshots(&documents);
        let names = ["tenant", "tool", "resource", "method"].map(|dimension| named(&documents, dimension));
        prop_assert!(comparison.complete);
        for (query, parsed) in &*QUERIES {
            let [old, new] = snapshots.each_ref().map(|snapshot| decided(snapshot, parsed));
            let covering = covering(&comparison, query, &names);
            if old.permission == new.permission {
                prop_assert!(covering.is_empty(), "{documents:?} {query} {covering:?}");
                continue;
            }
            let [change] = covering[..] else { panic!("{documents:?} {query} {covering:?} {comparison}") };
            let is_looser = new.permission < old.permission;
            prop_assert_eq!(change.direction, if is_looser { Direction::Looser } else { Direction::Stricter });
            for (outcome, verdict) in [(&change.old, &old), (&change.new, &new)] {
                prop_assert_eq!(outcome.permission, verdict.permission);
                prop_assert_eq!((outcome.level, outcome.clamped), (verdict.level, verdict.clamped));
                // Which of equal tag rules is named may differ.
                prop_assert_eq!(&outcome.rule, &verdict.rule);
            }
        }
    }

    #[test]
    fn with_conditions_no_change_is_kept_back(documents in documents(true)) {
        let comparison = compared(&documents);
        let snapshots = snapshots(&documents);
        let names = ["tenant", "tool", "resource", "method"].map(|dimension| named(&documents, dimension));
        for (query, parsed) in &*QUERIES {
            let [old, new] = snapshots.each_ref().map(|snapshot| decided(snapshot, parsed));
            let covering = covering(&comparison, query, &names);
            prop_assert!(covering.len() <= 1);
            match (new.permission.cmp(&old.permission), covering.first().map(|change| change.direction)) {
                (std::cmp::Ordering::Equal, _) | (_, Some(Direction::MayChange)) => {}
                (std::cmp::Ordering::Less, direction) => prop_assert_eq!(direction, Some(Direction::Looser), "{:?} {}", documents, query),
                (std::cmp::Ordering::Greater, direction) => prop_assert_eq!(direction, Some(Direction::Stricter), "{:?} {}", documents, query),
            }
        }
    }

    #[test]
    fn nothing_differs_from_itself(documents in documents(true)) {
        let [document, _] = documents;
        let comparison = compared(&[document.clone(), document]);
        prop_assert!(comparison.complete && !comparison.has_differences(), "{comparison}");
    }
}

const OLD: &str = "
format: 1
org: acme
categories: [{name: reading, default: allowed}]
tools:
  - {name: fs.read, category: reading}
  - {name: fs.write, default: requires_approval}
  - {name: fs.list, category: reading, second_approval: true}
  - {name: pay, tags: [money]}
rules:
  - {id: small, tool: pay, permission: allowed, when: 'args.amount <= 100'}
  - {id: big, tool: pay, permission: disabled}
  - {id: night, tenant: globex, permission: disabled, when: 'now.getHours() < 6'}
  - {id: puts, tool: fs.read, method: put, permission: disabled}
";

const NEW: &str = "
format: 1
org: acme
mode: observe
categories: [{name: reading, default: allowed}]
tools:
  - {name: fs.read, category: reading}
  - {name: fs.write, default: allowed}
  - {name: fs.list, category: reading, reasoning: hard}
  - {name: pay, tags: [money]}
rules:
  - {id: small, tool: pay, permission: allowed, when: 'args.amount <= 500'}
  - {id: big, tool: pay, permission: disabled}
  - {id: sleep, tenant: globex, permission: disabled, when: 'now.getHours() < 6'}
  - {id: system, tool: fs.*, resource: /etc/*, permission: disabled, reason: system files}
";

const IN_WORDS: &str = "\
looser
  mode enforce -> observe
  tool `fs.list`: second_approval true -> false
  tool `fs.read`; tenant `globex`; resource any but `/etc/*`; method `put`: disabled (org/tool+method, rule `puts`) -> allowed (category-default), unless a condition holds: `sleep`
  tool `fs.read`; tenant any but `globex`; resource any but `/etc/*`; method `put`: disabled (org/tool+method, rule `puts`) -> allowed (category-default)
  tool `fs.write`; tenant `globex`; resource any but `/etc/*`: requires_approval (tool-default) -> allowed (tool-default), unless a condition holds: `sleep`
  tool `fs.write`; tenant any but `globex`; resource any but `/etc/*`: requires_approval (tool-default) -> allowed (tool-default)
stricter
  tool `fs.list`: reasoning none -> hard
  tool `fs.list`; tenant `globex`; resource `/etc/*`: allowed (category-default) -> disabled (org/resource+tool, rule `system`), unless a condition holds: `sleep`
  tool `fs.read`; tenant `globex`; resource `/etc/*`; method any but `put`: allowed (category-default) -> disabled (org/resource+tool, rule `system`), unless a condition holds: `sleep`
  tool `fs.list`; tenant any but `globex`; resource `/etc/*`: allowed (category-default) -> disabled (org/resource+tool, rule `system`)
  tool `fs.read`; tenant any but `globex`; resource `/etc/*`; method any but `put`: allowed (category-default) -> disabled (org/resource+tool, rule `system`)
  tool `fs.*`; tenant `globex`; resource `/etc/*`: requires_approval (fail-safe) -> disabled (org/resource+tool, rule `system`), unless a condition holds: `sleep`
  tool `fs.write`; tenant `globex`; resource `/etc/*`: requires_approval (tool-default) -> disabled (org/resource+tool, rule `system`), unless a condition holds: `sleep`
  tool `fs.*`; tenant any but `globex`; resource `/etc/*`: requires_approval (fail-safe) -> disabled (org/resource+tool, rule `system`)
  tool `fs.write`; tenant any but `globex`; resource `/etc/*`: requires_approval (tool-default) -> disabled (org/resource+tool, rule `system`)
may change
  tool `pay`; tenant `globex`: allowed (org/tool, rule `small` if its condition holds) -> allowed (org/tool, rule `small` if its condition holds), unless a condition holds: `sleep`
  tool `pay`; tenant any but `globex`: allowed (org/tool, rule `small` if its condition holds) -> allowed (org/tool, rule `small` if its condition holds)
settings
  tool `fs.write`: default requires_approval -> allowed
";

#[test]
fn says_it_in_words() {
    let [old, new] = [OLD, NEW].map(|text| Compared::parse(text).unwrap());
    assert_eq!(compare(&old, &new).to_string(), IN_WORDS);
}

#[test]
fn what_is_too_varied_is_compared_as_far_as_the_limit_goes_and_says_so() {
    let rule = |number: u32, field: &str, permission: &str| {
        let mut rule = json!({"id": format!("{field}{number}"), "permission": permission});
        rule[field] = json!(format!("{field}{number}"));
        rule
    };
    let [old, new] = ["allowed", "disabled"].map(|permission| {
        let fields = ["tenant", "tool", "resource", "method"];
        let rules: Vec<Value> =
            (0..9).flat_map(|number| fields.map(|field| rule(number, field, permission))).collect();
        let document = json!({"format": 1, "org": "acme", "rules": rules});
        Compared::parse(&document.to_string()).unwrap()
    });
    assert!(compare(&old, &new).complete);
    let comparison = compare_within(1000, &old, &new);
    assert!(!comparison.complete && !comparison.verdicts.is_empty());
    assert!(comparison.to_string().ends_with("there may be more differences\n"), "{comparison}");
}

#[test]
fn what_a_tool_asked_of_its_calls_is_missed_when_it_goes() {
    let compared =
        |tools: &str| Compared::parse(&format!(r#"{{"format":1,"org":"acme","tools":[{tools}]}}"#)).unwrap();
    let (one, other) = ("aa".repeat(32), "bb".repeat(32));
    let pinned = |sha256: &str| format!(r#"{{"name":"t","definition_sha256":"{sha256}"}}"#);
    let asking = r#"{"name":"t","second_approval":true,"reasoning":"hard"}"#;
    let (bare, loose, strict, may) =
        (r#"{"name":"t"}"#, Some(Direction::Looser), Some(Direction::Stricter), Some(Direction::MayChange));
    for (old, new, expected) in [
        (asking, "", vec![loose, loose]),
        ("", asking, vec![strict, strict]),
        (bare, "", vec![]),
        (&pinned(&one), "", vec![loose]),
        (&pinned(&one), bare, vec![loose]),
        (bare, &pinned(&one), vec![strict]),
        (&pinned(&one), &pinned(&other), vec![may]),
    ] {
        let found = compare(&compared(old), &compared(new)).settings;
        let directions: Vec<_> =
            found.iter().map(|change| change.direction).filter(Option::is_some).collect();
        assert_eq!(directions, expected, "{old} -> {new}");
    }
}
