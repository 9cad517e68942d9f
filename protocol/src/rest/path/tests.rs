//! Paths that backends read in different ways.

use proptest::prelude::*;

use super::*;

#[test]
fn each_path_is_read_or_refused_for_its_reason() {
    let table = [
        ("/", Ok("/")),
        ("/v1/refunds", Ok("/v1/refunds")),
        ("/v1/refunds/", Ok("/v1/refunds/")),
        ("/a%20b/%C3%A9", Ok("/a%20b/%C3%A9")),
        ("/%41%2dz%7E", Ok("/A-z~")),
        ("/a.b/..c/c../.d/a...b", Ok("/a.b/..c/c../.d/a...b")),
        ("/100%25", Ok("/100%25")),
        ("/100%25%20off", Ok("/100%25%20off")),
        ("/x:cancel/@me/a,b=c/(1)*'!$&+", Ok("/x:cancel/@me/a,b=c/(1)*'!$&+")),
        ("/%3Fq%23f", Ok("/%3Fq%23f")),
        ("", Err(PathRefused::NotAbsolute)),
        ("*", Err(PathRefused::NotAbsolute)),
        ("v1", Err(PathRefused::NotAbsolute)),
        ("http://host/v1", Err(PathRefused::NotAbsolute)),
        ("//", Err(PathRefused::EmptySegment)),
        ("//host/v1", Err(PathRefused::EmptySegment)),
        ("/v1//refunds", Err(PathRefused::EmptySegment)),
        ("/v1/refunds//", Err(PathRefused::EmptySegment)),
        ("/v1/../admin", Err(PathRefused::DotSegment)),
        ("/v1/./admin", Err(PathRefused::DotSegment)),
        ("/..", Err(PathRefused::DotSegment)),
        ("/v1/%2e%2E/admin", Err(PathRefused::DotSegment)),
        ("/v1/.%2e/admin", Err(PathRefused::DotSegment)),
        ("/v1/.../admin", Err(PathRefused::DotSegment)),
        ("/v1/..%20/admin", Err(PathRefused::DotSegment)),
        ("/v1/%20/admin", Err(PathRefused::DotSegment)),
        ("/v1/..%C2%A0/admin", Err(PathRefused::DotSegment)),
        ("/v1/..%09/admin", Err(PathRefused::DotSegment)),
        ("/v1/a%2fb", Err(PathRefused::EncodedSlash)),
        ("/v1%2F..%2Fadmin", Err(PathRefused::EncodedSlash)),
        ("/v1\\admin", Err(PathRefused::Backslash)),
        ("/v1/..%5cadmin", Err(PathRefused::Backslash)),
        ("/v1;a=b/refunds", Err(PathRefused::MatrixParameter)),
        ("/v1/..;/admin", Err(PathRefused::MatrixParameter)),
        ("/v1/a%3Bb", Err(PathRefused::MatrixParameter)),
        ("/v1/%00", Err(PathRefused::ControlCharacter)),
        ("/v1/a%0d%0ab", Err(PathRefused::ControlCharacter)),
        ("/v1/a%7F", Err(PathRefused::ControlCharacter)),
        ("/v1/a%C2%85", Err(PathRefused::ControlCharacter)),
        ("/v1/a\0b", Err(PathRefused::ControlCharacter)),
        ("/v1/%", Err(PathRefused::Escape)),
        ("/v1/%2", Err(PathRefused::Escape)),
        ("/v1/%zz", Err(PathRefused::Escape)),
        ("/v1/%u002e", Err(PathRefused::Escape)),
        ("/v1/%+2", Err(PathRefused::Escape)),
        ("/v1/%ff", Err(PathRefused::InvalidUtf8)),
        ("/v1/%c0%ae%c0%ae/admin", Err(PathRefused::InvalidUtf8)),
        ("/v1/%252e%252e/admin", Err(PathRefused::DoubleEncoding)),
        ("/v1/%25%32%65", Err(PathRefused::DoubleEncoding)),
        ("/v1/%25u002e", Err(PathRefused::DoubleEncoding)),
        ("/v1/%2525", Err(PathRefused::DoubleEncoding)),
        ("/v1/%EF%BC%8E%EF%BC%8E/admin", Err(PathRefused::Lookalike)),
        ("/v1/..%EF%BC%8Fadmin", Err(PathRefused::Lookalike)),
        ("/v1/%E2%80%A5/admin", Err(PathRefused::Lookalike)),
        ("/v1/a b", Err(PathRefused::Character)),
        ("/v1/é", Err(PathRefused::Character)),
        ("/v1?x", Err(PathRefused::Character)),
        ("/v1#x", Err(PathRefused::Character)),
        ("/{id}", Err(PathRefused::Character)),
    ];
    for (raw, expected) in table {
        let normal = NormalPath::parse(raw).map(|path| path.to_string());
        assert_eq!(normal, expected.map(str::to_owned), "{raw}");
    }
}

#[test]
fn paths_have_limits() {
    assert!(NormalPath::parse(&"/a".repeat(PATH_SEGMENTS_MAX)).is_ok());
    assert_eq!(NormalPath::parse(&"/a".repeat(PATH_SEGMENTS_MAX + 1)), Err(PathRefused::TooLong));
    assert!(NormalPath::parse(&format!("/{}", "a".repeat(PATH_BYTES_MAX - 1))).is_ok());
    assert_eq!(NormalPath::parse(&format!("/{}", "a".repeat(PATH_BYTES_MAX))), Err(PathRefused::TooLong));
}

fn raw_paths() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/",
        ".",
        "%2e",
        "%2E",
        "%25",
        "2e",
        "2f",
        "%2f",
        "%5c",
        "\\",
        ";",
        "%3b",
        "%20",
        " ",
        "%00",
        "%c0%ae",
        "%ef%bc%8e",
        "%u002e",
        "a",
        "v1",
        "%",
        "é",
        "%C3%A9",
        "+",
        "~",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// What a careless backend makes of it: escapes resolved where they can be, everything else left.
fn careless(path: &str) -> String {
    let mut decoded = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.filter(|_| *byte == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(escaped.unwrap_or(*byte));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn no_way_of_decoding_leaves_the_path(raw in raw_paths()) {
        if let Ok(path) = NormalPath::parse(&raw) {
            let mut decoded = raw.clone();
            for _ in 0..3 {
                decoded = careless(&decoded);
                let segments: Vec<&str> = decoded.split(['/', '\\']).map(|segment| segment.split(';').next().unwrap().trim()).collect();
                prop_assert!(!segments.iter().any(|segment| matches!(*segment, "." | "..")), "{} {}", raw, decoded);
                let (root, inner) = segments.split_first().unwrap();
                prop_assert!(root.is_empty() && !decoded.contains("//"));
                let slash_at_end = usize::from(raw == "/" || path.has_slash_at_end());
                prop_assert_eq!(inner.len(), path.segments().len() + slash_at_end);
            }
        }
    }

    #[test]
    fn the_normal_form_is_read_as_itself(raw in raw_paths()) {
        if let Ok(path) = NormalPath::parse(&raw) {
            prop_assert_eq!(NormalPath::parse(&path.to_string()), Ok(path));
        }
    }
}
