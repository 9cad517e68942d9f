//! Digests against values made elsewhere, and what counts.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn digest(json: &str) -> Result<String, NotADefinition> {
    ToolDefinition::read(json).map(|definition| definition.digest().to_string())
}

#[test]
fn the_digest_is_of_the_canonical_form_without_meta_and_icons() {
    // printf '%s' '{"description":"é","inputSchema":{"type":"object"},"name":"a"}' | sha256sum
    let expected = "dd18c3d7aec4b910a2f9aebc4f35a9f75e9cd2699b1eaa9478796206b49f81e5";
    for text in [
        r#"{"name":"a","description":"é","inputSchema":{"type":"object"}}"#,
        "{ \"inputSchema\" : {\"type\":\"object\"},\n\"n\\u0061me\":\"a\", \"description\":\"\\u00e9\" }",
        r#"{"name":"a","description":"é","inputSchema":{"type":"object"},"_meta":{"v":1},"icons":[{"src":"x"}]}"#,
    ] {
        assert_eq!(digest(text).as_deref(), Ok(expected), "{text}");
    }
    for text in [
        r#"{"name":"a","description":"é","inputSchema":{"type":"object","_meta":{}}}"#,
        r#"{"name":"a","description":"è","inputSchema":{"type":"object"}}"#,
        r#"{"name":"a","description":"é","inputSchema":{"type":"object"},"title":"A"}"#,
        r#"{"name":"a","description":"é","inputSchema":{"type":"object"},"Icons":[]}"#,
    ] {
        assert_ne!(digest(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_readers_could_see_differently_has_no_digest() {
    for (text, error) in [
        (r#"{"name":"a","name":"b"}"#, NotADefinition::NotAnObject),
        (r#"{"name":"a","x":{"k":1,"k":1}}"#, NotADefinition::NotAnObject),
        (r#"["a"]"#, NotADefinition::NotAnObject),
        ("", NotADefinition::NotAnObject),
        (r#"{"name":"a","maximum":9007199254740992}"#, NotADefinition::Integer),
        (r#"{"name":"a","minimum":-99999999999999999999999}"#, NotADefinition::Integer),
    ] {
        assert_eq!(digest(text), Err(error), "{text}");
    }
    for text in [
        r#"{"name":"a","maximum":9007199254740991}"#,
        r#"{"name":"a","maximum":1.7976931348623157e308}"#,
        r#"{"name":"\"9007199254740993\\"}"#,
    ] {
        assert!(digest(text).is_ok(), "{text}");
    }
}

#[test]
fn a_pin_is_64_lower_case_digits() {
    let text = "0123456789abcdef".repeat(4);
    assert_eq!(DefinitionDigest::parse(&text).unwrap().to_string(), text);
    for wrong in [text.to_uppercase(), text.replacen("01", "1", 1), format!("{text}0"), "é".repeat(32)] {
        assert_eq!(DefinitionDigest::parse(&wrong), None, "{wrong}");
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f32>().prop_map(|number| json!(number)),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,4}", inner, 0..4).prop_map(|members| json!(members)),
        ]
    })
}

proptest! {
    #[test]
    fn spacing_and_what_is_left_out_do_not_count_and_all_else_does(
        schema in json_value(), other in json_value(), left_out in json_value(),
    ) {
        let plain = json!({"name": "a", "inputSchema": schema});
        let more = json!({"name": "a", "inputSchema": schema, "_meta": left_out, "icons": left_out});
        let spaced = serde_json::to_string_pretty(&more).unwrap();
        prop_assert_eq!(digest(&plain.to_string()), digest(&spaced));
        let changed = json!({"name": "a", "inputSchema": other});
        if schema != other {
            prop_assert_ne!(digest(&plain.to_string()), digest(&changed.to_string()));
        }
    }
}
