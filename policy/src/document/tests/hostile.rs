//! Documents that are too large, too deep or not text: a clear error within bounded time, never a panic.

use std::time::{Duration, Instant};

use super::*;
use crate::Snapshot;

/// Much more than any of these takes, and much less than any would without a limit.
const TIME_MAX: Duration = Duration::from_secs(60);

/// The only mistake of a document, found in time, on a thread with as much stack as a worker has.
fn refusal(name: &str, text: String) -> String {
    let worker = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let begun = Instant::now();
    let found = worker.spawn(move || errors(&text)).unwrap().join().unwrap();
    assert!(begun.elapsed() < TIME_MAX, "{name}: {:?}", begun.elapsed());
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found.into_iter().next().unwrap()
}

#[test]
fn ten_thousand_levels_are_refused() {
    const LEVELS: usize = 10_000;
    let deep = |link: &str| link.repeat(LEVELS);
    let indented: String = (0..LEVELS).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    for (name, text) in [
        ("flow lists", format!("{HEAD}x: {}", deep("["))),
        ("flow lists, closed", format!("{HEAD}x: {}{}", deep("["), deep("]"))),
        ("flow mappings", format!("{HEAD}x: {}", deep("{a: "))),
        ("json", format!("{{\"format\":1,\"org\":\"a\",\"x\":{}1{}}}", deep("{\"a\":"), deep("}"))),
        ("block mappings", format!("{HEAD}x:\n{indented}")),
        ("block lists", format!("{HEAD}x:\n  {}1", deep("- "))),
        ("keys", format!("{HEAD}{}", deep("? "))),
        ("a schema", format!("{HEAD}tools: [{{name: t, input_schema: {}", deep("{a: "))),
    ] {
        let found = refusal(name, text);
        assert!(
            found.starts_with("neither YAML nor JSON: recursion limit exceeded (line "),
            "{name}: {found}"
        );
    }
}

#[test]
fn fifty_megabytes_of_nothing_are_refused() {
    const BYTES: usize = 50 * 1024 * 1024;
    let x = || "x".repeat(BYTES);
    for (name, text, expected) in [
        ("a plain scalar", x(), "must be a mapping (line 1, column 1)"),
        ("a quoted scalar", format!("{HEAD}x: \"{}\"", x()), "unknown field `x` (line 3, column 1)"),
        ("a literal scalar", format!("{HEAD}x: |\n  {}", x()), "unknown field `x` (line 3, column 1)"),
        (
            "an open quote",
            format!("{HEAD}x: \"{}", x()),
            "neither YAML nor JSON: unclosed quote (line 3, column 4)",
        ),
        (
            "a key",
            format!("{HEAD}{}: 1", x()),
            "neither YAML nor JSON: simple key expected ':' (line 3, column 1)",
        ),
        (
            "a name",
            format!("{HEAD}rules: [{{id: \"{}\", permission: allowed}}]", x()),
            "entry 1 of `rules`: `id` has 52428800 bytes; at most 1024 are allowed (line 3, column 14)",
        ),
        ("a comment", format!("#{}", x()), "must be a mapping (line 1, column 52428802)"),
        (
            "more than a document may have",
            " ".repeat(DOCUMENT_BYTES_MAX + 1),
            "the document has 268435457 bytes; at most 268435456 are allowed (line 1, column 1)",
        ),
    ] {
        assert_eq!(refusal(name, text), expected, "{name}");
    }
}

/// A twentieth of a million, as the test is compiled without optimisation.
#[test]
fn a_document_of_many_rules_is_read_and_compiled() {
    const RULES: usize = 50_000;
    let rules = (0..RULES).map(|n| format!("- {{id: r{n}, tool: t{n}, permission: disabled}}\n"));
    let text = format!("{HEAD}rules:\n{}", rules.collect::<String>());
    let begun = Instant::now();
    let snapshot = Snapshot::compile(Document::parse(&text).unwrap(), 1);
    assert_eq!(snapshot.rules_count(), RULES);
    let twice = format!("{text}{}", text.replace(HEAD, "").replace("rules:\n", ""));
    assert_eq!(
        errors(&twice).last().unwrap(),
        "too many mistakes; the rest are not listed (line 51003, column 3)"
    );
    assert!(begun.elapsed() < TIME_MAX, "{:?}", begun.elapsed());
}

#[test]
fn aliases_never_multiply() {
    let item = |level: usize| format!("a{level}: &a{level} [{}]\n", format!("*a{}, ", level - 1).repeat(10));
    let bomb: String = (1..200).map(item).collect();
    let found = errors(&format!("{HEAD}a0: &a0 [x]\n{bomb}"));
    assert!(found.iter().any(|error| error == "aliases are not allowed in a policy (line 4, column 10)"));
    assert!(found.last().unwrap().starts_with("too many mistakes; the rest are not listed"), "{found:?}");
    assert!(found.len() < 2 * crate::load_error::MISTAKES_MAX, "{}", found.len());
    assert_eq!(
        refusal("itself", format!("{HEAD}rules: &r [*r]")),
        "entry 1 of `rules`: aliases are not allowed in a policy (line 3, column 12)"
    );
}

#[test]
fn what_an_editor_leaves_is_read_and_what_none_would_is_refused() {
    for text in [
        "\u{feff}format: 1\norg: a\n",
        "format: 1\r\norg: a\r\nrules:\r\n- id: r\r\n  permission: allowed\r\n",
        "{\n\t\"format\": 1,\n\t\"org\":\t\"a\"\n}",
        "format: 1\norg: a # \u{e9}\n...\n",
    ] {
        let document = Document::parse(text).unwrap_or_else(|errors| panic!("{text:?}: {errors:?}"));
        assert_eq!(&*document.org, "a");
    }
    for (text, expected) in [
        ("\0", "neither YAML nor JSON: unexpected character: `\\u{0}' (line 3, column 1)"),
        (
            "rules: [{id: \"a\0b\"}]",
            "neither YAML nor JSON: unexpected character: `\\u{0}' (line 3, column 16)",
        ),
        (
            "rules: [{id: \"a\\0b\", permission: allowed, x: 1}]",
            "rule `a\\u{0}b`: unknown field `x` (line 3, column 43)",
        ),
        (
            "rules: [{id: \"a\u{202e}b\u{200b}\", permission: allowed, x: 1}]",
            "rule `a\\u{202e}b\\u{200b}`: unknown field `x` (line 3, column 43)",
        ),
        (
            "\u{feff}rules: []",
            "neither YAML nor JSON: a BOM must not appear inside a document (line 3, column 1)",
        ),
        // JSON would take it.
        ("x: \"\u{7f}\"", "neither YAML nor JSON: unexpected character: `\\u{7f}' (line 3, column 5)"),
        (
            "rules:\n\t- id: r\n",
            "neither YAML nor JSON: tabs disallowed within this context (block indentation) (line 4, column 2)",
        ),
        (
            "rules:\n- id: r\n\tpermission: allowed\n",
            "neither YAML nor JSON: while scanning a plain scalar, found a tab (line 4, column 7)",
        ),
        (
            "rules: [{id: a, permission: allowed, \"permission\": disabled}]",
            "rule `a`: duplicate key `permission` (line 3, column 38)",
        ),
        (
            "rules: [{id: a, \"permission\": allowed, \"perm\\u0069ssion\": disabled}]",
            "rule `a`: duplicate key `permission` (line 3, column 40)",
        ),
        ("rules: []\nrules: []", "duplicate key `rules` (line 4, column 1)"),
        (
            "x: \"\\ud800\"",
            "neither YAML nor JSON: while parsing a quoted scalar, found high surrogate without following low surrogate (line 3, column 4)",
        ),
    ] {
        assert_eq!(refusal(text, format!("{HEAD}{text}")), expected, "{text:?}");
    }
}
