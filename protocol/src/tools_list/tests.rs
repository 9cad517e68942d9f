//! Lists byte by byte, and against the obvious way through `serde_json`.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

const PRIVATE: Caching = Caching::Private { ttl_max_ms: 60_000 };

fn filtered(body: &str, caching: Caching, hidden: &[&str]) -> Result<Edited, ListError> {
    edit(
        body.as_bytes(),
        caching,
        |tool| {
            if hidden.contains(&&*tool.name) { Choice::Remove } else { Choice::Keep }
        },
    )
}

fn rewritten(body: &str, removed: usize) -> Edited {
    Edited::Rewritten { body: body.as_bytes().to_vec(), removed }
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
        assert_eq!(filtered(body, Caching::AsListed, hidden), Ok(rewritten(expected, removed)), "{body}");
    }
}

#[test]
fn a_modern_list_is_private_to_its_caller() {
    let table = [
        (
            r#"{"result":{ "tools":[],"ttlMs":0}}"#,
            Some(r#"{"result":{"cacheScope":"private", "tools":[],"ttlMs":0}}"#),
        ),
        (
            r#"{"result":{"cacheScope":"public","tools":[{"name":"b"}],"ttlMs":9}}"#,
            Some(r#"{"result":{"cacheScope":"private","tools":[{"name":"b"}],"ttlMs":9}}"#),
        ),
        (
            r#"{"result":{"tools":[{"name":"b"}],"ttlMs":60000.0,"cacheScope" : null }}"#,
            Some(r#"{"result":{"tools":[{"name":"b"}],"ttlMs":60000.0,"cacheScope" : "private" }}"#),
        ),
        (
            r#"{"result":{"ttlMs": 86400000 ,"tools":[{"name":"b"}],"cacheScope":"private"}}"#,
            Some(r#"{"result":{"ttlMs": 60000 ,"tools":[{"name":"b"}],"cacheScope":"private"}}"#),
        ),
        (
            r#"{"result":{"tools":[],"cacheScope":"private","ttlMs":"9"}}"#,
            Some(r#"{"result":{"tools":[],"cacheScope":"private","ttlMs":0}}"#),
        ),
        (
            r#"{"result":{"tools":[],"cacheScope":"private","ttlMs":-1}}"#,
            Some(r#"{"result":{"tools":[],"cacheScope":"private","ttlMs":0}}"#),
        ),
        (r#"{"result":{"tools":[]}}"#, Some(r#"{"result":{"cacheScope":"private","ttlMs":0,"tools":[]}}"#)),
        (r#"{"result":{"tools":[{"name":"b"}],"cacheScope":"private","ttlMs":1}}"#, None),
        (r#"{"result":{"cacheScope":"public","ttlMs":86400000}}"#, None),
    ];
    for (body, expected) in table {
        let expected = expected.map_or(Edited::Untouched, |body| rewritten(body, 0));
        assert_eq!(filtered(body, PRIVATE, &["a"]), Ok(expected), "{body}");
        assert_eq!(filtered(body, Caching::AsListed, &["a"]), Ok(Edited::Untouched), "{body}");
    }
    let both = r#"{"result":{"tools":[{"name":"a"},{"name":"b"}],"cacheScope":"public","ttlMs":5}}"#;
    let expected = r#"{"result":{"tools":[{"name":"b"}],"cacheScope":"private","ttlMs":5}}"#;
    assert_eq!(filtered(both, PRIVATE, &["a"]), Ok(rewritten(expected, 1)));
}

#[test]
fn says_it_in_the_description_and_leaves_every_other_byte() {
    let choose = |tool: &Tool<'_>| match &*tool.name {
        "cut" => Choice::Remove,
        "kept" => Choice::Keep,
        _ => Choice::Annotate("[ask]"),
    };
    for (body, expected) in [
        (
            r#"{"result":{"tools":[{"name":"a", "description" : "Reads \u00e9\"." ,"x":1.0}]}}"#,
            r#"{"result":{"tools":[{"name":"a", "description" : "Reads \u00e9\". [ask]" ,"x":1.0}]}}"#,
        ),
        (
            r#"{"result":{"tools":[{ "name":"a"},{"description":null,"name":"b"}, {"description":"","name":"c"}]}}"#,
            r#"{"result":{"tools":[{"description":"[ask]", "name":"a"},{"description":"[ask]","name":"b"}, {"description":" [ask]","name":"c"}]}}"#,
        ),
        (
            r#"{"result":{"tools":[{"name":"cut","description":"x"},{"name":"a"} ,{"name":"kept","description":"k"}]}}"#,
            r#"{"result":{"tools":[{"description":"[ask]","name":"a"} ,{"name":"kept","description":"k"}]}}"#,
        ),
        (
            r#"{"result":{"tools":[{"name":"a","inputSchema":{"description":"inner"}}]}}"#,
            r#"{"result":{"tools":[{"description":"[ask]","name":"a","inputSchema":{"description":"inner"}}]}}"#,
        ),
    ] {
        let removed = usize::from(body.contains("cut"));
        let edited = edit(body.as_bytes(), Caching::AsListed, choose);
        assert_eq!(edited, Ok(rewritten(expected, removed)), "{body}");
        serde_json::from_str::<Json>(expected).unwrap();
    }
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
        assert_eq!(filtered(body, Caching::AsListed, &["a"]), Ok(Edited::Untouched), "{body}");
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
        assert_eq!(filtered(body, PRIVATE, &[]), Err(error), "{body}");
    }
}

#[test]
fn definitions_are_seen_as_they_came() {
    let body = r#"{"result":{"tools":[ {"name":"a", "x":[1.0]} ,{"y":"\u0061","name":"b"}]}}"#;
    let mut seen = Vec::new();
    let outcome = edit(body.as_bytes(), Caching::AsListed, |tool| {
        seen.push((tool.name.to_string(), tool.definition.to_owned()));
        Choice::Keep
    });
    assert_eq!(outcome, Ok(Edited::Untouched));
    let expected = [("a", r#"{"name":"a", "x":[1.0]}"#), ("b", r#"{"y":"\u0061","name":"b"}"#)];
    assert_eq!(seen, expected.map(|(name, definition)| (name.to_owned(), definition.to_owned())));
}

/// The same, by reading everything and writing it anew.
fn obvious(body: &str, caching: Caching, hidden: &[&str], annotated: &[&str]) -> Json {
    let mut message: Json = serde_json::from_str(body).unwrap();
    let tools = message["result"]["tools"].as_array_mut().unwrap();
    tools.retain(|tool| !hidden.contains(&tool["name"].as_str().unwrap()));
    for tool in tools.iter_mut().filter(|tool| annotated.contains(&tool["name"].as_str().unwrap())) {
        tool["description"] = match tool["description"].as_str() {
            Some(text) => json!(format!("{text} [x]")),
            None => json!("[x]"),
        };
    }
    if let Caching::Private { ttl_max_ms } = caching {
        message["result"]["cacheScope"] = json!("private");
        let ttl = message["result"]["ttlMs"].as_u64().unwrap_or(0);
        message["result"]["ttlMs"] = json!(ttl.min(ttl_max_ms.into()));
    }
    message
}

const NAMES: [&str; 4] = ["a", "b", "c", "é\"\\"];

proptest! {
    #[test]
    fn agrees_with_the_obvious_way(
        tools in prop::collection::vec((prop::sample::select(&NAMES), prop::option::of(".{0,5}")), 0..8),
        hidden in prop::sample::subsequence(NAMES.to_vec(), 0..4),
        annotated in prop::sample::subsequence(NAMES.to_vec(), 0..4),
        private in any::<bool>(),
        pretty in any::<bool>(),
        scope in prop::sample::select(vec!["", "public", "private"]),
        ttl in prop::option::of(0_u64..200_000),
    ) {
        let listed: Vec<Json> = tools.iter().map(|(name, description)| {
            let mut tool = json!({"name": name, "inputSchema": {"name": [1, 2], "description": "x"}});
            if let Some(description) = description {
                tool["description"] = json!(description);
            }
            tool
        }).collect();
        let mut message = json!({"jsonrpc": "2.0", "id": 1, "result": {"tools": listed}});
        if !scope.is_empty() {
            message["result"]["cacheScope"] = json!(scope);
        }
        if let Some(ttl) = ttl {
            message["result"]["ttlMs"] = json!(ttl);
        }
        let body = if pretty { serde_json::to_string_pretty(&message).unwrap() } else { message.to_string() };
        let caching = if private { PRIVATE } else { Caching::AsListed };
        let edited = edit(body.as_bytes(), caching, |tool| match &*tool.name {
            name if hidden.contains(&name) => Choice::Remove,
            name if annotated.contains(&name) => Choice::Annotate("[x]"),
            _ => Choice::Keep,
        });
        let after = match edited.unwrap() {
            Edited::Untouched => body.clone().into_bytes(),
            Edited::Rewritten { body, removed } => {
                prop_assert_eq!(removed, tools.iter().filter(|(name, _)| hidden.contains(name)).count());
                body
            }
        };
        prop_assert_eq!(serde_json::from_slice::<Json>(&after).unwrap(), obvious(&body, caching, &hidden, &annotated));
    }
}
