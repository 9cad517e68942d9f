//! Policies by hand: cases, comparisons and the schema, through the real binary.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{oakgate, repository};

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The worked examples: policies, by name, that have cases beside them.
fn examples() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repository().join("docs/policy")).unwrap();
    let mut policies: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    policies.retain(|file| text(file).ends_with(".yaml") && !text(file).ends_with(".cases.yaml"));
    policies.sort();
    policies
}

#[test]
fn the_ten_worked_examples_do_what_they_say() {
    let page = read(&repository().join("docs/policy.md"));
    let examples = examples();
    assert_eq!(examples.len(), 10);
    for policy in examples {
        let cases = policy.with_extension("cases.yaml");
        let (status, output, errors) =
            oakgate(&["policy", "test", "--policy", text(&policy), text(&cases)], "");
        assert_eq!(status, 0, "{}\n{output}{errors}", policy.display());
        let count = output.lines().filter(|line| line.starts_with("ok      ")).count();
        assert!(count >= 3 && output.ends_with(&format!("\n{count} passed, 0 failed\n")), "{output}");
        for file in [&policy, &cases] {
            let link = format!("(policy/{})", file.file_name().unwrap().to_str().unwrap());
            assert!(page.contains(&link), "docs/policy.md lacks {link}");
        }
        let (status, output, errors) = oakgate(&["policy", "diff", text(&policy), text(&policy)], "");
        assert_eq!((status, output.as_str()), (0, "no difference\n"), "{errors}");
    }
}

#[test]
fn a_case_that_fails_says_why_and_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let cases = folder.path().join("cases.yaml");
    std::fs::write(
        &cases,
        "
cases:
  - {name: as it is, call: {tool: search}, expect: {permission: allowed}}
  - {name: as it is not, call: {tool: delete_mail}, expect: {permission: allowed, rule: search}}
",
    )
    .unwrap();
    let policy = repository().join("docs/policy/02-nearest-rule.yaml");
    let command = ["policy", "test", "--policy", text(&policy), text(&cases)];
    let (status, output, _) = oakgate(&command, "");
    assert_eq!(status, 1);
    for line in [
        "ok      as it is",
        "FAILED  as it is not",
        "  permission: expected allowed, came disabled",
        "  rule: expected search, came rest",
        "    org/any: rule `rest` says disabled",
        "1 passed, 1 failed",
    ] {
        assert!(output.lines().any(|printed| printed == line), "{line}\n{output}");
    }
    let (status, output, _) = oakgate(&[&command[..], &["--json"]].concat(), "");
    let report: Value = serde_json::from_str(&output).unwrap();
    assert_eq!((status, &report["passed"], &report["failed"]), (1, &json!(1), &json!(1)));
    let failed = &report["files"][0]["cases"][1];
    assert_eq!(failed["differences"][1], json!({"field": "rule", "expected": "search", "came": "rest"}));
    assert_eq!(failed["explanation"]["verdict"]["permission"], "disabled");
}

#[test]
fn mistakes_in_policies_and_cases_are_all_said_and_end_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, contents: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, contents).unwrap();
        file
    };
    let policy = write("policy.yaml", "format: 1\norg: acme\nrules: [{id: a, permission: allow}]\n");
    let cases = write("cases.yaml", "cases:\n  - {name: a, call: {tool: t}, expect: {permision: allowed}}\n");
    let (status, output, errors) = oakgate(&["policy", "test", "--policy", text(&policy), text(&cases)], "");
    assert_eq!((status, output.as_str()), (2, ""));
    for mistake in [
        "policy.yaml: rule `a`: unknown permission `allow`; expected allowed, requires_approval or disabled (line 3,",
        "cases.yaml: case `a`: `permission` is missing (line 2,",
        "cases.yaml: case `a`: unknown field `permision` (line 2,",
    ] {
        assert!(errors.contains(mistake), "{mistake}\n{errors}");
    }
    let (status, output, errors) = oakgate(&["policy", "diff", text(&policy), "missing.yaml"], "");
    assert_eq!((status, output.as_str()), (2, ""));
    assert!(
        errors.contains("policy.yaml: rule `a`: ") && errors.contains("missing.yaml: can't be read"),
        "{errors}"
    );
}

#[test]
fn a_difference_is_said_looser_first_and_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let old = repository().join("docs/policy/02-nearest-rule.yaml");
    let new = folder.path().join("new.yaml");
    let changed = read(&old)
        .replace("tool: search, permission: allowed", "tool: search, permission: requires_approval")
        .replace("permission: disabled, reason", "permission: requires_approval, reason");
    std::fs::write(&new, changed).unwrap();
    let (status, output, _) = oakgate(&["policy", "diff", text(&old), text(&new)], "");
    let expected = "\
looser
  tool any but `search`, `send_mail`: disabled (org/any, rule `rest`) -> requires_approval (org/any, rule `rest`)
stricter
  tool `search`: allowed (org/tool, rule `search`) -> requires_approval (org/tool, rule `search`)
";
    assert_eq!((status, output.as_str()), (1, expected));
    let (status, output, _) = oakgate(&["policy", "diff", "--json", text(&old), text(&new)], "");
    let comparison: Value = serde_json::from_str(&output).unwrap();
    assert_eq!((status, &comparison["complete"]), (1, &json!(true)));
    let change = &comparison["verdicts"][1];
    assert_eq!(change["direction"], "stricter");
    assert_eq!(change["calls"], json!({"tool": {"of": {"names": ["search"]}}}));
    assert_eq!(change["old"], json!({"permission": "allowed", "level": "org/tool", "rule": "search"}));
}

#[test]
fn the_schema_is_printed_as_it_is_kept() {
    let (status, output, _) = oakgate(&["policy", "schema"], "");
    assert_eq!((status, output), (0, read(&repository().join("policy/policy.schema.json"))));
}
