use serde_json::Map;

use super::*;
use crate::{Caller, CallerKind, DefinitionDigest};

fn caller(id: &str) -> Caller {
    Caller { id: id.to_owned(), kind: CallerKind::Agent, claims: Map::new() }
}

fn call<'a>(caller: &'a Caller, arguments: &'a str) -> Call<'a> {
    Call {
        backend: "payments",
        tool: "refund",
        tenant: Some("acme"),
        resource: Some("ledger"),
        method: Some("write"),
        arguments,
        caller,
        unread: Unread::Nothing,
        reasoning: None,
        definition: Definition::Accepted,
    }
}

fn of(arguments: &str) -> Result<Fingerprint, NotCanonical> {
    Fingerprint::of("org", &call(&caller("agent-7"), arguments))
}

#[test]
fn the_same_call_written_differently_is_the_same() {
    let same = [
        r#"{"amount":10,"to":"é","list":[1,2.5]}"#,
        "{ \"to\" : \"\\u00e9\",\n\"list\":[1.0, 25e-1], \"amount\": 1e1 }",
        r#"{"list":[1,2.50],"amount":10.0,"to":"\u00E9"}"#,
    ];
    for text in same {
        assert_eq!(of(text), of(same[0]), "{text}");
    }
}

#[test]
fn what_is_said_of_the_call_does_not_count() {
    let caller = caller("agent-7");
    let plain = call(&caller, "{}");
    let said = Call { reasoning: Some("because"), ..plain };
    assert_eq!(Fingerprint::of("org", &plain), Fingerprint::of("org", &said));
}

#[test]
fn every_coordinate_counts() {
    let (agent, other) = (caller("agent-7"), caller("agent-8"));
    let base = call(&agent, r#"{"a":1}"#);
    let variants = [
        ("org", base),
        ("org2", base),
        ("org", Call { caller: &other, ..base }),
        ("org", Call { backend: "billing", ..base }),
        ("org", Call { tool: "refunds", ..base }),
        ("org", Call { definition: Definition::Changed(DefinitionDigest::of_bytes(b"1")), ..base }),
        ("org", Call { definition: Definition::Changed(DefinitionDigest::of_bytes(b"2")), ..base }),
        ("org", Call { unread: Unread::Body(b""), ..base }),
        ("org", Call { unread: Unread::Body(b"cents=1"), ..base }),
        ("org", Call { unread: Unread::Answers { answers: None, state: None }, ..base }),
        ("org", Call { unread: Unread::Answers { answers: Some("{}"), state: None }, ..base }),
        ("org", Call { unread: Unread::Answers { answers: None, state: Some("{}") }, ..base }),
        ("org", Call { unread: Unread::Answers { answers: Some(r#"{"a":1}"#), state: None }, ..base }),
        ("org", Call { tenant: None, ..base }),
        ("org", Call { tenant: Some(""), ..base }),
        ("org", Call { resource: None, ..base }),
        ("org", Call { resource: Some("ledger2"), ..base }),
        ("org", Call { method: None, ..base }),
        ("org", Call { method: Some("read"), ..base }),
        ("org", Call { method: Some("ledger"), resource: Some("write"), ..base }),
        ("org", Call { tool: "refundledger", resource: Some(""), ..base }),
        ("org", Call { backend: "a", tool: "b\u{1}c", ..base }),
        ("org", Call { backend: "a\u{1}b", tool: "c", ..base }),
        ("org", Call { arguments: r#"{"a":2}"#, ..base }),
        ("org", Call { arguments: r#"{"a":"1"}"#, ..base }),
        ("org", Call { arguments: r#"{"a":[1]}"#, ..base }),
        ("org", Call { arguments: r#"{"A":1}"#, ..base }),
        ("org", Call { arguments: r#"{"a":1,"b":null}"#, ..base }),
    ];
    let mut seen = std::collections::HashSet::new();
    for (org, call) in variants {
        assert!(seen.insert(Fingerprint::of(org, &call).unwrap()), "{org} {call:?}");
    }
}

#[test]
fn refuses_what_cannot_be_told_from_other_arguments() {
    use NotCanonical::{DuplicateKey, NotAnObject, NumberTooLarge};
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    let cases = [
        ("", NotAnObject),
        ("[]", NotAnObject),
        ("null", NotAnObject),
        (r#"{"a":1} {}"#, NotAnObject),
        (r#"{"a":"\ud800"}"#, NotAnObject),
        (r#"{"a":1e999}"#, NotAnObject),
        (deep.as_str(), NotAnObject),
        (r#"{"a":1,"a":2}"#, DuplicateKey),
        (r#"{"a":1,"\u0061":1}"#, DuplicateKey),
        (r#"{"x":[{"a":1,"b":2,"a":1}]}"#, DuplicateKey),
        (r#"{"a":9007199254740992}"#, NumberTooLarge),
        (r#"{"a":-9007199254740992}"#, NumberTooLarge),
        (r#"{"a":18446744073709551615}"#, NumberTooLarge),
        (r#"{"a":18446744073709551616}"#, NumberTooLarge),
        (r#"{"a":[{"b":123456789012345678901234567890}]}"#, NumberTooLarge),
        (r#"{"a":9007199254740993.0}"#, NumberTooLarge),
    ];
    for (text, expected) in cases {
        assert_eq!(of(text), Err(expected), "{text}");
    }
    for text in [r#"{"a":9007199254740991}"#, r#"{"a":-9007199254740991}"#, r#"{"a":0.1}"#, "{}"] {
        assert!(of(text).is_ok(), "{text}");
    }
}

#[test]
fn its_text_is_read_back() {
    let fingerprint = of("{}").unwrap();
    assert_eq!(Fingerprint::try_from(fingerprint.to_string()), Ok(fingerprint));
    for bad in
        [String::new(), "0".repeat(63), "0".repeat(65), "g".repeat(64), "+f".repeat(32), "é".repeat(32)]
    {
        assert_eq!(Fingerprint::try_from(bad.clone()), Err(NotAFingerprint), "{bad}");
    }
}
