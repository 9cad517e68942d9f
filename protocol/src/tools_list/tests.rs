//! Lists byte by byte, and against the obvious way through `serde_json`.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

fn filtered(body: &str, era: Era, hidden: &[&str]) -> Result<Filtered, ListError> {
    filter(body.as_bytes(), era, |tool| !hidden.contains(&&*tool.name))
}

fn rewritten(body: &str, removed: usize) -> Filtered {
    Filtered::Rewritten { body: body.as_bytes().to_vec(), removed }
}

#[test]
fn cuts_tools_out_and_leaves_every_other_byte() {
    let table: [(&str, &[&str], &str); 8] = [
        (
            r#"{ "id":1, "result" : {"tools":[ {"name":"a","x": 1.0} , {"name":"b"},{"name":"c"} ],"nextCursor":"\u0061"}}"#,
            &["b"],
            r#"{ "id":1, "result" : {"tools":[ {"name":"a","x": 1.0},{"name":"c"} ],"nextCursor":"\u0061"}}"#,
        ),
        (
            r#"{"result":{"tools":[{"name":"a"} ,{"name":"b"}]}}"#,
            &["a"],
            r#"{"result":{"tools":[{"name":"b"}]}}"#,
        ),
        (
            r#"{"result":{"tools":[{"name":"a"},{"name":"b"} , {"name":"c"}]}}"#,
            &["a", "b"],
            r#"{"result":{"tools":[{"name":"c"}]}}"#,
        ),
        (
            r#"{"result":{"tools":[{"name":"a"},{"name":"b"}]}}"#,
            &["b"],
            r#"{"result":{"tools":[{"name":"a"}]}}"#,
        ),
        (r#"{"result":{"tools":[ {"name":"a"} ]}}"#, &["a"], r#"{"result":{"tools":[  ]}}"#),
        (
            r#"{"result":{"tools":[{"n\u0061me":"\u0061"},{"name":"A"}]}}"#,
            &["a"],
            r#"{"result":{"tools":[{"name":"A"}]}}"#,
        ),
        (
            r#"{"result":{"tools":[{"name":"a"},{"name":"b"},{"name":"a"}]}}"#,
            &["a"],
            r#"{"result":{"tools":[{"name":"b"}]}}"#,
        ),
        (
            r#"[{"method":"x"},{"result":{"tools":[{"name":"a"}]}}]"#,
            &["a"],
            r#"[{"method":"x"},{"result":{"tools":[]}}]"#,
        ),
    ];
    for (body, hidden, expected) in table {
        let removed = body.matches("name").count() + body.matches(r"n\u0061me").count()
            - expected.matches("name").count();
        assert_eq!(filtered(body, Era::Legacy, hidden), Ok(rewritten(expected, removed)), "{body}");
    }
}

#[test]
fn a_modern_list_is_private_to_its_caller() {
    let table = [
        (r#"{"result":{ "tools":[]}}"#, Some(r#"{"result":{"cacheScope":"private", "tools":[]}}"#)),
        (
            r#"{"result":{"cacheScope":"public","tools":[{"name":"b"}],"ttlMs":9}}"#,
            Some(r#"{"result":{"cacheScope":"private","tools":[{"name":"b"}],"ttlMs":9}}"#),
        ),
        (
            r#"{"result":{"tools":[{"name":"b"}],"cacheScope" : null }}"#,
            Some(r#"{"result":{"tools":[{"name":"b"}],"cacheScope" : "private" }}"#),
        ),
        (r#"{"result":{"tools":[{"name":"b"}],"cacheScope":"private"}}"#, None),
        (r#"{"result":{"cacheScope":"public"}}"#, None),
    ];
    for (body, expected) in table {
        let expected = expected.map_or(Filtered::Untouched, |body| rewritten(body, 0));
        assert_eq!(filtered(body, Era::Modern, &["a"]), Ok(expected), "{body}");
        assert_eq!(filtered(body, Era::Legacy, &["a"]), Ok(Filtered::Untouched), "{body}");
    }
    let both = r#"{"result":{"tools":[{"name":"a"},{"name":"b"}],"cacheScope":"public"}}"#;
    let expected = r#"{"result":{"tools":[{"name":"b"}],"cacheScope":"private"}}"#;
    assert_eq!(filtered(both, Era::Modern, &["a"]), Ok(rewritten(expected, 1)));
}

#[test]
fn other_messages_are_untouched() {
    for body in [
        "",
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"tools":[{"name":"a"}]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"tools":[{"name":"a"}]}]}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"tools"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":null}}"#,
        r#"{"result":null}"#,
        r#"{"result":{"tools":[{"name":"b"}]}}"#,
        "7",
        "[]",
    ] {
        assert_eq!(filtered(body, Era::Legacy, &["a"]), Ok(Filtered::Untouched), "{body}");
    }
}

#[test]
fn what_cannot_be_read_strictly_does_not_go_on() {
    let table = [
        ("x", ListError::Malformed(Malformed::NotJson { at: 0 })),
        (r#"{"result":{}} {}"#, ListError::Malformed(Malformed::TrailingBytes)),
        (r#"{"result":{},"result":{"tools":[{"name":"a"}]}}"#, ListError::Malformed(Malformed::DuplicateKey)),
        (r#"{"Result":{"tools":[{"name":"a"}]}}"#, ListError::Malformed(Malformed::CaseVariantKey)),
        (
            r#"{"result":{"tools":[],"TOOLS":[{"name":"a"}]}}"#,
            ListError::Malformed(Malformed::CaseVariantKey),
        ),
        (
            r#"{"result":{"tools":[{"name":"b","NAME":"a"}]}}"#,
            ListError::Malformed(Malformed::CaseVariantKey),
        ),
        (r#"{"result":{"tools":[{"name":"b","name":"a"}]}}"#, ListError::Malformed(Malformed::DuplicateKey)),
        (r#"{"result":{"tools":{"0":{"name":"a"}}}}"#, ListError::NotAnArray),
        (r#"{"result":{"tools":["a"]}}"#, ListError::ToolWithoutName),
        (r#"{"result":{"tools":[{"title":"a"}]}}"#, ListError::ToolWithoutName),
        (r#"{"result":{"tools":[{"name":null}]}}"#, ListError::ToolWithoutName),
        ("\u{feff}{}", ListError::Malformed(Malformed::ByteOrderMark)),
    ];
    for (body, error) in table {
        assert_eq!(filtered(body, Era::Modern, &[]), Err(error), "{body}");
    }
}

#[test]
fn definitions_are_seen_as_they_came() {
    let body = r#"{"result":{"tools":[ {"name":"a", "x":[1.0]} ,{"y":"\u0061","name":"b"}]}}"#;
    let mut seen = Vec::new();
    let outcome = filter(body.as_bytes(), Era::Legacy, |tool| {
        seen.push((tool.name.to_string(), tool.definition.to_owned()));
        true
    });
    assert_eq!(outcome, Ok(Filtered::Untouched));
    let expected = [("a", r#"{"name":"a", "x":[1.0]}"#), ("b", r#"{"y":"\u0061","name":"b"}"#)];
    assert_eq!(seen, expected.map(|(name, definition)| (name.to_owned(), definition.to_owned())));
}

/// The same, by reading everything and writing it anew.
fn obvious(body: &str, era: Era, hidden: &[&str]) -> Json {
    let mut message: Json = serde_json::from_str(body).unwrap();
    let tools = message["result"]["tools"].as_array_mut().unwrap();
    tools.retain(|tool| !hidden.contains(&tool["name"].as_str().unwrap()));
    if era == Era::Modern {
        message["result"]["cacheScope"] = json!("private");
    }
    message
}

proptest! {
    #[test]
    fn agrees_with_the_obvious_way(
        names in prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "é\"\\"]), 0..8),
        hidden in prop::sample::subsequence(vec!["a", "b", "c", "é\"\\"], 0..4),
        modern in any::<bool>(),
        pretty in any::<bool>(),
        scope in prop::sample::select(vec!["", "public", "private"]),
    ) {
        let tools: Vec<Json> = names.iter().map(|name| json!({"name": name, "inputSchema": {"name": [1, 2]}})).collect();
        let mut message = json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": tools, "ttlMs": 1}});
        if !scope.is_empty() {
            message["result"]["cacheScope"] = json!(scope);
        }
        let body = if pretty { serde_json::to_string_pretty(&message).unwrap() } else { message.to_string() };
        let era = if modern { Era::Modern } else { Era::Legacy };
        let after = match filtered(&body, era, &hidden).unwrap() {
            Filtered::Untouched => body.clone().into_bytes(),
            Filtered::Rewritten { body, removed } => {
                prop_assert_eq!(removed, names.iter().filter(|name| hidden.contains(name)).count());
                body
            }
        };
        prop_assert_eq!(serde_json::from_slice::<Json>(&after).unwrap(), obvious(&body, era, &hidden));
    }
}
