//! The schema held against the reader: what one takes the other takes, in valid documents and in mistaken ones.

use std::path::Path;

use jsonschema::Validator;
use serde_json::{Value, json};

use crate::Document;

fn validator() -> Validator {
    let schema: Value = serde_json::from_str(super::SCHEMA).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[test]
fn valid_documents_are_valid_to_both() {
    let validator = validator();
    let vectors = std::fs::read_to_string(repository().join("tests/vectors/cascade.json")).unwrap();
    let vectors: Vec<Value> = serde_json::from_str(&vectors).unwrap();
    let mut documents: Vec<(String, Value)> =
        vectors.iter().map(|case| (case["policy"].to_string(), case["policy"].clone())).collect();
    let examples = std::fs::read_dir(repository().join("docs/policy")).unwrap();
    let mut files: Vec<_> = examples.map(|entry| entry.unwrap().path()).collect();
    files.push(repository().join("config/examples/policy.yaml"));
    files.push(repository().join("oakgate/src/up/policy.yaml"));
    files.retain(|file| {
        let name = file.file_name().unwrap().to_str().unwrap();
        name.ends_with(".yaml") && !name.ends_with(".cases.yaml")
    });
    assert!(vectors.len() > 30 && files.len() > 10, "{} vectors, {files:?}", vectors.len());
    documents.extend(files.iter().map(|file| {
        let text = std::fs::read_to_string(file).unwrap();
        let document = serde_saphyr::from_str(&text).unwrap();
        (text, document)
    }));
    for (text, document) in documents {
        assert!(Document::parse(&text).is_ok(), "{text}");
        let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{text}\n{errors:?}");
    }
}

/// A document in which everything is said.
fn full() -> Value {
    json!({
        "format": 1, "org": "acme", "mode": "observe", "precedence": "resource-first", "unlisted_tools": "trust",
        "categories": [{"name": "files", "default": "allowed"}],
        "tools": [{
            "name": "fs.read", "category": "files", "status": "approved", "enabled": true, "default": "allowed",
            "tags": ["x"], "second_approval": true, "approval_timeout_seconds": 60, "reasoning": "hard",
            "annotations": {"read_only": true, "destructive": false, "idempotent": true, "open_world": false},
            "input_schema": {"type": "object"}, "definition_sha256": "0".repeat(64),
        }],
        "rules": [
            {"id": "a", "tenant": "t", "resource": "r/*", "tool": "fs.*", "method": "get", "permission": "allowed",
             "when": "args.n > 1", "reason": "why"},
            {"id": "b", "tenant": "t", "tag": "x", "permission": "disabled"},
        ],
    })
}

/// A place in the document, and what is wrong there; null takes the field away.
fn mistakes() -> Vec<(&'static str, Value)> {
    let mut mistakes = vec![
        ("/format", Value::Null),
        ("/format", json!(2)),
        ("/format", json!("1")),
        ("/org", Value::Null),
        ("/org", json!("")),
        ("/org", json!(5)),
        ("/mode", json!("off")),
        ("/precedence", json!("tool")),
        ("/unlisted_tools", json!(true)),
        ("/categories", json!({})),
        ("/categories/0/name", Value::Null),
        ("/categories/0/name", json!("")),
        ("/categories/0/default", json!("allow")),
        ("/categories/0", json!("files")),
        ("/tools", json!("fs.read")),
        ("/tools/0", json!([])),
        ("/tools/0/name", Value::Null),
        ("/tools/0/name", json!("x".repeat(1025))),
        ("/tools/0/category", json!(1)),
        ("/tools/0/status", json!("new")),
        ("/tools/0/enabled", json!("true")),
        ("/tools/0/default", json!("ALLOWED")),
        ("/tools/0/tags", json!("x")),
        ("/tools/0/tags", json!([1])),
        ("/tools/0/tags", json!(vec!["x"; 33])),
        ("/tools/0/annotations", json!([])),
        ("/tools/0/annotations/read_only", json!("yes")),
        ("/tools/0/second_approval", json!(1)),
        ("/tools/0/approval_timeout_seconds", json!(0)),
        ("/tools/0/approval_timeout_seconds", json!(31_536_001)),
        ("/tools/0/approval_timeout_seconds", json!(1.5)),
        ("/tools/0/approval_timeout_seconds", json!("60")),
        ("/tools/0/reasoning", json!("maybe")),
        ("/tools/0/input_schema", json!(true)),
        ("/tools/0/definition_sha256", json!("A".repeat(64))),
        ("/tools/0/definition_sha256", json!("0".repeat(63))),
        ("/rules", json!({"id": "a"})),
        ("/rules/0", json!(1)),
        ("/rules/0/id", Value::Null),
        ("/rules/0/id", json!("")),
        ("/rules/0/id", json!(7)),
        ("/rules/0/permission", Value::Null),
        ("/rules/0/permission", json!("deny")),
        ("/rules/0/tenant", json!(["t"])),
        ("/rules/0/resource", json!("r/*/x")),
        ("/rules/0/resource", json!("r**")),
        ("/rules/0/tool", json!("*.read")),
        ("/rules/0/tool", json!(false)),
        ("/rules/0/method", json!({})),
        ("/rules/0/when", json!(true)),
        ("/rules/0/when", json!("1".repeat(4097))),
        ("/rules/0/reason", json!(1)),
        ("/rules/1/tag", json!(1)),
    ];
    for part in ["", "/categories/0", "/tools/0", "/tools/0/annotations", "/rules/0"] {
        let field = format!("{part}/colour").leak();
        mistakes.push((field, json!("green")));
    }
    for field in ["/rules/1/resource", "/rules/1/tool", "/rules/1/method"] {
        mistakes.push((field, json!("x")));
    }
    mistakes
}

#[test]
fn mistakes_of_shape_are_mistakes_to_both() {
    let validator = validator();
    let text = full().to_string();
    assert!(validator.is_valid(&full()) && Document::parse(&text).is_ok(), "{:?}", Document::parse(&text));
    for (place, wrong) in mistakes() {
        let mut document = full();
        let (parent, field) = place.rsplit_once('/').unwrap();
        match document.pointer_mut(parent).unwrap() {
            Value::Array(items) => items[field.parse::<usize>().unwrap()] = wrong.clone(),
            fields if wrong.is_null() => drop(fields.as_object_mut().unwrap().remove(field)),
            fields => fields[field] = wrong.clone(),
        }
        assert!(Document::parse(&document.to_string()).is_err(), "the reader takes {place} {wrong}");
        assert!(!validator.is_valid(&document), "the schema takes {place} {wrong}");
    }
}
