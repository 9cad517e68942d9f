//! Who sees what. That nothing is hidden which could be called is among the properties of the cascade.

use serde_json::{Value, json};

use super::Outlook;
use crate::{Definition, DefinitionDigest, Document, Snapshot};

fn snapshot(rules: &Value) -> Snapshot {
    let tools = json!([
        {"name": "plain"},
        {"name": "tagged", "tags": ["x", "y"]},
        {"name": "approved", "status": "approved"},
        {"name": "draft", "status": "draft", "default": "allowed"},
        {"name": "off", "enabled": false, "default": "allowed"},
        {"name": "shut", "default": "disabled"},
        {"name": "shut-category", "category": "shut"},
        {"name": "opened", "category": "shut", "default": "requires_approval"},
        {"name": "approved-shut-category", "category": "shut", "status": "approved"},
    ]);
    let categories = json!([{"name": "shut", "default": "disabled"}]);
    let rules: Vec<Value> = rules
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
        .map(|(number, rule)| {
            let mut rule = rule.clone();
            rule["id"] = json!(number.to_string());
            rule
        })
        .collect();
    let document =
        json!({"format": 1, "org": "acme", "categories": categories, "tools": tools, "rules": rules});
    Snapshot::compile(Document::parse(&document.to_string()).unwrap(), 1)
}

#[test]
fn a_tool_is_hidden_where_nothing_could_let_it_through() {
    let (off, on, ask) = ("disabled", "allowed", "requires_approval");
    let all_off = json!({"permission": off});
    for (why, rules, tool, tenant, expected) in [
        (
            "an exact name beats a pattern",
            json!([{"tool": "plain", "permission": off}, {"tool": "p*", "permission": on}]),
            "plain",
            None,
            false,
        ),
        (
            "a longer pattern beats a shorter one",
            json!([{"tool": "pl*", "permission": off}, {"tool": "p*", "permission": on}]),
            "plain",
            None,
            false,
        ),
        ("a pattern beats any", json!([{"tool": "p*", "permission": ask}, all_off]), "plain", None, true),
        ("an approval may be given", json!([{"tool": "plain", "permission": ask}]), "plain", None, true),
        (
            "some resource opens it",
            json!([{"resource": "r/1", "tool": "plain", "permission": on}, {"tool": "plain", "permission": off}]),
            "plain",
            None,
            true,
        ),
        (
            "some resource of every tool opens it",
            json!([{"resource": "r/*", "permission": ask}, all_off]),
            "plain",
            None,
            true,
        ),
        (
            "a resource comes after the tool",
            json!([{"resource": "r/*", "permission": on}, {"tool": "plain", "permission": off}]),
            "plain",
            None,
            false,
        ),
        ("some method opens it", json!([{"method": "get", "permission": on}, all_off]), "plain", None, true),
        (
            "the resource is another tool's",
            json!([{"resource": "r", "tool": "other", "permission": on}, all_off]),
            "plain",
            None,
            false,
        ),
        (
            "a condition may not hold",
            json!([{"tool": "plain", "permission": off, "when": "args.n > 1"}]),
            "plain",
            None,
            true,
        ),
        (
            "a condition may hold",
            json!([{"tool": "plain", "permission": on, "when": "args.n > 1"}, all_off]),
            "plain",
            None,
            true,
        ),
        (
            "both conditions end in the same",
            json!([{"tool": "plain", "permission": off, "when": "args.n > 1"}, all_off]),
            "plain",
            None,
            false,
        ),
        (
            "one of its tags is off",
            json!([{"tag": "x", "permission": off}, {"tag": "y", "permission": on}]),
            "tagged",
            None,
            false,
        ),
        (
            "one of its tags may be off",
            json!([{"tag": "x", "permission": off, "when": "args.n > 1"}, {"tag": "y", "permission": on}]),
            "tagged",
            None,
            true,
        ),
        ("its tag comes before any", json!([{"tag": "y", "permission": on}, all_off]), "tagged", None, true),
        ("others have no such tag", json!([{"tag": "y", "permission": on}, all_off]), "plain", None, false),
        (
            "the tenant's rule comes first",
            json!([{"tenant": "acme", "permission": on}, all_off]),
            "plain",
            Some("acme"),
            true,
        ),
        (
            "the rule is another tenant's",
            json!([{"tenant": "acme", "permission": on}, all_off]),
            "plain",
            Some("globex"),
            false,
        ),
        (
            "the rule is a tenant's, and there is none",
            json!([{"tenant": "acme", "permission": on}, all_off]),
            "plain",
            None,
            false,
        ),
        (
            "off for one tenant",
            json!([{"tenant": "acme", "tool": "*", "permission": off}]),
            "plain",
            Some("acme"),
            false,
        ),
        (
            "off for another tenant",
            json!([{"tenant": "acme", "tool": "*", "permission": off}]),
            "plain",
            Some("globex"),
            true,
        ),
        ("the gate comes before all", json!([{"tool": "off", "permission": on}]), "off", None, false),
        ("by default", json!([]), "plain", None, true),
        ("by default, not listed", json!([]), "unheard of", None, true),
        ("clamped, not off", json!([]), "draft", None, true),
        ("the tool's default", json!([]), "shut", None, false),
        ("the category's default", json!([]), "shut-category", None, false),
        ("the category's default comes before the status", json!([]), "approved-shut-category", None, false),
        ("the tool's default comes before the category's", json!([]), "opened", None, true),
        ("its status", json!([]), "approved", None, true),
        ("everything is off", json!([all_off]), "approved", None, false),
    ] {
        assert_eq!(snapshot(&rules).may_be_called(tool, tenant), expected, "{why}: {rules}");
    }
}

#[test]
fn an_outlook_says_what_every_call_gets_or_that_it_depends() {
    use Outlook::{Allowed, Depends, Disabled, RequiresApproval};
    let (off, on, ask) = ("disabled", "allowed", "requires_approval");
    let when = "args.n == 1";
    for (why, rules, tool, expected) in [
        ("no rule at all", json!([]), "plain", RequiresApproval),
        ("an approved tool", json!([]), "approved", Allowed),
        ("a draft that its own default names", json!([]), "draft", Allowed),
        ("nobody has listed it", json!([{"tool": "new", "permission": on}]), "new", Allowed),
        ("the draft clamp", json!([{"permission": on}]), "new", RequiresApproval),
        (
            "the draft clamp, by a pattern",
            json!([{"tool": "ne*", "permission": on}]),
            "new",
            RequiresApproval,
        ),
        ("switched off", json!([{"tool": "off", "permission": on}]), "off", Disabled),
        ("a default", json!([]), "shut", Disabled),
        ("one rule for all", json!([{"permission": on}]), "plain", Allowed),
        (
            "a condition",
            json!([{"tool": "plain", "permission": off, "when": when}, {"permission": on}]),
            "plain",
            Depends,
        ),
        (
            "a condition that changes nothing",
            json!([{"tool": "plain", "permission": ask, "when": when}, {"permission": ask}]),
            "plain",
            RequiresApproval,
        ),
        (
            "a condition after what decides",
            json!([{"tool": "plain", "permission": on}, {"permission": off, "when": when}]),
            "plain",
            Allowed,
        ),
        (
            "some resource",
            json!([{"resource": "r/*", "tool": "plain", "permission": off}, {"permission": on}]),
            "plain",
            Depends,
        ),
        (
            "some resource, a pattern's, clamped",
            json!([{"resource": "r/*", "tool": "n*", "permission": on}, {"permission": ask}]),
            "new",
            RequiresApproval,
        ),
        (
            "some resource, its own",
            json!([{"resource": "r/*", "tool": "new", "permission": on}, {"permission": ask}]),
            "new",
            Depends,
        ),
        (
            "the strictest tag",
            json!([{"tag": "x", "permission": ask}, {"tag": "y", "permission": on, "when": when}]),
            "tagged",
            RequiresApproval,
        ),
        (
            "a tag's condition",
            json!([{"tag": "x", "permission": on}, {"tag": "y", "permission": off, "when": when}]),
            "tagged",
            Depends,
        ),
    ] {
        assert_eq!(snapshot(&rules).outlook(tool, None, Definition::Accepted), expected, "{why}: {rules}");
        let changed = Definition::Changed(DefinitionDigest::of_bytes(b""));
        let with_change = match snapshot(&rules).outlook(tool, None, changed) {
            Allowed => panic!("{why}: a tool that changed is never allowed: {rules}"),
            other => other,
        };
        assert_eq!(with_change == Disabled, expected == Disabled, "{why}: {rules}");
    }
}
