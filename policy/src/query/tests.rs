use super::*;

#[test]
fn reads_a_whole_query() {
    let text = r#"{"tool":"t","tenant":"","resource":null,"method":"get","args":{"a": 1e2},
        "caller":{"id":"k1","kind":"agent","claims":{"team":"ops"}},"reasoning":"because"}"#;
    let query = Query::parse(text).unwrap();
    let call = query.call();
    assert_eq!((call.tool, call.tenant, call.resource, call.method), ("t", Some(""), None, Some("get")));
    assert_eq!((call.arguments, call.reasoning), (r#"{"a": 1e2}"#, Some("because")));
    assert_eq!((call.caller.id.as_str(), call.caller.kind), ("k1", CallerKind::Agent));
    assert_eq!(call.caller.claims["team"], "ops");

    let query = Query::parse(r#"{"tool":"t"}"#).unwrap();
    assert_eq!((query.call().arguments, query.call().caller.kind), ("{}", CallerKind::Anonymous));
}

#[test]
fn refuses_what_is_no_query() {
    for (text, expected) in [
        (r#"{}"#, "missing field `tool` at line 1 column 2"),
        (r#"{"tool":"t","tool":"u"}"#, "duplicate field `tool` at line 1 column 18"),
        (r#"{"tool":"t","tenent":"x"}"#, "unknown field `tenent`"),
        (r#"{"tool":"t","args":[]}"#, "`args` must be an object"),
        (r#"{"tool":"t","args":"{}"}"#, "`args` must be an object"),
        (r#"{"tool":"t","caller":{"kind":"admin"}}"#, "unknown variant `admin`"),
        (r#"{"tool":"t","caller":{"kind":"agent","x":1}}"#, "unknown field `x`"),
        (r#"{"tool":"t"} {}"#, "trailing characters"),
    ] {
        let error = Query::parse(text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}
