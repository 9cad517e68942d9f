//! The account of a walk says what was looked at, and agrees with the verdict.

use serde_json::json;

use super::*;

#[test]
fn says_every_level_in_words() {
    let snapshot = snapshot(&json!({
        "format": 1, "org": "acme", "tools": [{"name": "fs.read", "status": "draft", "tags": ["infra"]}],
        "rules": [
            {"id": "big", "tenant": "t", "tool": "fs.*", "permission": "disabled", "when": "args.size > 10"},
            {"id": "odd", "tenant": "t", "tag": "infra", "permission": "allowed", "when": "args.missing"},
            {"id": "all", "permission": "allowed"},
        ],
    }));
    let query = json!({"tool": "fs.read", "tenant": "t", "args": {"size": 3}});
    let query = Query::parse(&query.to_string()).unwrap();
    let explanation = explain(&snapshot, &query.call(), UnixMillis(0));
    assert_eq!(
        explanation.to_string(),
        "\
gate/tool-disabled: does not apply
tenant/resource+tool+method: no rule matches
tenant/resource+tool: no rule matches
tenant/tool+method: no rule matches
tenant/tool: rule `big` says disabled, but its condition does not hold
tenant/resource+method: no rule matches
tenant/resource: no rule matches
tenant/method: no rule matches
tenant/tag: rule `odd` says allowed, but its condition cannot be evaluated: no such key `missing`
tenant/any: no rule matches
org/resource+tool+method: no rule matches
org/resource+tool: no rule matches
org/tool+method: no rule matches
org/tool: no rule matches
org/resource+method: no rule matches
org/resource: no rule matches
org/method: no rule matches
org/tag: no rule matches
org/any: rule `all` says allowed
draft clamp: allowed becomes requires_approval, as this tool is a draft or not listed
verdict: requires_approval by org/any, rule `all`, policy 7"
    );
    let step = &serde_json::to_value(&explanation).unwrap()["steps"][8];
    let rule = json!({"rule": "odd", "permission": "allowed", "condition": "faults", "fault": "no such key `missing`"});
    assert_eq!(*step, json!({"level": "tenant/tag", "rules": [rule]}));
    assert_eq!(explanation.verdict(), Some(&verdict(&snapshot, &query.call(), UnixMillis(0), &mut Silent)));
}
