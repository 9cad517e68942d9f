//! The reader against the RFC, and against its own refusals.

mod against_serde_json;

use super::*;

fn read(body: &[u8]) -> Result<Kind, Malformed> {
    let mut reader = Reader::new(body)?;
    let kind = reader.value()?.kind;
    reader.finish()?;
    Ok(kind)
}

#[test]
fn accepts_the_grammar() {
    let table = [
        ("{}", Kind::Object),
        (" \t\r\n[ ] ", Kind::Array),
        (r#"{"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]}"#, Kind::Object),
        ("[1,-0,0.5,1e5,1E+5,1.25e-5,123456789012345678901234567890]", Kind::Array),
        (r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00""#, Kind::Text),
        ("\"\u{7f}\u{2028}é\"", Kind::Text),
        (r#""\u0000""#, Kind::Text),
        ("true", Kind::Boolean),
        ("false", Kind::Boolean),
        ("null", Kind::Null),
        ("-1", Kind::Number),
    ];
    for (text, kind) in table {
        assert_eq!(read(text.as_bytes()), Ok(kind), "{text}");
    }
}

#[test]
fn refuses_each_for_its_reason() {
    let not_json = |at| Malformed::NotJson { at };
    let table: [(&[u8], Malformed); 48] = [
        (b"", not_json(0)),
        (b" ", not_json(1)),
        (b"{", not_json(1)),
        (b"[1", not_json(2)),
        (b"[1,]", not_json(3)),
        (b"[,1]", not_json(1)),
        (b"[1 2]", not_json(3)),
        (br#"{"a"}"#, not_json(4)),
        (br#"{"a":}"#, not_json(5)),
        (br#"{"a":1,}"#, not_json(7)),
        (br#"{"a":1 "b":2}"#, not_json(7)),
        (br#"{,"a":1}"#, not_json(1)),
        (b"{a:1}", not_json(1)),
        (b"{'a':1}", not_json(1)),
        (b"[1]]", Malformed::TrailingBytes),
        (b"{} {}", Malformed::TrailingBytes),
        (b"{}\0", Malformed::TrailingBytes),
        (b"{}//", Malformed::TrailingBytes),
        (b"/**/{}", not_json(0)),
        (b"\x0c{}", not_json(0)),
        ("\u{a0}{}".as_bytes(), not_json(0)),
        (b"01", Malformed::TrailingBytes),
        (b"-", not_json(1)),
        (b"+1", not_json(0)),
        (b".5", not_json(0)),
        (b"1.", not_json(2)),
        (b"1.e5", not_json(2)),
        (b"1e", not_json(2)),
        (b"1e+", not_json(3)),
        (b"0x10", Malformed::TrailingBytes),
        (b"NaN", not_json(0)),
        (b"nul", not_json(0)),
        (b"True", not_json(0)),
        (b"1e400", Malformed::NumberTooLarge),
        (b"-1e400", Malformed::NumberTooLarge),
        (b"\"", not_json(1)),
        (b"\"a", not_json(2)),
        (b"\"\n\"", not_json(1)),
        (b"\"12345678\x1f\"", not_json(9)),
        (br#""\x""#, not_json(2)),
        (br#""\u12g4""#, not_json(3)),
        (br#""\u+123""#, not_json(3)),
        (br#""\ud800""#, Malformed::LoneSurrogate),
        (br#""\udc00""#, Malformed::LoneSurrogate),
        (br#""\ud800\u0041""#, Malformed::LoneSurrogate),
        (b"\"\xff\"", Malformed::InvalidUtf8),
        (b"\"\xed\xa0\x80\"", Malformed::InvalidUtf8),
        (b"\xef\xbb\xbf{}", Malformed::ByteOrderMark),
    ];
    for (body, malformed) in table {
        assert_eq!(read(body), Err(malformed), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn refuses_keys_that_readers_see_differently() {
    let table = [
        (r#"{"a":1,"a":1}"#, Malformed::DuplicateKey),
        (r#"{"name":1,"na\u006de":2}"#, Malformed::DuplicateKey),
        (r#"{"x":[{"y":{"a":1,"b":2,"a":3}}]}"#, Malformed::DuplicateKey),
        (r#"{"":1,"":2}"#, Malformed::DuplicateKey),
        (r#"{"a":{},"b":{"a":1},"a":{}}"#, Malformed::DuplicateKey),
        (r#"{"name\u0000":1}"#, Malformed::NulInKey),
        (r#"[{"\u0000":1}]"#, Malformed::NulInKey),
        (r#"{"\ud800":1}"#, Malformed::LoneSurrogate),
        (r#"{"$serde_json::private::RawValue":"{}"}"#, Malformed::ReservedKey),
        (r#"[{"a":{"\u0024serde_json::private::Number":"1"}}]"#, Malformed::ReservedKey),
    ];
    for (text, malformed) in table {
        assert_eq!(read(text.as_bytes()), Err(malformed), "{text}");
    }
    assert_eq!(read(br#"{"a":1,"A":2,"b":{"a":{"a":1}}}"#), Ok(Kind::Object));
}

#[test]
fn nesting_has_a_limit() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |levels: usize| format!("{}1{}", open.repeat(levels), close.repeat(levels));
        assert!(read(nested(NESTING_MAX).as_bytes()).is_ok());
        assert_eq!(read(nested(NESTING_MAX + 1).as_bytes()), Err(Malformed::TooDeep));
    }
    assert_eq!(read("[".repeat(1 << 20).as_bytes()), Err(Malformed::TooDeep));
    assert!(read(format!("[{}[]]", "[],".repeat(1000)).as_bytes()).is_ok());
}

/// Keys of one length that differ at their ends only: no scan of all pairs, and no hash to attack.
#[test]
fn many_keys_take_no_quadratic_time() {
    let member = |key: usize| format!("\"{key:08}\":0");
    let keys = 200_000;
    let unique = (0..keys).map(member).collect::<Vec<_>>().join(",");
    assert_eq!(read(format!("{{{unique}}}").as_bytes()), Ok(Kind::Object));
    let twice = format!("{{{unique},{}}}", member(17));
    assert_eq!(read(twice.as_bytes()), Err(Malformed::DuplicateKey));
}

#[test]
fn values_keep_their_place_in_the_text() {
    let text = r#" {"a" : [1, "x\u0041"] ,"b":null}"#;
    let mut reader = Reader::over(text);
    let mut object = reader.object().unwrap();
    let mut seen = Vec::new();
    while let Some(key) = reader.key(&mut object).unwrap() {
        let value = reader.value().unwrap();
        assert_eq!(text.get(value.start..value.end()), Some(value.raw));
        seen.push((key.into_owned(), value.raw));
    }
    reader.finish().unwrap();
    assert_eq!(seen, [("a".to_owned(), r#"[1, "x\u0041"]"#), ("b".to_owned(), "null")]);
}
