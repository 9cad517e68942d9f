//! Whole REST calls.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn routes() -> Routes {
    let source = |pattern, tool, resource| RouteSource { pattern, tool, resource };
    Routes::compile(&[
        source("POST /v1/refunds/{ledger}", "payments.refund", Some("{ledger}")),
        source("GET /v1/refunds", "payments.list", None),
    ])
    .unwrap()
}

struct Sent<'a> {
    method: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    content_type: &'a str,
    body: &'a str,
}

const REFUND: Sent<'_> = Sent {
    method: "POST",
    path: "/v1/refunds/eur",
    query: None,
    content_type: "application/json",
    body: "{}",
};

fn call_of<'r>(routes: &'r Routes, sent: &Sent<'_>) -> Result<RestCall<'r>, RestRefused> {
    let Sent { method, path, query, content_type, body } = *sent;
    let content_type = (!content_type.is_empty()).then_some(content_type.as_bytes());
    call(routes, &RestRequest { method, path, query, content_type, body: body.as_bytes() })
}

#[test]
fn a_call_has_its_route_and_all_arguments() {
    let routes = routes();
    let sent = Sent {
        query: Some("dry=1&note=a+b%2Bc%C3%A9&flag&&empty="),
        body: r#" {"amount": 1.50, "to":{"n":"\u0041"}} "#,
        content_type: "application/vnd.x+json; Charset=\"UTF-8\"",
        ..REFUND
    };
    let call = call_of(&routes, &sent).unwrap();
    assert_eq!(call.tool, "payments.refund");
    assert_eq!((call.resource.as_deref(), call.method.as_str()), (Some("eur"), "post"));
    assert_eq!(
        call.arguments,
        r#"{"ledger":"eur","dry":"1","note":"a b+cé","flag":"","empty":"","amount": 1.50, "to":{"n":"\u0041"}}"#
    );
    let unknown =
        call_of(&routes, &Sent { method: "PUT", path: "/v1/%41%20/eur", body: "", ..REFUND }).unwrap();
    let expected = RestCall {
        tool: "PUT /v1/A%20/eur".into(),
        resource: None,
        method: "put".to_owned(),
        arguments: "{}".to_owned(),
        body_is_unread: false,
    };
    assert_eq!(unknown, expected);
    // Most servers run for a HEAD what they run for a GET.
    let head = Sent { method: "HEAD", path: "/v1/refunds", body: "", ..REFUND };
    let head = call_of(&routes, &head).unwrap();
    assert_eq!((head.tool.as_ref(), head.method.as_str()), ("payments.list", "head"));
}

#[test]
fn only_a_json_object_gives_arguments() {
    let routes = routes();
    for (content_type, body, arguments) in [
        ("application/json", r#"{"a":1}"#, r#"{"ledger":"eur","a":1}"#),
        ("APPLICATION/JSON ;charset=utf-8", r#"{"a":1}"#, r#"{"ledger":"eur","a":1}"#),
        ("text/json", r#"{"a":1}"#, r#"{"ledger":"eur","a":1}"#),
        ("application/json", "", r#"{"ledger":"eur"}"#),
        ("application/json", "{ }", r#"{"ledger":"eur"}"#),
        ("application/json", r#"[{"a":1}]"#, r#"{"ledger":"eur"}"#),
        ("application/json", r#""{}""#, r#"{"ledger":"eur"}"#),
        // Many backends do not ask for the content type.
        ("text/plain", r#" {"a":1}"#, r#"{"ledger":"eur","a":1}"#),
        ("", r#"{"a":1}"#, r#"{"ledger":"eur","a":1}"#),
        ("application/x-www-form-urlencoded", r#"{"a":1}"#, r#"{"ledger":"eur","a":1}"#),
        ("application/x-www-form-urlencoded", "a=1&ledger=usd", r#"{"ledger":"eur"}"#),
    ] {
        let call = call_of(&routes, &Sent { content_type, body, ..REFUND }).unwrap();
        assert_eq!(call.arguments, arguments, "{content_type} {body}");
        let is_object = body.trim_start().starts_with('{');
        assert_eq!(call.body_is_unread, !body.is_empty() && !is_object, "{content_type} {body}");
    }
}

#[test]
fn each_ambiguous_call_is_refused_for_its_reason() {
    let routes = routes();
    let body = |body| Sent { body, ..REFUND };
    let query = |query| Sent { query: Some(query), body: r#"{"amount":1,"Total":2,"list[]":3}"#, ..REFUND };
    let typed = |content_type, body| Sent { content_type, body, ..REFUND };
    let many = "a&".repeat(QUERY_PARAMETERS_MAX + 1);
    let table = [
        (Sent { method: "post", ..REFUND }, RestRefused::Method),
        (Sent { method: "TRACE", ..REFUND }, RestRefused::Trace),
        (Sent { method: "GET", body: "GET /x HTTP/1.1\r\n\r\n", ..REFUND }, RestRefused::UnexpectedBody),
        (Sent { method: "HEAD", body: "{}", ..REFUND }, RestRefused::UnexpectedBody),
        (Sent { method: "OPTIONS", body: "a", ..REFUND }, RestRefused::UnexpectedBody),
        (Sent { method: "", ..REFUND }, RestRefused::Method),
        (Sent { path: "/v1/refunds/../x", ..REFUND }, RestRefused::Path(PathRefused::DotSegment)),
        (Sent { path: "/v1/refunds/eur/", ..REFUND }, RestRefused::Path(PathRefused::TrailingSlash)),
        (body(r#"{"ledger":"usd"}"#), RestRefused::TwiceNamed),
        (body(r#"{"Ledger":"usd"}"#), RestRefused::TwiceNamed),
        (body(r#"{"l\u0065dger":"usd"}"#), RestRefused::TwiceNamed),
        (body(r#"{"ledger[]":"usd"}"#), RestRefused::TwiceNamed),
        (body(r#"{"a":1,"a":2}"#), RestRefused::Body(Malformed::DuplicateKey)),
        (query("$serde_json::private::RawValue={}"), RestRefused::Body(Malformed::ReservedKey)),
        (body(r#"{"a":1"#), RestRefused::Body(Malformed::NotJson { at: 6 })),
        (body("a=1"), RestRefused::Body(Malformed::NotJson { at: 0 })),
        (body(" "), RestRefused::Body(Malformed::NotJson { at: 1 })),
        (body("{} {}"), RestRefused::Body(Malformed::TrailingBytes)),
        (body(r#"{"_method":"DELETE"}"#), RestRefused::MethodOverride),
        (query("ledger=usd"), RestRefused::TwiceNamed),
        (query("l%65dger=usd"), RestRefused::TwiceNamed),
        (query("LEDGER=usd"), RestRefused::TwiceNamed),
        (query("ledger[0]=usd"), RestRefused::TwiceNamed),
        (query("amount=2"), RestRefused::TwiceNamed),
        (query("amount[]=2"), RestRefused::TwiceNamed),
        (query("total=2"), RestRefused::TwiceNamed),
        (query("list=2"), RestRefused::TwiceNamed),
        (query("a=1&a=2"), RestRefused::TwiceNamed),
        (query("a=1&a"), RestRefused::TwiceNamed),
        (query("a[]=1&a[]=2"), RestRefused::TwiceNamed),
        (query("_METHOD=DELETE"), RestRefused::MethodOverride),
        (query("a=1;b=2"), RestRefused::Query),
        (query("=1"), RestRefused::Query),
        (query("a=%"), RestRefused::Query),
        (query("a=%ff"), RestRefused::Query),
        (query("a=%00"), RestRefused::Query),
        (query("a=é"), RestRefused::Query),
        (query("a b"), RestRefused::Query),
        (query(&many), RestRefused::QueryTooLong),
        (typed("application/json; charset=utf-16", "{}"), RestRefused::ContentType),
        (typed("application/json; charset = latin1", "{}"), RestRefused::ContentType),
        (typed("text/plain, application/json", "{}"), RestRefused::ContentType),
        (typed("text/plain; charset=utf-7", "x"), RestRefused::ContentType),
        (typed("text/plain", r#"{"a":1"#), RestRefused::Body(Malformed::NotJson { at: 6 })),
        (typed("text/plain", "\u{feff}{}"), RestRefused::Body(Malformed::ByteOrderMark)),
        (typed("text/plain", "\0{\0}"), RestRefused::Body(Malformed::NotJson { at: 0 })),
        (typed("application/x-www-form-urlencoded", "a=1&_method=DELETE"), RestRefused::MethodOverride),
        (typed("application/x-www-form-urlencoded", "%5Fmethod=DELETE"), RestRefused::MethodOverride),
    ];
    for (sent, refused) in table {
        let Sent { path, query, body, .. } = sent;
        assert_eq!(call_of(&routes, &sent), Err(refused), "{path} {query:?} {body}");
    }
}

#[test]
fn brackets_alone_are_names_like_others() {
    let routes = routes();
    let sent =
        Sent { method: "GET", path: "/v1/refunds", query: Some("f[a]=1&f[b]=2"), content_type: "", body: "" };
    assert_eq!(call_of(&routes, &sent).unwrap().arguments, r#"{"f[a]":"1","f[b]":"2"}"#);
}

proptest! {
    /// The arguments are strict JSON, and say what path, query and body say.
    #[test]
    fn arguments_say_what_was_sent(
        ledger in "[a-z]{1,8}",
        query in prop::collection::btree_map("[a-f]{1,3}", any::<String>(), 0..5),
        members in prop::collection::btree_map("[g-k]{1,3}", any::<String>(), 0..5),
    ) {
        let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        let sent_query: Vec<String> =
            query.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let sent_body = json!(members).to_string();
        let routes = routes();
        let sent = Sent {
            path: &format!("/v1/refunds/{ledger}"), query: Some(&sent_query.join("&")), body: &sent_body, ..REFUND
        };
        let outcome = call_of(&routes, &sent);
        if query.values().any(|value| value.contains('\0')) {
            prop_assert_eq!(outcome, Err(RestRefused::Query));
        } else {
            let mut expected = json!({"ledger": ledger});
            expected.as_object_mut().unwrap().extend(query.into_iter().chain(members).map(|(k, v)| (k, json!(v))));
            let arguments: serde_json::Value = serde_json::from_str(&outcome.unwrap().arguments).unwrap();
            prop_assert_eq!(arguments, expected);
        }
    }
}
