use serde_json::json;

use super::*;
use crate::{Document, Query};

const NOW: UnixMillis = UnixMillis(0);

fn snapshot(mode: &str) -> Snapshot {
    let document = json!({
        "format": 1, "org": "acme", "mode": mode,
        "tools": [{"name": "pay", "second_approval": true, "approval_timeout_seconds": 60}],
        "rules": [
            {"id": "read", "tool": "read", "permission": "allowed"},
            {"id": "pay", "tool": "pay", "permission": "requires_approval", "reason": "it costs money"},
            {"id": "drop", "tool": "drop", "permission": "disabled"},
        ],
    });
    Snapshot::compile(Document::parse(&document.to_string()).unwrap(), 3)
}

fn query(tool: &str, amount: u32) -> Query {
    Query::parse(&json!({"tool": tool, "args": {"amount": amount}}).to_string()).unwrap()
}

fn grant(org: &str, query: &Query) -> Option<Grant> {
    let fingerprint = Fingerprint::of(org, &query.call()).unwrap();
    Some(Grant { reference: Reference::from_entropy(5), fingerprint })
}

/// What becomes of a call, in a word, and the approval that let it through.
fn outcome(mode: &str, tool: &str, grant: Option<Grant>) -> (&'static str, Option<String>) {
    match decide(&snapshot(mode), &query(tool, 7).call(), grant, NOW) {
        Decision::Allow(permit) => {
            let word = if permit.observed() { "observed" } else { "allow" };
            (word, permit.approval().map(ToString::to_string))
        }
        Decision::Hold(_) => ("hold", None),
        Decision::Deny(_) => ("deny", None),
    }
}

#[test]
fn an_approval_lets_its_own_call_through_and_no_other() {
    let approved = Some("REF-00000000-0005".to_owned());
    for (mode, tool, given, expected) in [
        ("enforce", "read", None, ("allow", None)),
        ("enforce", "pay", None, ("hold", None)),
        ("enforce", "drop", None, ("deny", None)),
        ("enforce", "pay", grant("acme", &query("pay", 7)), ("allow", approved.clone())),
        ("enforce", "pay", grant("acme", &query("pay", 8)), ("hold", None)),
        ("enforce", "pay", grant("acme", &query("read", 7)), ("hold", None)),
        ("enforce", "pay", grant("other", &query("pay", 7)), ("hold", None)),
        // Policy wins over an approval, and what is allowed needs none.
        ("enforce", "drop", grant("acme", &query("drop", 7)), ("deny", None)),
        ("enforce", "read", grant("acme", &query("read", 7)), ("allow", None)),
        ("observe", "read", None, ("allow", None)),
        ("observe", "pay", None, ("observed", None)),
        ("observe", "drop", None, ("observed", None)),
        ("observe", "pay", grant("acme", &query("pay", 7)), ("allow", approved)),
    ] {
        assert_eq!(outcome(mode, tool, given), expected, "{mode} {tool}");
    }
}

#[test]
fn a_hold_says_how_the_tool_is_approved() {
    let Decision::Hold(hold) = decide(&snapshot("enforce"), &query("pay", 7).call(), None, NOW) else {
        panic!()
    };
    assert_eq!((hold.second_approval(), hold.approval_timeout_seconds()), (true, Some(60)));
    assert_eq!(hold.verdict().reason.as_deref(), Some("it costs money"));
    assert_eq!((hold.verdict().revision, hold.verdict().permission), (3, Permission::RequiresApproval));

    let Decision::Hold(hold) = decide(&snapshot("enforce"), &query("new", 7).call(), None, NOW) else {
        panic!()
    };
    assert_eq!((hold.second_approval(), hold.approval_timeout_seconds()), (false, None));
    assert_eq!(hold.verdict().level.as_str(), "fail-safe");
}

#[test]
fn an_approval_is_never_about_arguments_that_have_no_canonical_form() {
    let text = r#"{"tool":"pay","args":{"amount":9007199254740993}}"#;
    let query = Query::parse(text).unwrap();
    let decision = decide(&snapshot("enforce"), &query.call(), grant("acme", &self::query("pay", 7)), NOW);
    assert!(matches!(decision, Decision::Hold(_)), "{decision:?}");
}
