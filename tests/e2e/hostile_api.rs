//! The control plane's API against whoever means it harm: every operation of its own description, on each database.
//! Bodies without end, texts that are code somewhere else, JSON that eats memory, clients that are slow or many.

mod bodies;
mod clients;
mod texts;

use serde_json::Value;

use crate::harness::{Answer, Api, Database, Operation};

/// Statuses that are faults of the server.
const FAULTS: u16 = 500;

/// Runs a test on SQLite, and again on a real PostgreSQL.
fn on_both(test: impl Fn(&Api)) {
    for database in [Database::sqlite(), Database::postgres()] {
        let control_plane = Api::start(database, &[]);
        test(&control_plane);
        control_plane.assert_well();
    }
}

/// An answer that is no fault: JSON that says what it says, or a problem with its code.
fn assert_answered(answer: &Answer, what: &str) {
    assert!(answer.status < FAULTS, "{what}: {} {}", answer.status, answer.text());
    if answer.status < 400 {
        return;
    }
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{what}: {}", answer.status);
    let problem = answer.json();
    assert_eq!(problem["status"], answer.status, "{what}");
    assert!(problem["code"].as_str().is_some_and(|code| !code.is_empty()), "{what}: {problem}");
}

/// The header fields of a request with the credential that an operation wants.
fn fields<'a>(credential: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![("authorization", credential), ("content-type", "application/json")];
    fields.retain(|(name, value)| *name != "authorization" || !value.is_empty());
    fields.extend(more);
    fields
}

/// Sends one operation.
fn send(control_plane: &Api, operation: &Operation, path: &str, body: &[u8]) -> Answer {
    let credential = control_plane.credential(operation);
    let any_version: &[_] = if operation.needs_if_match { &[("if-match", "*")] } else { &[] };
    control_plane.request(&operation.method, path, &fields(&credential, any_version), body)
}

/// Every text in a JSON value, names of members included.
fn texts_in(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts_in(item, found)),
        Value::Object(members) => {
            for (name, member) in members {
                found.push(name.clone());
                texts_in(member, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
