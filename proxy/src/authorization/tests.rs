use super::rewrite::{Address, challenge, resource};

fn address(origin: &str, path: &str) -> Address {
    Address { origin: origin.to_owned(), path: path.to_owned() }
}

#[test]
fn a_resource_is_rewritten_if_it_is_the_backends() {
    let theirs = address("http://tools:3901", "/v1/mcp");
    let ours = address("http://localhost:8080", "/files");
    for (named, expected) in [
        ("http://tools:3901/v1/mcp", "http://localhost:8080/files"),
        ("http://tools:3901/v1/mcp/", "http://localhost:8080/files/"),
        ("HTTP://Tools:3901/v1/mcp", "http://localhost:8080/files"),
        // What it is part of: only the origin is certain to be.
        ("http://tools:3901", "http://localhost:8080"),
        ("http://tools:3901/", "http://localhost:8080/"),
        ("http://tools:3901/v1", "http://localhost:8080"),
        // Anything else is for the client to see.
        ("http://tools:3901/v", "http://tools:3901/v"),
        ("http://tools:3901/v1/mcp/other", "http://tools:3901/v1/mcp/other"),
        ("http://tools:3901/V1/mcp", "http://tools:3901/V1/mcp"),
        ("http://tools:3901//", "http://tools:3901//"),
        ("http://tools:3901/v1/mcp?a=b", "http://tools:3901/v1/mcp?a=b"),
        ("http://tools:3901/v1/mcp#a", "http://tools:3901/v1/mcp#a"),
        ("http://tools:3901?a", "http://tools:3901?a"),
        ("https://tools:3901/v1/mcp", "https://tools:3901/v1/mcp"),
        ("http://tools/v1/mcp", "http://tools/v1/mcp"),
        ("http://tools:39010/v1/mcp", "http://tools:39010/v1/mcp"),
        ("http://tools:3901@evil.example/v1/mcp", "http://tools:3901@evil.example/v1/mcp"),
        ("http://user@tools:3901/v1/mcp", "http://user@tools:3901/v1/mcp"),
        ("https://evil.example.com/mcp", "https://evil.example.com/mcp"),
        ("", ""),
    ] {
        let document =
            format!("{{ \"a\": 1.0,\"resource\" : \"{named}\",\"scopes_supported\":[\"\\u00e4\"]}}");
        let expected = document.replacen(&format!("\"{named}\""), &format!("\"{expected}\""), 1);
        let changed = resource(document.as_bytes(), &theirs, &ours).unwrap();
        assert_eq!(changed.is_some(), expected != document, "{named}");
        assert_eq!(
            String::from_utf8(changed.unwrap_or_else(|| document.into())).unwrap(),
            expected,
            "{named}"
        );
    }
}

#[test]
fn the_root_is_an_address_too() {
    for (theirs, ours, named, expected) in [
        ("", "/files", "http://b", "http://p/files"),
        ("", "/files", "http://b:80/", "http://p/files/"),
        ("/mcp", "", "http://b/mcp", "http://p"),
        ("/mcp", "", "http://b", "http://p"),
    ] {
        let document = format!("{{\"resource\":\"{named}\"}}");
        let changed = resource(document.as_bytes(), &address("http://b", theirs), &address("http://p", ours));
        assert_eq!(changed.unwrap().unwrap(), format!("{{\"resource\":\"{expected}\"}}").as_bytes());
    }
}

#[test]
fn a_document_that_two_could_read_differently_is_refused() {
    let (theirs, ours) = (address("http://b", "/mcp"), address("http://p", "/mcp"));
    for (document, expected) in [
        (r#"{"resource":"http://b/mcp","resource":"http://b/mcp"}"#, Err("duplicate-key")),
        (r#"["http://b/mcp"]"#, Err("not-json")),
        (r#"{"resource":"http://b/mcp"} x"#, Err("trailing-bytes")),
        ("\u{feff}{}", Err("byte-order-mark")),
        ("<html>", Err("not-json")),
        ("{}", Ok(None)),
        (r#"{"resource":["http://b/mcp"]}"#, Ok(None)),
        (r#"{"a":{"resource":"http://b/mcp"}}"#, Ok(None)),
        (r#"{"resource":"http:\/\/b\/m\u0063p"}"#, Ok(Some(r#"{"resource":"http://p/mcp"}"#))),
    ] {
        let changed = resource(document.as_bytes(), &theirs, &ours);
        let changed = changed.map(|changed| changed.map(|bytes| String::from_utf8(bytes).unwrap()));
        assert_eq!(changed.as_ref().map(Option::as_deref).map_err(|why| why.name()), expected, "{document}");
    }
}

#[test]
fn a_challenge_names_our_metadata_in_place_of_the_backends() {
    const OURS: &str = "http://p:1/.well-known/oauth-protected-resource/files";
    let theirs = address("http://tools:3901", "/mcp");
    let path_form = "/.well-known/oauth-protected-resource/mcp";
    for (value, expected) in [
        (
            r#"Bearer resource_metadata="http://tools:3901/X""#,
            Some((r#"Bearer resource_metadata="OURS""#, "/X")),
        ),
        (
            r#"Bearer error="invalid_token", error_description="no, \"none\"", resource_metadata="http://tools:3901/.well-known/oauth-protected-resource/mcp", scope="a b""#,
            Some((
                r#"Bearer error="invalid_token", error_description="no, \"none\"", resource_metadata="OURS", scope="a b""#,
                path_form,
            )),
        ),
        ("DPoP Resource_Metadata=\"HTTP://TOOLS:3901/X\"", Some(("DPoP Resource_Metadata=\"OURS\"", "/X"))),
        (
            "Bearer resource_metadata=http://tools:3901/X,a=b",
            Some(("Bearer resource_metadata=OURS,a=b", "/X")),
        ),
        (
            "Bearer a=\"b\",resource_metadata=\"http://tools:3901\"",
            Some(("Bearer a=\"b\",resource_metadata=\"OURS\"", "/")),
        ),
        (
            r#"Basic realm="x", Bearer resource_metadata="http://tools:3901/X?a=b""#,
            Some((r#"Basic realm="x", Bearer resource_metadata="OURS""#, "/X?a=b")),
        ),
        // Elsewhere, or not what it looks like.
        (r#"Bearer resource_metadata="http://other:3901/X""#, None),
        (r#"Bearer resource_metadata="http://tools:3901@evil.example/X""#, None),
        (r#"Bearer resource_metadata="/X""#, None),
        (r#"Bearer x_resource_metadata="http://tools:3901/X""#, None),
        (r#"Bearer error_description="see resource_metadata=http://tools:3901/X ok""#, None),
        (r#"Bearer error_description="a\" resource_metadata=http://tools:3901/X ok""#, None),
        (r#"Bearer resource_metadata="http://tools:3901/\X""#, None),
        ("Bearer", None),
        ("", None),
    ] {
        let changed = challenge(value, &theirs, OURS);
        let changed = changed.as_ref().map(|changed| (changed.value.clone(), changed.announced.as_str()));
        let expected = expected.map(|(value, path)| (value.replace("OURS", OURS), path));
        assert_eq!(changed, expected, "{value}");
    }
}
