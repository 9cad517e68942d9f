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
tenant/tool: rule `big` says disabled, but its condition does not hold (it saw args.size = 3)
tenant/resource+method: no rule matches
tenant/resource: no rule matches
tenant/method: no rule matches
tenant/tag: rule `odd` says allowed, but its condition cannot be evaluated: no such key `missing` (it saw no args.missing)
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
    let rule = json!({
        "rule": "odd", "permission": "allowed", "condition": "faults", "fault": "no such key `missing`",
        "saw": [{"name": "args.missing", "value": null}],
    });
    assert_eq!(*step, json!({"level": "tenant/tag", "rules": [rule]}));
    assert_eq!(explanation.verdict(), Some(&verdict(&snapshot, &query.call(), UnixMillis(0), &mut Silent)));
}

/// What a condition saw, in words.
fn saw(when: &str, query: &Value) -> String {
    let snapshot = snapshot(
        &json!({"format": 1, "org": "acme", "rules": [{"id": "r", "permission": "allowed", "when": when}]}),
    );
    let query = Query::parse(&query.to_string()).unwrap();
    // 2026-11-23T09:00:00.250Z.
    let explanation = explain(&snapshot, &query.call(), UnixMillis(1_795_424_400_250));
    let steps = explanation.steps().iter();
    let rule = steps.flat_map(|step| &step.rules).next().unwrap();
    rule.saw.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[test]
fn shows_what_a_condition_saw() {
    let query = json!({
        "tool": "pay", "resource": "", "reasoning": "mail bob@example.com",
        "args": {
            "amount": 250.5, "none": null, "a b": [1, {"c": true}], "argv": ["--password", "hunter2"],
            "api_key": "k-1", "auth": {"user": "bob"}, "deep": {"token": {"of": "x"}},
            "header": {"name": "Authorization", "value": "hunter3"}, "long": "\u{e9}".repeat(300),
        },
        "caller": {"id": "agent-7", "kind": "agent", "claims": {"team": "ops", "jwt": "abc"}},
    });
    for (when, expected) in [
        ("args.amount > 1 && args.amount < 2", "args.amount = 250.5"),
        ("args.none == null && !has(args.absent)", "args.none = null, no args.absent"),
        ("args.missing > 1 && args.amount > 1", "no args.missing, args.amount = 250.5"),
        ("args['a b'][1].c && args[tool] == 1", "args[\"a b\"][1].c = true, ARGS, tool = \"pay\""),
        ("args.?amount.orValue(1) == 1 && args.amount.x == 1", "args.amount = 250.5, no args.amount.x"),
        ("tenant == '' && resource == '' && method == 'get'", "no tenant, resource = \"\", no method"),
        (
            "tool == 'x' || now < timestamp(reasoning)",
            "tool = \"pay\", now = \"2026-11-23T09:00:00.250Z\", MAIL",
        ),
        ("caller.id == '' || caller.kind == ''", "caller.id = \"agent-7\", caller.kind = \"agent\""),
        (
            "caller.claims.team in ['a'] || caller.claims['jwt'] == ''",
            "caller.claims.team = \"ops\", caller.claims.jwt = •••",
        ),
        ("args[tool].x == 1 && size(args) == 1 || has(args[tool].y)", "ARGS, tool = \"pay\""),
        // A loop's own variable is nobody's part; what it hides is not shown.
        (
            "args['a b'].exists(tool, tool == args.amount)",
            "args[\"a b\"] = [1,{\"c\":true}], args.amount = 250.5",
        ),
        // Secrets by their key, wherever it stands.
        ("args.api_key == '' && args.auth.user == ''", "args.api_key = •••, args.auth.user = •••"),
        ("args.deep.token.of == ''", "args.deep.token.of = •••"),
        ("args.header.value == '' && args.argv[1] == ''", "args.header.value = •••, args.argv[1] = •••"),
        ("args.header.name == ''", "args.header.name = \"Authorization\""),
        ("args.argv.size() == 1", "args.argv = [\"--password\",\"•••\"]"),
        ("true", ""),
    ] {
        let found = saw(when, &query);
        let whole = crate::mask::mask_arguments(&query["args"].to_string());
        let whole = whole.get(..whole.floor_char_boundary(VALUE_BYTES_MAX)).unwrap();
        let mail = format!("reasoning = {}", crate::mask::mask_arguments(&query["reasoning"].to_string()));
        let expected = expected.replace("ARGS", &format!("args = {whole}… (cut)")).replace("MAIL", &mail);
        assert_eq!(found, expected, "{when}");
        assert!(!found.contains("hunter") && !found.contains("bob@example.com"), "{found}");
    }
    let long = saw("args.long == ''", &query);
    assert_eq!(long, format!("args.long = \"{}… (cut)", "\u{e9}".repeat(127)));
}
