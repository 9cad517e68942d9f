//! Files of cases: what is read, what is refused, and how cases go.

use super::*;
use crate::Document;

fn mistakes(text: &str) -> Vec<String> {
    Cases::parse(text).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn every_mistake_is_named_with_its_case_and_place() {
    let text = "\
colour: green
cases:
  - name: one
    call: {tool: pay, tol: pay, args: {amount: 1}}
    now: yesterday
    expect: {permission: allow, level: org/tol, rule: 7, clamped: 'yes', faults: [1], why: x}
  - name: one
    call: {tool: pay, args: [1]}
    expect: {permission: allowed}
    then: {}
  - call: {tool: 5}
    expect: []
  - 5
";
    assert_eq!(
        mistakes(text),
        [
            "unknown field `colour` (line 1, column 9)",
            "case `one`: unknown field `tol` (line 4, column 28)",
            "case `one`: `now` must be a time since 1970, such as 2026-05-01T09:00:00Z (line 5, column 10)",
            "case `one`: unknown permission `allow`; expected allowed, requires_approval or disabled (line 6, column 26)",
            "case `one`: unknown level `org/tol`; levels are such as tenant/tool, org/resource+tool or fail-safe (line 6, column 40)",
            "case `one`: `rule` must be text; quote it (line 6, column 55)",
            "case `one`: `clamped` must be true or false (line 6, column 67)",
            "case `one`: `faults` must be a list of texts; quote them (line 6, column 83)",
            "case `one`: unknown field `why` (line 6, column 92)",
            "case `one`: listed before, on line 3 (line 7, column 5)",
            "case `one`: `call` is not a call: `args` must be an object (line 8, column 11)",
            "case `one`: unknown field `then` (line 10, column 11)",
            "entry 3 of `cases`: `name` is missing (line 11, column 5)",
            "entry 3 of `cases`: `call` is not a call: invalid type: integer `5`, expected a string (line 11, column 11)",
            "entry 3 of `cases`: `expect` must be a mapping (line 12, column 13)",
            "entry 4 of `cases`: `a case` must be a mapping (line 13, column 5)",
        ]
    );
}

#[test]
fn a_file_that_would_test_nothing_is_refused() {
    let table = [
        ("", "`the file` must be a mapping (line 1, column 1)"),
        ("{}", "`cases` is missing (line 1, column 1)"),
        ("cases: []", "there is no case (line 1, column 1)"),
        ("cases: {a: 1}", "`cases` must be a list (line 1, column 8)"),
        ("[1]", "`the file` must be a mapping (line 1, column 1)"),
    ];
    for (text, mistake) in table {
        assert_eq!(mistakes(text), [mistake], "{text}");
    }
    for text in ["cases: [", "cases: [{name: a, name: b}]", "cases: []\n---\ncases: []", "{\"cases\": [}"] {
        let [mistake] = &mistakes(text)[..] else { panic!("{text}: {:?}", mistakes(text)) };
        assert!(mistake.starts_with("neither YAML nor JSON: "), "{mistake}");
    }
}

#[test]
fn a_failure_says_what_was_expected_what_came_and_why() {
    let policy = "
format: 1
org: acme
rules:
  - {id: small, tool: pay, permission: allowed, when: args.amount <= 100}
  - {id: night, tool: pay, permission: disabled, when: now.getHours() < 6}
";
    let snapshot = Snapshot::compile(Document::parse(policy).unwrap(), 3);
    let cases = "
cases:
  - {name: small, call: {tool: pay, args: {amount: 100}}, expect: {permission: allowed, level: org/tool, rule: small, clamped: false, faults: []}}
  - {name: night, call: {tool: pay, args: {amount: 101}}, now: '2026-05-01T05:59:59+00:00', expect: {permission: disabled, rule: night}}
  - {name: morning, call: {tool: pay, args: {amount: 101}}, now: '2026-05-01T06:00:00Z', expect: {permission: requires_approval, level: fail-safe}}
  - {name: wrong, call: {tool: pay}, now: '2026-05-01T06:00:00Z', expect: {permission: allowed, rule: small, level: org/tool, clamped: true, faults: [night]}}
";
    let cases = Cases::parse(cases).unwrap();
    let results: Vec<CaseResult> =
        cases.as_slice().iter().map(|case| case.run(&snapshot, UnixMillis(0))).collect();
    let passed: Vec<bool> = results.iter().map(|result| result.passed).collect();
    assert_eq!(passed, [true, true, true, false], "{results:?}");
    assert_eq!(results[0].to_string(), "ok      small");
    let text = results[3].to_string();
    let expected = "\
FAILED  wrong
  permission: expected allowed, came requires_approval
  level: expected org/tool, came fail-safe
  rule: expected small, came none
  clamped: expected true, came false
  faults: expected night, came small
    gate/tool-disabled: does not apply
";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.contains("rule `small` says allowed, but its condition cannot be evaluated"), "{text}");
    assert!(text.ends_with("\n    verdict: requires_approval by fail-safe, policy 3"), "{text}");
}
