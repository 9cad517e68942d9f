//! What is said of recorded calls, held against what the calls got with all their parts, and case by case.

use serde_json::{Value, json};

use super::*;
use crate::cascade::verdict;
use crate::{Caller, CallerKind, Document, Query, Unread};

const CASCADE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/cascade.json"));
const AT: UnixMillis = UnixMillis(1_767_225_600_000);
const PINS: [&str; 2] = [
    "1111111111111111111111111111111111111111111111111111111111111111",
    "2222222222222222222222222222222222222222222222222222222222222222",
];

fn snapshot(policy: &Value) -> Snapshot {
    let document = Document::parse(&policy.to_string()).unwrap_or_else(|errors| panic!("{errors:?}"));
    Snapshot::compile(document, 7)
}

/// The call as the record has it.
fn recorded<'a>(call: &Call<'a>, caller: RecordedCaller) -> RecordedCall<'a> {
    let call = Call { arguments: "{}", reasoning: None, ..*call };
    RecordedCall { call, at: AT, caller, definition: RecordedDefinition::NotAsked }
}

#[test]
fn what_is_said_holds_for_the_call_with_all_its_parts() {
    let cases: Vec<Value> = serde_json::from_str(CASCADE).unwrap();
    let policies: Vec<_> = cases.iter().map(|case| snapshot(&case["policy"])).collect();
    let (mut said, mut by_record, mut undecided) = (0, 0, 0);
    for ((old, new), case) in policies.iter().zip(policies.iter().skip(1)).zip(&cases) {
        for query in case["queries"].as_array().unwrap() {
            let query = Query::parse(&query["query"].to_string()).unwrap();
            let call = query.call();
            let [before, after] = [old, new].map(|snapshot| verdict(snapshot, &call, AT, &mut Silent));
            for caller in [RecordedCaller::Whole, RecordedCaller::Id] {
                let recorded = recorded(&call, caller);
                let blind = replay(old, new, &recorded, |_| false);
                let seeing = replay(old, new, &recorded, |verdict| *verdict == before);
                by_record += usize::from(
                    matches!(blind, Replayed::Undecided { .. })
                        && !matches!(seeing, Replayed::Undecided { .. }),
                );
                for replayed in [blind, seeing] {
                    let real = (before.permission, after.permission);
                    match replayed {
                        Replayed::Same => assert_eq!(before.permission, after.permission, "{call:?}"),
                        Replayed::Changed { old, new } => {
                            assert_eq!((old.permission, new.permission), real, "{call:?}");
                            for (decided, verdict) in [(old, &before), (new, &after)] {
                                let Some(level) = decided.level else { continue };
                                assert_eq!((level, &decided.rule), (verdict.level, &verdict.rule));
                            }
                        }
                        Replayed::Undecided { .. } => {
                            undecided += 1;
                            continue;
                        }
                    }
                    said += 1;
                }
            }
        }
    }
    assert!(said > 7000 && by_record > 500 && undecided > 2000, "{said}, {by_record}, {undecided}");
}

fn agent() -> Caller {
    Caller { id: "agent-7".to_owned(), kind: CallerKind::Agent, claims: serde_json::Map::new() }
}

fn call(caller: &Caller) -> Call<'_> {
    Call {
        backend: "payments",
        tool: "refund",
        tenant: None,
        resource: None,
        method: None,
        arguments: "{}",
        unread: Unread::Nothing,
        caller,
        reasoning: None,
        definition: Definition::Accepted,
    }
}

/// One tool whose calls meet these rules.
fn policy(rules: &[(&str, Option<&str>)]) -> Value {
    let rules = rules.iter().enumerate().map(|(number, (permission, when))| {
        let mut rule = json!({"id": format!("r{number}"), "tool": "refund", "permission": permission});
        when.iter().for_each(|when| rule["when"] = json!(when));
        rule
    });
    json!({"format": 1, "org": "acme", "tools": [{"name": "refund"}], "rules": rules.collect::<Vec<_>>()})
}

fn say(replayed: &Replayed) -> String {
    let side = |decided: &Decided| {
        let level = decided.level.map_or("?", Level::as_str);
        format!("{} {level} {}", decided.permission, decided.rule.as_deref().unwrap_or("-"))
    };
    match replayed {
        Replayed::Same => "same".to_owned(),
        Replayed::Changed { old, new } => format!("{} > {}", side(old), side(new)),
        Replayed::Undecided { depends_on } => depends_on.join(" "),
    }
}

#[test]
fn conditions_on_what_was_not_recorded_say_nothing_by_guess() {
    const SMALL: Option<&str> = Some("args.amount < 100");
    const LARGE: Option<&str> = Some("args.amount >= 100");
    const AGENT: Option<&str> = Some("caller.kind == 'agent'");
    let (allowed, ask, off) = ("allowed", "requires_approval", "disabled");
    type Rules<'r> = &'r [(&'r str, Option<&'r str>)];
    let many: Vec<String> = (0..9).map(|number| format!("args.n == {number}")).collect();
    let many: Vec<_> = many.iter().map(|when| (ask, Some(when.as_str()))).collect();
    let cases: [(Rules<'_>, Rules<'_>, &str, &str); 12] = [
        (&[(ask, None)], &[(allowed, None)], "-", "requires_approval org/tool r0 > allowed org/tool r0"),
        // The same condition says the same in both.
        (&[(ask, LARGE), (allowed, None)], &[(ask, LARGE), (allowed, None)], "-", "same"),
        (&[(ask, SMALL), (allowed, None)], &[(ask, LARGE), (allowed, None)], "-", "args"),
        (&[(ask, LARGE), (allowed, None)], &[(allowed, None)], "-", "args"),
        // The record says whether it held.
        (
            &[(ask, LARGE), (allowed, None)],
            &[(allowed, None)],
            "requires_approval r0",
            "requires_approval org/tool r0 > allowed org/tool r0",
        ),
        (&[(ask, LARGE), (allowed, None)], &[(allowed, None)], "allowed r1", "same"),
        // A record that this policy cannot have made says nothing.
        (&[(ask, LARGE), (allowed, None)], &[(allowed, None)], "disabled r9", "args"),
        // Whichever decides, they say the same.
        (
            &[(ask, LARGE), (ask, None)],
            &[(off, SMALL), (off, None)],
            "-",
            "requires_approval ? - > disabled ? -",
        ),
        (
            &[(ask, AGENT), (off, None)],
            &[(off, None)],
            "-",
            "requires_approval org/tool r0 > disabled org/tool r0",
        ),
        (&[(ask, Some("reasoning != ''")), (off, None)], &[(off, LARGE)], "-", "args reasoning"),
        (
            &[(ask, Some("now < timestamp('2030-01-01T00:00:00Z')"))],
            &[(off, None)],
            "-",
            "requires_approval org/tool r0 > disabled org/tool r0",
        ),
        // Too many ways to try them all.
        (&many, &[(ask, None)], "-", "args"),
    ];
    let caller = agent();
    let call = call(&caller);
    for (old, new, as_recorded, expected) in cases {
        let [old, new] = [old, new].map(|rules| snapshot(&policy(rules)));
        let is_as_recorded = |verdict: &Verdict| {
            format!("{} {}", verdict.permission, verdict.rule.as_deref().unwrap_or("-")) == as_recorded
        };
        let whole = recorded(&call, RecordedCaller::Whole);
        assert_eq!(say(&replay(&old, &new, &whole, is_as_recorded)), expected, "{as_recorded}");
    }
}

#[test]
fn of_a_held_calls_caller_the_id_alone_is_known() {
    let caller = agent();
    let call = call(&caller);
    for (when, expected) in [
        ("caller.id == 'agent-7'", "requires_approval org/tool r0 > allowed org/tool r0"),
        ("caller.kind == 'agent'", "caller"),
        ("caller.claims.team == 'x'", "caller"),
        ("'id' in caller", "caller"),
    ] {
        let [old, new] = ["requires_approval", "allowed"]
            .map(|first| snapshot(&policy(&[(first, Some(when)), ("disabled", None)])));
        let recorded = recorded(&call, RecordedCaller::Id);
        assert_eq!(say(&replay(&old, &new, &recorded, |_| false)), expected, "{when}");
    }
}

#[test]
fn what_a_backend_showed_is_known_beside_the_pin_in_force_and_no_other() {
    let caller = agent();
    let call = call(&caller);
    let pinned = |permission: &str, pin: Option<usize>| {
        let mut policy = policy(&[(permission, None)]);
        pin.iter().for_each(|pin| policy["tools"][0]["definition_sha256"] = json!(PINS[*pin]));
        snapshot(&policy)
    };
    let change = "requires_approval org/tool r0 > allowed org/tool r0";
    for (definition, old, new, expected) in [
        (RecordedDefinition::Accepted, Some(0), Some(0), change),
        (RecordedDefinition::Changed, Some(0), Some(0), "same"),
        (RecordedDefinition::Changed, Some(0), None, change),
        (RecordedDefinition::Changed, Some(0), Some(1), "definition"),
        (RecordedDefinition::Accepted, None, Some(0), "definition"),
        (RecordedDefinition::NotAsked, Some(0), Some(1), change),
    ] {
        let recorded = RecordedCall { definition, ..recorded(&call, RecordedCaller::Id) };
        let replayed =
            replay(&pinned("requires_approval", old), &pinned("allowed", new), &recorded, |_| false);
        assert_eq!(say(&replayed), expected, "{definition:?} {old:?} {new:?}");
    }
}
