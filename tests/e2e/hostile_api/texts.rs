//! Texts that are code somewhere else: in SQL, in a log, in a terminal. Each is given back exactly or refused by name.

use serde_json::json;

use super::{assert_answered, fields, on_both, send, texts_in};
use crate::harness::{Answer, Api, Database, Operation, percent_encoded};

const TEXTS: [&str; 24] = [
    "'; DROP TABLE holders; --",
    "' OR '1'='1",
    "a' || (SELECT sha256 FROM secrets LIMIT 1) || 'b",
    "\"; DELETE FROM orgs; --",
    "$1",
    "$2 ? :name @p %s {0}",
    "\\",
    "\\'; SELECT pg_sleep(10); --",
    "100%_like",
    "\u{2019}; DROP TABLE pieces; --",
    "\u{ff07} OR 1=1",
    "a\0b",
    "\u{1f98a} fox",
    "\u{10ffff}",
    "\u{202e}txet",
    "\u{200b}",
    "e\u{301}",
    "line\nforged entry",
    "line\r\nforged: header",
    "\u{1b}[31mred\u{1b}]0;title\u{7}",
    "\u{85}\u{2028}forged entry",
    "\"}\n{\"level\":\"ERROR\",\"message\":\"forged entry\"}",
    "${jndi:ldap://localhost/a}",
    "../../etc/passwd",
];

#[test]
fn hostile_texts_are_given_back_exactly_or_refused() {
    on_both(|control_plane| {
        let mut tally = Tally::default();
        for operation in &control_plane.operations() {
            for text in TEXTS {
                for place in control_plane.description.text_places(operation) {
                    let body = control_plane.description.body_with(operation, &place, &json!(text));
                    let path = operation.path_with("a");
                    let answer = send(control_plane, operation, &path, body.to_string().as_bytes());
                    assert_answered(&answer, &format!("{} {path}, {text:?} at {place:?}", operation.method));
                    tally.look(control_plane, operation, &path, &answer, text);
                }
                in_path_query_and_headers(control_plane, operation, text, &mut tally);
            }
        }
        tally.assert_telling();
    });
}

fn in_path_query_and_headers(control_plane: &Api, operation: &Operation, text: &str, tally: &mut Tally) {
    let body = control_plane.description.body(operation).map(|body| body.to_string()).unwrap_or_default();
    if !operation.in_path.is_empty() {
        let path = operation.path_with(text);
        let answer = send(control_plane, operation, &path, body.as_bytes());
        assert_answered(&answer, &format!("{} {path}", operation.method));
        tally.look(control_plane, operation, &path, &answer, text);
    }
    for name in &operation.in_query {
        let path = format!("{}?{name}={}", operation.path_with("a"), percent_encoded(text));
        let answer = send(control_plane, operation, &path, body.as_bytes());
        assert_answered(&answer, &format!("{} {path}", operation.method));
    }
    // What a header can hold at all.
    let visible: String = text.chars().filter(|c| !c.is_control()).collect();
    for name in ["idempotency-key", "if-match", "user-agent", "x-request-id"] {
        let credential = control_plane.credential(operation);
        let path = operation.path_with("a");
        let all = fields(&credential, &[(name, &visible)]);
        let answer = control_plane.request(&operation.method, &path, &all, body.as_bytes());
        assert_answered(&answer, &format!("{} {path}, {name}: {visible:?}", operation.method));
    }
}

/// What became of all the texts.
#[derive(Default)]
struct Tally {
    refused: usize,
    given_back: usize,
    read_again: usize,
}

impl Tally {
    fn look(&mut self, control_plane: &Api, operation: &Operation, path: &str, answer: &Answer, text: &str) {
        if answer.status >= 400 {
            self.refused += 1;
            return;
        }
        if !matches!(operation.method.as_str(), "PUT" | "POST" | "PATCH") || answer.body.is_empty() {
            return;
        }
        let mut found = Vec::new();
        texts_in(&answer.json(), &mut found);
        if !found.iter().any(|one| one.contains(text)) {
            return;
        }
        self.given_back += 1;
        // Whatever has an address of its own says the same when it is asked again.
        let place = answer.header("location").unwrap_or(path);
        let credential = control_plane.credential(operation);
        let again = control_plane.request("GET", place, &fields(&credential, &[]), b"");
        if again.status == 200 {
            let mut found = Vec::new();
            texts_in(&again.json(), &mut found);
            assert!(
                found.iter().any(|one| one.contains(text)),
                "{place} has lost {text:?}: {}",
                again.text()
            );
            self.read_again += 1;
        }
    }

    /// There were texts of each fate: a test that only hears refusals shows nothing.
    fn assert_telling(&self) {
        let Self { refused, given_back, read_again } = self;
        assert!(*refused > 100, "{refused} refused, {given_back} given back, {read_again} read again");
        assert!(*given_back > 20, "{refused} refused, {given_back} given back, {read_again} read again");
        assert!(*read_again > 20, "{refused} refused, {given_back} given back, {read_again} read again");
    }
}

#[test]
fn no_text_breaks_out_of_its_line_in_the_log() {
    for format in ["json", "text"] {
        let control_plane = Api::start(Database::sqlite(), &["--log-format", format]);
        for operation in &control_plane.operations() {
            for text in TEXTS.iter().filter(|text| text.contains("forged") || text.contains('\u{1b}')) {
                for place in control_plane.description.text_places(operation) {
                    let body = control_plane.description.body_with(operation, &place, &json!(text));
                    send(&control_plane, operation, &operation.path_with("a"), body.to_string().as_bytes());
                }
                send(&control_plane, operation, &operation.path_with(text), b"");
            }
        }
        let lines = control_plane.program.errors();
        assert!(!lines.is_empty());
        for line in lines {
            assert!(!line.chars().any(char::is_control), "{format}: {line:?}");
            assert!(!line.starts_with("forged"), "{format}: {line:?}");
            if format == "json" {
                let entry: serde_json::Value =
                    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
                assert_ne!(entry["message"], "forged entry");
            }
        }
    }
}
