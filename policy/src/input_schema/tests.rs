//! What is a schema, and what is said of arguments that do not fit one.

use std::time::{Duration, Instant};

use serde_json::json;

use super::*;

fn check(schema: &Value, arguments: &Value) -> Result<(), WrongArguments> {
    InputSchema::compile(schema.clone()).unwrap().check(&arguments.to_string())
}

/// Each definition refers to the next one twice.
fn doubled(levels: usize, keyword: &str) -> Value {
    let mut definitions = serde_json::Map::new();
    for level in 0..levels {
        let next = json!({keyword: format!("#d{}", level + 1)});
        definitions.insert(level.to_string(), json!({"$anchor": format!("d{level}"), "allOf": [next, next]}));
    }
    definitions.insert(levels.to_string(), json!({"$anchor": format!("d{levels}"), "required": ["x"]}));
    json!({keyword: "#d0", "$defs": definitions})
}

fn chained(links: usize) -> Value {
    let definitions: serde_json::Map<_, _> = (0..links)
        .map(|link| (link.to_string(), json!({"allOf": [{"$ref": format!("#/$defs/{}", link + 1)}]})))
        .collect();
    let mut schema = json!({"$ref": "#/$defs/0", "$defs": definitions});
    schema["$defs"][links.to_string()] = json!({});
    schema
}

#[test]
fn what_can_not_be_used_is_refused() {
    for (schema, said) in [
        (
            json!({"$ref": "https://example.com/x.json"}),
            "refers to `https://example.com/x.json`, which is not in it",
        ),
        (json!({"$ref": "file:///etc/passwd"}), "refers to `file:///etc/passwd`, which is not in it"),
        (json!({"properties": {"a": {"$ref": "#/$defs/none"}}}), "refers to `#/$defs/none`"),
        (json!({"properties": {"a": {"$id": "https://example.com/a"}}}), "https://example.com/a"),
        (doubled(60, "$ref"), "more than 5000 parts"),
        (chained(40), "more than 64 levels"),
        (json!({"$schema": "https://example.com/own"}), "example.com/own"),
        (json!({"type": "objekt"}), "at `/type`"),
        (json!({"properties": {"a": {"minimum": "1"}}}), "at `/properties/a/minimum`"),
        (json!({"properties": {"a": {"pattern": "("}}}), "at `/properties/a/pattern`"),
        // What only a matcher that goes back and forth can match.
        (json!({"properties": {"a": {"pattern": "(?=a)b"}}}), "at `/properties/a/pattern`"),
        (json!({"properties": {"a": {"pattern": "((a{999}){999}){999}"}}}), "at `/properties/a/pattern`"),
        (json!({"description": "x".repeat(INPUT_SCHEMA_BYTES_MAX)}), "at most 262144 are allowed"),
    ] {
        let error = InputSchema::compile(schema.clone()).unwrap_err().to_string();
        assert!(error.contains(said) && error.len() < 400, "{said}: {error}");
    }
}

#[test]
fn a_document_with_such_a_schema_is_refused_by_its_tool() {
    let document = json!({"format": 1, "org": "o", "tools": [
        {"name": "pay", "input_schema": {"properties": {"amount": {"$ref": "https://example.com/amount"}}}},
    ]});
    let errors = crate::Document::parse(&document.to_string()).unwrap_err();
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let said = "tool `pay`: `input_schema` can't be used: it refers to `https://example.com/amount`, which is not in it";
    assert!(lines.len() == 1 && lines[0].starts_with(said), "{lines:?}");
}

#[test]
fn says_where_and_what_and_never_the_value() {
    let schema = json!({
        "type": "object", "required": ["path"], "additionalProperties": false,
        "properties": {
            "path": {"type": "string", "maxLength": 8, "pattern": "^/"},
            "amount": {"type": ["number", "null"], "minimum": 1},
            "mode": {"enum": ["replace", "append"]},
            "tags": {"type": "array", "uniqueItems": true, "items": {"type": ["string", "object"], "required": ["n"]}},
            "to": {"anyOf": [{"type": "integer"}, {"format": "email", "type": "string"}]},
            "names": {"propertyNames": {"maxLength": 3}},
        },
    });
    let ok =
        json!({"path": "/a", "amount": 1.5, "mode": "append", "tags": ["x", "y"], "to": "not an address"});
    assert_eq!(check(&schema, &ok), Ok(()), "a format is a remark");
    for (arguments, said) in [
        (json!({}), "they must have \"path\""),
        (json!({"path": 12_345}), "`/path` must be of type string"),
        (json!({"path": "hunter2"}), "`/path` must match `^/`"),
        (json!({"path": "/hunter2hunter2"}), "`/path` must have at most this many characters: 8"),
        (json!({"path": "/", "amount": "hunter2"}), "`/amount` must be of type null or number"),
        (json!({"path": "/", "amount": 0.25}), "`/amount` must be at least 1"),
        (json!({"path": "/", "mode": "hunter2"}), "`/mode` must be one of [\"replace\",\"append\"]"),
        (json!({"path": "/", "tags": ["hunter2", "hunter2"]}), "`/tags` must not have an item twice"),
        (json!({"path": "/", "tags": ["x", 7]}), "`/tags/1` must be of type string or object"),
        (json!({"path": "/", "tags": ["x", {"a~b/c": "hunter2"}]}), "`/tags/1` must have \"n\""),
        (json!({"path": "/", "to": ["hunter2"]}), "`/to` must be one of the forms that the schema lists"),
        (json!({"path": "/", "names": {"hunter2": 1}}), "`/names` must not have a member of that name"),
        (json!({"path": "/", "x": "hunter2", "y": 1}), "they must not have `x`, `y`"),
    ] {
        let text = check(&schema, &arguments).unwrap_err().to_string();
        assert_eq!(text, said, "{arguments}");
    }
}

#[test]
fn few_places_are_named_and_none_of_very_long_arguments() {
    let schema = json!({"properties": {"list": {"items": {"type": "string"}}}});
    let few = check(&schema, &json!({"list": [1, 2, 3, 4, 5, 6]})).unwrap_err();
    assert_eq!((few.places.len(), few.more), (WRONG_PLACES_MAX, true));
    assert!(few.to_string().ends_with("`/list/4` must be of type string; and more"), "{few}");
    let of = |length: usize| check(&schema, &json!({"list": vec![1; length]})).unwrap_err().to_string();
    assert_eq!(of(ARGUMENTS_BYTES_MAX / 2 - 10), "where they are wrong would take too long to say");
    assert_eq!(of(ARGUMENTS_BYTES_MAX / 2 + 10), "they must have at most 262144 bytes to be checked");
}

/// Each would take for ever, or overflow a worker's stack, if the schema were followed blindly.
#[test]
fn no_check_takes_long() {
    let nested = |levels: usize| format!("{}{{\"bad\":1}}{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
    let circle = json!({"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}});
    let twice = json!({"properties": {"a": {"anyOf": [{"$ref": "#"}, {"$ref": "#", "minProperties": 9}]}},
        "not": {"required": ["bad"]}});
    let mut long = chained(9);
    long["$defs"]["9"] = json!({"properties": {"a": {"$ref": "#"}}});
    let numbers = json!({"a": (0..40_000).collect::<Vec<_>>()}).to_string();
    let letters = json!({"a": "a".repeat(250_000)}).to_string();
    for (what, schema, arguments, expected) in [
        ("itself", json!({"$ref": "#"}), "{}", true),
        ("a circle", json!({"allOf": [{"$ref": "#/$defs/a"}], "$defs": circle}), "{}", true),
        ("two at each level", doubled(8, "$ref"), "{}", false),
        ("two at each level of the arguments", twice.clone(), &nested(30), false),
        ("deeper arguments", twice, &nested(60), false),
        ("a long way at each level of the arguments", long, &nested(30), true),
        ("each item once", json!({"properties": {"a": {"uniqueItems": true}}}), &numbers, true),
        ("many ways to match", json!({"properties": {"a": {"pattern": "^(a|a|aa)*$"}}}), &letters, true),
    ] {
        let since = Instant::now();
        let schema = InputSchema::compile(schema).unwrap();
        let arguments = arguments.to_owned();
        // A worker's stack has 2 MiB, too.
        let checked = std::thread::spawn(move || schema.check(&arguments).is_ok()).join().unwrap();
        assert_eq!(checked, expected, "{what}");
        assert!(since.elapsed() < Duration::from_secs(20), "{what}: {:?}", since.elapsed());
    }
}
