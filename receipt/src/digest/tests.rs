use super::*;

/// Text and its canonical form. The second row is the example of RFC 8785 section 3.2.2.
const CANONICAL: [(&str, &str); 8] = [
    ("{\"path\": \"/srv/a\", \"n\": 1.0}", r#"{"n":1,"path":"/srv/a"}"#),
    (
        r#"{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"#,
        r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#,
    ),
    // Keys are sorted by their UTF-16 code units, not by their bytes.
    (r#"{"\ufb33": 1, "\ud83d\ude00": 2}"#, "{\"😀\":2,\"\u{fb33}\":1}"),
    ("[9007199254740991, -9007199254740991, -0, -0.0]", "[9007199254740991,-9007199254740991,0,0]"),
    (
        r#"{"id":"9007199254740993\\","a":"\\\"9007199254740993"}"#,
        r#"{"a":"\\\"9007199254740993","id":"9007199254740993\\"}"#,
    ),
    (r#"{"a":{"x":1},"b":{"x":1}}"#, r#"{"a":{"x":1},"b":{"x":1}}"#),
    ("{}", "{}"),
    (" null ", "null"),
];

#[test]
fn the_digest_is_of_the_canonical_form() {
    for (args, canonical) in CANONICAL {
        assert_eq!(args_sha256(args), Ok(body_sha256(canonical.as_bytes())), "{args}");
    }
}

#[test]
fn text_that_can_be_read_in_two_ways_has_no_digest() {
    let shape = |line, column| ArgumentsError::Json(JsonError::Shape { line, column });
    let syntax = |line, column| ArgumentsError::Json(JsonError::Syntax { line, column });
    let refused = [
        (r#"{"a":1,"a":1}"#, shape(1, 10)),
        (r#"[{"b":{"a":1,"\u0061":2}}]"#, shape(1, 21)),
        ("[9007199254740992]", ArgumentsError::Integer),
        ("{\"n\":\n-9007199254740992}", ArgumentsError::Integer),
        (r#"{"\"":"\\","n":123456789012345678901234567890}"#, ArgumentsError::Integer),
        ("1e400", syntax(1, 5)),
        ("NaN", syntax(1, 1)),
        (r#""\ud800""#, syntax(1, 8)),
        ("\u{feff}{}", syntax(1, 1)),
        ("{} {}", syntax(1, 4)),
        ("", syntax(1, 0)),
    ];
    for (args, error) in refused {
        assert_eq!(args_sha256(args), Err(error), "{args}");
    }
}

#[test]
fn arguments_have_a_depth_and_a_length() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(args_sha256(&nested(127)).is_ok());
    assert!(matches!(args_sha256(&nested(128)), Err(ArgumentsError::Json(JsonError::Syntax { .. }))));
    assert_eq!(args_sha256(&" ".repeat(ARGUMENTS_MAX_BYTES + 1)), Err(ArgumentsError::TooLong));
}

#[test]
fn a_digest_is_written_as_base64url() {
    // SHA-256 of nothing, as FIPS 180-4 test data have it.
    let empty = body_sha256(b"");
    assert_eq!(empty.to_string(), "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
    assert_eq!(serde_json::to_string(&empty).unwrap(), format!("\"{empty}\""));
    for text in [
        "",
        "47DE",
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
        "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",
        "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFV",
    ] {
        assert!(serde_json::from_str::<Digest>(&format!("\"{text}\"")).is_err(), "{text}");
    }
}
