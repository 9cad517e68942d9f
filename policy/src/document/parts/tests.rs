use super::*;

#[test]
fn a_document_is_taken_apart_as_it_was_written() {
    let text = r#"
rules:
  - {permission: allowed, id: "1", tool: a, when: 'args.n < 0x1F'}
format: 1
unlisted_tools: trust
org: acme
tools:
- name: a
  input_schema: {properties: {n: {maximum: 9007199254740993, minimum: -0.5e-3, default: ~, const: yes}}}
  approval_timeout_seconds: 60
"#;
    let (_, parts) = Parts::parse(text).unwrap();
    let expected = Parts {
        org: "acme".to_owned(),
        settings: Map::from_iter([("unlisted_tools".to_owned(), "trust".into())]),
        categories: Vec::new(),
        tools: vec![Entry {
            name: "a".to_owned(),
            json: r#"{"approval_timeout_seconds":60,"input_schema":{"properties":{"n":{"const":"yes","default":null,"maximum":9007199254740993,"minimum":-0.0005}}},"name":"a"}"#.to_owned(),
        }],
        rules: vec![Entry {
            name: "1".to_owned(),
            json: r#"{"id":"1","permission":"allowed","tool":"a","when":"args.n < 0x1F"}"#.to_owned(),
        }],
    };
    assert_eq!(parts, expected);
    assert_eq!(Parts::parse("format: 2").unwrap_err(), Document::parse("format: 2").unwrap_err());
}

#[test]
fn an_object_is_read_strictly() {
    assert_eq!(object(r#"{"a": [1, {"b": null}]}"#).unwrap().len(), 1);
    for (text, says) in [
        ("", "must be a mapping (line 1, column 1)"),
        ("[]", "must be a mapping (line 1, column 1)"),
        (r#"{"a": 1, "a": 2}"#, "duplicate key `a` (line 1, column 10)"),
        (r#"{"a": {"b": 1, "b": 2}}"#, "duplicate key `b` (line 1, column 16)"),
        (r#"{"c": &b 1, "a": *b}"#, "aliases are not allowed in a policy (line 1, column 18)"),
        (r#"{"a": 1e999}"#, "must be a JSON object"),
        ("{}\n---\n{}", "a second document begins here"),
        ("{", "neither YAML nor JSON"),
    ] {
        let errors = object(text).unwrap_err();
        assert!(errors[0].to_string().contains(says), "{text}: {errors:?}");
    }
    assert_eq!(object("[]").unwrap_err()[0].without_place().to_string(), "must be a mapping");
}
