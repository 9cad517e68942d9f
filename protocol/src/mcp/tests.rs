//! Methods, eras, and headers against bodies.

use super::*;
use crate::message::{Message, Params};

#[test]
fn knows_what_is_published() {
    for (method, request, notification) in [
        ("tools/call", true, false),
        ("server/discover", true, false),
        ("tasks/update", true, false),
        ("tasks/result", true, false),
        ("skills/list", true, false),
        ("resources/templates/list", true, false),
        ("notifications/cancelled", false, true),
        ("notifications/initialized", false, true),
        // These go from the server to the client.
        ("sampling/createMessage", false, false),
        ("notifications/message", false, false),
        ("Tools/Call", false, false),
        ("tools/call ", false, false),
        ("", false, false),
    ] {
        assert_eq!(
            (is_published_request(method), is_published_notification(method)),
            (request, notification),
            "{method}"
        );
    }
}

#[test]
fn revisions_are_in_order_and_keep_their_names() {
    let names = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];
    let revisions = names.map(|name| Revision::parse(name).unwrap());
    assert!(revisions.is_sorted());
    assert_eq!(revisions.map(Revision::as_str), names);
    assert_eq!(revisions.map(Revision::era).iter().filter(|era| **era == Era::Legacy).count(), 4);
    assert_eq!(Revision::parse("2026-07-29"), None);
}

#[test]
fn the_era_follows_the_body_then_the_header() {
    let none: &[&str] = &[];
    let table = [
        (none, None, Ok(Era::Legacy)),
        (&["2025-11-25"], None, Ok(Era::Legacy)),
        (&["2026-07-28"], None, Ok(Era::Modern)),
        (&["2027-01-01"], None, Ok(Era::Modern)),
        (&["\u{e9}"], None, Ok(Era::Modern)),
        (none, Some("2026-07-28"), Ok(Era::Modern)),
        (none, Some("2025-11-25"), Ok(Era::Modern)),
        (&["2026-07-28"], Some("2026-07-28"), Ok(Era::Modern)),
        (&["2025-11-25"], Some("2026-07-28"), Err(HeaderMismatch::Version)),
        (&["2026-07-28", "2026-07-28"], None, Ok(Era::Modern)),
        (&["2026-07-28", "2025-11-25"], None, Err(HeaderMismatch::Version)),
        (&["2026-07-28", "2025-11-25"], Some("2026-07-28"), Err(HeaderMismatch::Version)),
    ];
    for (headers, version, era) in table {
        let params = Params { protocol_version: version.map(Into::into), ..Params::default() };
        assert_eq!(
            Era::of(headers.iter().map(|header| header.as_bytes()), &params),
            era,
            "{headers:?} {version:?}"
        );
    }
}

#[test]
fn headers_must_say_what_the_body_says() {
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"p\u00e4y"}}"#;
    let plain = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay"}}"#;
    let read =
        r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:///x","name":"other"}}"#;
    let task = r#"{"jsonrpc":"2.0","id":1,"method":"tasks/update","params":{"taskId":"t"}}"#;
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let prompt = r#"{"jsonrpc":"2.0","id":1,"method":"prompts/get"}"#;
    let response = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    let sentinel = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"=?base64?cGF5?="}}"#;
    let (method, name) = (Err(HeaderMismatch::Method), Err(HeaderMismatch::Name));
    let table: [(&str, &[&str], &[&str], _); 25] = [
        (plain, &[], &[], Ok(())),
        (plain, &["tools/call"], &["pay"], Ok(())),
        (plain, &["Tools/Call"], &[], method),
        (plain, &["tools/list"], &[], method),
        (plain, &["tools/call", "ping"], &[], method),
        (plain, &[], &["pay", "pay"], Ok(())),
        (plain, &[], &["pay", "read"], name),
        (plain, &[], &["Pay"], name),
        (plain, &[], &[""], name),
        (plain, &[], &["=?base64?cGF5?="], Ok(())),
        (plain, &["=?base64?dG9vbHMvY2FsbA==?="], &[], Ok(())),
        (plain, &[], &["=?BASE64?cGF5?="], name),
        (plain, &[], &["=?base64?cGF5"], name),
        (plain, &[], &["=?base64?cG F5?="], name),
        (plain, &[], &["=?base64??="], name),
        (plain, &[], &["=?base64?="], name),
        (call, &[], &["=?base64?cMOkeQ==?="], Ok(())),
        (call, &[], &["=?base64?cMOkeQ?="], name), // without its padding
        (call, &[], &["p\u{e4}y"], name),          // not ASCII, so it had to be encoded
        (read, &["resources/read"], &["file:///x"], Ok(())),
        (read, &[], &["other"], name),
        (task, &[], &["t"], Ok(())),
        (list, &["tools/list"], &["pay"], Ok(())),
        (prompt, &[], &["p"], name),
        (response, &["tools/call"], &[], method),
    ];
    for (body, methods, names, expected) in table {
        let message = Message::read(body.as_bytes()).unwrap();
        let (methods, names) = (methods.iter().map(|h| h.as_bytes()), names.iter().map(|h| h.as_bytes()));
        assert_eq!(check_headers(methods, names, &message), expected, "{body}");
    }
    // A name that looks encoded must come encoded: what the mark hides is what counts.
    let message = Message::read(sentinel.as_bytes()).unwrap();
    assert_eq!(check_headers(None, Some(&b"=?base64?cGF5?="[..]), &message), name);
    assert_eq!(check_headers(None, Some(&b"=?base64?PT9iYXNlNjQ/Y0dGNT89?="[..]), &message), Ok(()));
}

#[test]
fn a_query_may_not_name_a_method() {
    for (query, expected) in [
        ("", false),
        ("sessionId=7&x=method", false),
        ("methods=1&a=b", false),
        ("jsonrpc=2.0&id=1&method=tools/call", true),
        ("a=b;Method=x", true),
        ("m%65thod=x", true),
        ("%ff=1&method", true),
        ("_METHOD=POST", true),
        ("X-HTTP-Method-Override=POST", true),
    ] {
        assert_eq!(has_method_in_query(query), expected, "{query}");
    }
}
