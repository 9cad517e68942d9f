//! Conditions: refused when the document loads, or evaluated in a bounded number of steps; a fault never loosens.

use policy::cascade::{Silent, explain, verdict};
use policy::{Document, Level, Mistake, Part, Permission, Query, Snapshot, UnixMillis};
use serde_json::{Value, json};

/// True if the first line is a condition. What follows is the arguments of a call, if they are such.
pub(crate) fn holds(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let (when, arguments) = text.split_once('\n').unwrap_or((text, "{}"));
    let document = json!({
        "format": 1, "org": "acme",
        "rules": [
            {"id": "when", "tool": "pay", "permission": "disabled", "when": when},
            {"id": "else", "tool": "pay", "permission": "allowed"},
        ],
    });
    let document = match Document::parse(&escaped(&document)) {
        Ok(document) => document,
        Err(errors) => {
            for error in errors {
                assert_eq!(error.part(), &Part::Rule("when".into()));
                assert!(
                    matches!(error.mistake(), Mistake::Condition(_) | Mistake::TooLong { .. }),
                    "{error}"
                );
            }
            return false;
        }
    };
    let snapshot = Snapshot::compile(document, 1);
    let query = format!("{{\"tool\":\"pay\",\"resource\":\"r/1\",\"args\":{arguments}}}");
    let query = Query::parse(&query).or_else(|_| Query::parse("{\"tool\":\"pay\"}")).unwrap();
    let now = UnixMillis(1_795_424_400_250);
    let found = verdict(&snapshot, &query.call(), now, &mut Silent);
    assert_eq!(explain(&snapshot, &query.call(), now).verdict(), Some(&found));
    let decides = found.rule.as_deref() == Some("when");
    assert!(decides || found.faults.is_empty(), "a fault loosens: {found:?}");
    assert_eq!(found.permission, if decides { Permission::Disabled } else { Permission::Allowed });
    assert!(matches!(found.level, Level::Rule(..)));
    true
}

/// JSON without the characters that YAML refuses where JSON takes them as they are.
fn escaped(document: &Value) -> String {
    let escape = |c: char| match c {
        '\u{7f}'..='\u{9f}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    document.to_string().chars().map(escape).collect()
}
