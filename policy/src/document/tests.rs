mod hostile;

use super::*;

/// Parts of a document around what is being looked at.
const HEAD: &str = "format: 1\norg: acme\n";

fn errors(text: &str) -> Vec<String> {
    let Err(errors) = Document::parse(text) else { return Vec::new() };
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn reads_yaml_and_json_alike() {
    let yaml = "\
# a comment
format: 1
org: acme
mode: observe
precedence: resource-first
unlisted_tools: trust
categories: [{name: files, default: disabled}, {name: other}]
tools:
  - name: fs.write
    category: files
    status: approved
    enabled: false
    default: requires_approval
    tags: [infra, 'no', infra]
    annotations: {read_only: false, open_world: true}
    second_approval: true
    approval_timeout_seconds: 900
    reasoning: hard
    input_schema: {type: object, properties: {n: {maximum: 1.5, minimum: -3}}, required: [n], x: null}
    definition_sha256: \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"
rules:
  - {id: r1, tenant: no, tool: fs.*, method: '5', permission: allowed, reason: 'it is \"fine\"'}
  - id: r2
    permission: disabled
    when: >-
      tenant == 'x'
      && args.n > 1
";
    let json = serde_json::json!({
        "format": 1, "org": "acme", "mode": "observe", "precedence": "resource-first", "unlisted_tools": "trust",
        "categories": [{"name": "files", "default": "disabled"}, {"name": "other"}],
        "tools": [{
            "name": "fs.write", "category": "files", "status": "approved", "enabled": false,
            "default": "requires_approval", "tags": ["infra", "no", "infra"],
            "annotations": {"read_only": false, "open_world": true}, "second_approval": true,
            "approval_timeout_seconds": 900, "reasoning": "hard",
            "input_schema": {
                "type": "object", "properties": {"n": {"maximum": 1.5, "minimum": -3}}, "required": ["n"], "x": null
            },
            "definition_sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        }],
        "rules": [
            {"id": "r1", "tenant": "no", "tool": "fs.*", "method": "5", "permission": "allowed", "reason": "it is \"fine\""},
            {"id": "r2", "permission": "disabled", "when": "tenant == 'x' && args.n > 1"},
        ],
    });
    // Places differ, of course.
    let read = |text: &str| {
        let mut document = Document::parse(text).unwrap();
        document.rules.iter_mut().for_each(|rule| rule.place = crate::Place { line: 0, column: 0 });
        let mut categories: Vec<_> = document.categories.drain().collect();
        categories.sort();
        format!("{categories:?} {document:?}")
    };
    let expected = read(yaml);
    assert_eq!(read(&json.to_string()), expected);
    assert_eq!(read(&serde_json::to_string_pretty(&json).unwrap().replace("  ", "\t")), expected);

    let document = Document::parse(yaml).unwrap();
    let tool = &document.tools[0];
    assert_eq!(tool.tags().iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["infra", "no"]);
    assert_eq!(*tool.input_schema().unwrap().value(), json["tools"][0]["input_schema"]);
    assert_eq!(tool.annotations().destructive, None);
    assert_eq!(tool.approval_timeout_seconds(), Some(900));
}

#[test]
fn reads_the_escapes_of_json() {
    let text = r#"{"format":1,"org":"a\/\u00e9\uD83D\uDE00\"\\\n","rules":[{"id":"\u0072","permission":"allowed"}]}"#;
    let document = Document::parse(text).unwrap();
    assert_eq!(&*document.org, "a/é😀\"\\\n");
    assert_eq!(&*document.rules[0].id, "r");
}

#[test]
fn names_every_mistake_at_once() {
    let rules = BAD_RULES.iter().map(|(text, expected)| (format!("{HEAD}rules:\n{text}"), *expected));
    let tools = BAD_TOOLS.iter().map(|(text, expected)| (format!("{HEAD}{text}"), *expected));
    let documents = BAD_DOCUMENTS.iter().map(|(text, expected)| ((*text).to_owned(), *expected));
    for (text, expected) in rules.chain(tools).chain(documents) {
        assert_eq!(errors(&text), expected, "{text}");
    }
}

/// Rules from line 4 on, and what is wrong with them.
const BAD_RULES: &[(&str, &[&str])] = &[
    (
        "- {id: r7, permission: allow}",
        &[
            "rule `r7`: unknown permission `allow`; expected allowed, requires_approval or disabled (line 4, column 24)",
        ],
    ),
    ("- {id: r7, permission: 5}", &["rule `r7`: `permission` must be text; quote it (line 4, column 24)"]),
    ("- {id: r7}", &["rule `r7`: `permission` is missing (line 4, column 3)"]),
    (
        "- {permission: allowed}\n- {id: ~, permission: allowed}\n- {id: '', permission: allowed}",
        &[
            "entry 1 of `rules`: `id` is missing (line 4, column 3)",
            "entry 2 of `rules`: `id` must be text; quote it (line 5, column 8)",
            "entry 3 of `rules`: `id` must not be empty (line 6, column 8)",
        ],
    ),
    (
        "- id: r1\n  tool: 5\n  metod: get\n  permission: allowed\n- {id: r1, tenant: null, permission: disabled}",
        &[
            "rule `r1`: `tool` must be text; quote it (line 5, column 9)",
            "rule `r1`: unknown field `metod` (line 6, column 3)",
            "rule `r1`: listed before, on line 4 (line 8, column 3)",
            "rule `r1`: `tenant` must be text; quote it (line 8, column 20)",
        ],
    ),
    (
        "- {id: a, tool: 'x*y', permission: allowed}\n- {id: b, resource: '**', permission: allowed}",
        &[
            "rule `a`: `tool`: `*` may only be the last character of `x*y` (line 4, column 17)",
            "rule `b`: `resource`: `*` may only be the last character of `**` (line 5, column 21)",
        ],
    ),
    (
        "- {id: a, tag: x, method: get, tool: t, tenant: t, permission: allowed}",
        &[
            "rule `a`: a rule with `tag` may name `tenant` and nothing else, not `method` (line 4, column 27)",
            "rule `a`: a rule with `tag` may name `tenant` and nothing else, not `tool` (line 4, column 38)",
        ],
    ),
    (
        "- {id: a, permission: allowed, when: 'args.x >'}\n- {id: b, permission: allowed, when: 'amount > 1'}\n- {id: c, permission: allowed, when: 'f(1)'}\n- {id: d, permission: allowed, when: ''}",
        &[
            "rule `a`: `when` does not compile: mismatched input '<EOF>' (at 1:9 of the expression) (line 4, column 38)",
            "rule `b`: `when` does not compile: unknown variable `amount`; there are args, caller, tenant, resource, tool, method, reasoning and now (line 5, column 38)",
            "rule `c`: `when` does not compile: unknown function `f` (line 6, column 38)",
            "rule `d`: `when` does not compile: mismatched input '<EOF>' (at 1:1 of the expression) (line 7, column 38)",
        ],
    ),
    (
        "- {id: a, tenant: t, tool: x, permission: allowed}\n- {id: b, tool: x, permission: allowed}\n- {id: c, tool: x, tenant: t, permission: disabled, when: 'true'}\n- {id: d, tool: 'x*', permission: disabled}",
        &[
            "rule `c`: never applies: rule `a` has the same coordinates, no `when`, and comes first (line 6, column 3)",
        ],
    ),
    (
        "- {id: a, permission: allowed, permission: disabled}\n- {id: b, <<: {tool: x}, permission: allowed}\n- &q {id: c, tool: !!str 5, permission: allowed}\n- *q",
        &[
            "rule `a`: duplicate key `permission` (line 4, column 32)",
            "rule `b`: unknown field `<<` (line 5, column 11)",
            "rule `c`: tags are not allowed in a policy (line 6, column 26)",
            "entry 4 of `rules`: aliases are not allowed in a policy (line 7, column 3)",
        ],
    ),
    (
        "- {id: \"a\\nb\", permission: allowed, x: 1}",
        &["rule `a\\nb`: unknown field `x` (line 4, column 37)"],
    ),
    (
        "- [id, a]\n- a",
        &[
            "entry 1 of `rules`: must be a mapping (line 4, column 3)",
            "entry 2 of `rules`: must be a mapping (line 5, column 3)",
        ],
    ),
    (
        "- {id: a, permission: allowed}\n- {id: b, permission: yes\n",
        &["neither YAML nor JSON: unclosed bracket '{' (line 5, column 3)"],
    ),
];

/// Categories and tools from line 3 on.
const BAD_TOOLS: &[(&str, &[&str])] = &[
    (
        "tools: [{name: t, category: c}, {name: t}, {category: d}]\ncategories: [{name: c, default: no}, {name: c}, {name: 5}]",
        &[
            "tool `t`: listed before, on line 3 (line 3, column 33)",
            "entry 3 of `tools`: `name` is missing (line 3, column 44)",
            "category `c`: unknown permission `no`; expected allowed, requires_approval or disabled (line 4, column 33)",
            "category `c`: listed before, on line 4 (line 4, column 38)",
            "entry 3 of `categories`: `name` must be text; quote it (line 4, column 56)",
        ],
    ),
    ("tools: [{name: t, category: c}]", &["tool `t`: unknown category `c` (line 3, column 9)"]),
    (
        "tools:\n- name: t\n  enabled: 'yes'\n  status: new\n  tags: [1, x]\n  reasoning: ~\n  annotations: {readonly: true, open_world: 1}\n  approval_timeout_seconds: 0\n  input_schema: [1]\n  definition_sha256: E3",
        &[
            "tool `t`: `enabled` must be true or false (line 5, column 12)",
            "tool `t`: unknown `status` `new`; expected draft or registered or approved (line 6, column 11)",
            "tool `t`: `tags` must be text; quote it (line 7, column 10)",
            "tool `t`: `reasoning` must be text; quote it (line 8, column 14)",
            "tool `t`: unknown field `readonly` (line 9, column 17)",
            "tool `t`: `open_world` must be true or false (line 9, column 45)",
            "tool `t`: `approval_timeout_seconds` must be a whole number of seconds from 1 to 31536000 (line 10, column 29)",
            "tool `t`: `input_schema` must be a JSON object (line 11, column 17)",
            "tool `t`: `definition_sha256` must be 64 lower-case hexadecimal digits (line 12, column 22)",
        ],
    ),
    (
        "tools: [{name: t, input_schema: {a: {b: 1, b: 2}, c: .inf}}]",
        &[
            "tool `t`: `input_schema` must be a JSON object (line 3, column 33)",
            "tool `t`: duplicate key `b` (line 3, column 44)",
        ],
    ),
    (
        "rules: {}\ntools:\nmode: off\nprecedence: first\nunlisted_tools: true\nextra: 1",
        &[
            "`rules` must be a list (line 3, column 8)",
            "`tools` must be a list (line 4, column 6)",
            "unknown `mode` `off`; expected enforce or observe (line 5, column 7)",
            "unknown `precedence` `first`; expected tool-first or resource-first (line 6, column 13)",
            "`unlisted_tools` must be text; quote it (line 7, column 17)",
            "unknown field `extra` (line 8, column 1)",
        ],
    ),
];

/// Whole documents.
const BAD_DOCUMENTS: &[(&str, &[&str])] = &[
    ("", &["must be a mapping (line 1, column 1)"]),
    ("[1]", &["must be a mapping (line 1, column 1)"]),
    ("rules: []", &["`format` is missing (line 1, column 1)", "`org` is missing (line 1, column 1)"]),
    (
        "format: 2\norg: 1",
        &[
            "unknown format `2`; expected 1 (line 1, column 9)",
            "`org` must be text; quote it (line 2, column 6)",
        ],
    ),
    (
        "format: '1'\norg: ''",
        &["unknown format `1`; expected 1 (line 1, column 9)", "`org` must not be empty (line 2, column 6)"],
    ),
    ("format: 1\norg: a\norg: b", &["duplicate key `org` (line 3, column 1)"]),
    (
        "{\"format\":1,\"org\":\"a\",\"rules\":[],\"rules\":[]}",
        &["duplicate key `rules` (line 1, column 34)"],
    ),
    ("format: 1\norg: a\n5: x", &["a key must be text; quote it (line 3, column 1)"]),
    (
        "format: 1\norg: a\n---\nformat: 1",
        &["a second document begins here; a policy is one document (line 3, column 1)"],
    ),
    ("format: 1\norg: [", &["neither YAML nor JSON: unclosed bracket '[' (line 2, column 6)"]),
    (
        "format: 1\norg: \"\\x\"",
        &[
            "neither YAML nor JSON: while parsing a quoted scalar, did not find expected hexadecimal number (line 2, column 6)",
        ],
    ),
];

#[test]
fn keeps_to_its_limits() {
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    let text = format!("{HEAD}rules: [{{id: {long}, permission: allowed}}]");
    assert_eq!(
        errors(&text),
        ["entry 1 of `rules`: `id` has 1025 bytes; at most 1024 are allowed (line 3, column 14)"]
    );

    let many = "- {id: r, permission: allow}\n".repeat(3000);
    let found = errors(&format!("{HEAD}rules:\n{many}"));
    assert_eq!(found.last().unwrap(), "too many mistakes; the rest are not listed (line 504, column 3)");
    assert!(found.len() <= 1002, "{}", found.len());

    let unknown: String = (0..5000).map(|key| format!("k{key}: 1\n")).collect();
    let found = errors(&format!("{HEAD}{unknown}"));
    assert_eq!(found.last().unwrap(), "too many mistakes; the rest are not listed (line 1001, column 1)");
    let found = errors(&format!("{HEAD}rules: [{{{}}}, {{}}]", "a: 1, ".repeat(5000)));
    assert_eq!(found.last().unwrap(), "too many mistakes; the rest are not listed (line 3, column 9)");
    assert!(found.len() <= 2010, "{}", found.len());

    let deep = format!("{HEAD}x: {}{}", "[".repeat(100), "]".repeat(100));
    assert_eq!(errors(&deep), ["neither YAML nor JSON: recursion limit exceeded (line 3, column 68)"]);

    let tags: String = (0..33).map(|tag| format!("t{tag},")).collect();
    assert_eq!(
        errors(&format!("{HEAD}tools: [{{name: t, tags: [{tags}]}}]")),
        ["tool `t`: `tags` has more than 32 entries (line 3, column 25)"]
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]

    /// Whatever is written is a document or has a mistake with a place within it.
    #[test]
    fn any_text_is_a_document_or_is_refused(parts in proptest::collection::vec(proptest::sample::select(&[
        "format: 1\n", "org: a\n", "rules:\n", "tools:\n", "- id: r\n", "  permission: allowed\n", "- name: t\n", "  tags: [x]\n",
        "{", "}", "[", "]", ",", ":", "\"", "'", "\n", "  ", "- ", "? ", "&a ", "*a", "!!str ", "|\n", ">-\n", "#", "---\n", "...\n", "%",
        "\t", "é", "\u{feff}", "\u{0}", "\\u12", "<<: ", "~", "1e5", "0x1f", ".inf", "when: ", "tool: x*\n",
    ]), 0..14)) {
        let text = parts.concat();
        let lines_count = u32::try_from(text.lines().count()).unwrap() + 1;
        if let Err(errors) = Document::parse(&text) {
            proptest::prop_assert!(!errors.is_empty());
            for error in errors {
                let place = error.place();
                proptest::prop_assert!((1..=lines_count).contains(&place.line) && place.column > 0, "{error} {text}");
            }
        }
    }
}
