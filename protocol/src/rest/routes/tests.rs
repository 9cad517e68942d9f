//! Routes that compile, routes that do not, and what paths find.

use super::*;

const fn source<'a>(pattern: &'a str, tool: &'a str, resource: Option<&'a str>) -> RouteSource<'a> {
    RouteSource { pattern, tool, resource }
}

#[test]
fn paths_find_their_routes() {
    let routes = Routes::compile(&[
        source("POST /v1/refunds/{ledger}", "payments.refund", Some("{ledger}")),
        source("GET /v1/refunds/{ledger}", "payments.read", Some("ledger/{ledger}!")),
        source("GET /v1/refunds/all", "payments.all", None),
        source("GET /v1/{kind}/latest", "latest", Some("{kind}")),
        source("GET /v1/refunds/{a}/parts/{b}", "parts", Some("{b}/{a}")),
        source("GET /v1/refunds/all/pages/{n}", "pages", None),
        source("GET /folder/", "folder", None),
        source("GET /", "root", Some("all")),
        source("DELETE /a%20b/x:cancel", "cancel", None),
    ])
    .unwrap();
    type Found<'a> = Result<Option<(&'a str, Option<&'a str>, &'a [(&'a str, &'a str)])>, PathRefused>;
    let table: [(&str, &str, Found<'_>); 22] = [
        ("POST", "/v1/refunds/eur", Ok(Some(("payments.refund", Some("eur"), &[("ledger", "eur")])))),
        ("GET", "/v1/refunds/e%20r", Ok(Some(("payments.read", Some("ledger/e r!"), &[("ledger", "e r")])))),
        ("GET", "/v1/refunds/all", Ok(Some(("payments.all", None, &[])))),
        ("POST", "/v1/refunds/all", Ok(Some(("payments.refund", Some("all"), &[("ledger", "all")])))),
        (
            "GET",
            "/v1/refunds/latest",
            Ok(Some(("payments.read", Some("ledger/latest!"), &[("ledger", "latest")]))),
        ),
        ("GET", "/v1/other/latest", Ok(Some(("latest", Some("other"), &[("kind", "other")])))),
        ("GET", "/v1/refunds/all/parts/2", Ok(Some(("parts", Some("2/all"), &[("a", "all"), ("b", "2")])))),
        ("GET", "/v1/refunds/all/pages/2", Ok(Some(("pages", None, &[("n", "2")])))),
        ("GET", "/", Ok(Some(("root", Some("all"), &[])))),
        ("GET", "/folder/", Ok(Some(("folder", None, &[])))),
        ("DELETE", "/a%20b/x%3Acancel", Ok(Some(("cancel", None, &[])))),
        ("HEAD", "/v1/refunds/all", Ok(None)),
        ("GET", "/v1/refunds", Ok(None)),
        ("GET", "/v1/refunds/all/parts", Ok(None)),
        ("GET", "/v2/refunds/all", Ok(None)),
        ("GET", "/folder", Err(PathRefused::TrailingSlash)),
        ("GET", "/v1/refunds/all/", Err(PathRefused::TrailingSlash)),
        ("GET", "/nowhere/", Err(PathRefused::TrailingSlash)),
        ("GET", "/V1/refunds/all", Err(PathRefused::CaseVariant)),
        ("GET", "/v1/refunds/ALL", Err(PathRefused::CaseVariant)),
        ("POST", "/v1/Refunds/eur", Err(PathRefused::CaseVariant)),
        ("POST", "/v1/refund%C5%BF/eur", Err(PathRefused::CaseVariant)),
    ];
    for (method, raw, expected) in table {
        let path = NormalPath::parse(raw).unwrap();
        let found = routes.find(method, &path);
        let found = found.as_ref().map(|matched| {
            matched
                .as_ref()
                .map(|matched| (matched.tool, matched.resource.as_deref(), &matched.parameters[..]))
        });
        assert_eq!(found, expected.as_ref().map(|found| *found), "{method} {raw}");
    }
}

#[test]
fn each_bad_route_is_named() {
    let table = [
        (source("GET", "t", None), RouteFault::Shape),
        (source("GET v1", "t", None), RouteFault::Path(PathRefused::NotAbsolute)),
        (source("GET  /v1", "t", None), RouteFault::Path(PathRefused::NotAbsolute)),
        (source("get /v1", "t", None), RouteFault::Method),
        (source(" /v1", "t", None), RouteFault::Method),
        (source("GET /v1", "", None), RouteFault::Tool),
        (source("GET /v1//x", "t", None), RouteFault::Path(PathRefused::EmptySegment)),
        (source("GET /v1/../x", "t", None), RouteFault::Path(PathRefused::DotSegment)),
        (source("GET /v1/{}", "t", None), RouteFault::Parameter),
        (source("GET /v1/{a b}", "t", None), RouteFault::Parameter),
        (source("GET /v1/{a}.json", "t", None), RouteFault::PartOfSegment),
        (source("GET /v1/x{a}", "t", None), RouteFault::PartOfSegment),
        (source("GET /{a}/{a}", "t", None), RouteFault::ParameterTwice),
        (source("GET /{a}/{A}", "t", None), RouteFault::ParameterTwice),
        (source("GET /x/{a}", "t", Some("{b}")), RouteFault::Resource),
        (source("GET /x/{a}", "t", Some("{a")), RouteFault::Resource),
        (source("GET /x/{a}", "t", Some("a}")), RouteFault::Resource),
        (source("GET /x/{a}", "t", Some("")), RouteFault::Resource),
        (source("GET /taken/{other}/x", "t", None), RouteFault::SameShape("GET /taken/{name}/x".into())),
        (source("GET /taken/{other}/x/", "t", None), RouteFault::SameShape("GET /taken/{name}/x".into())),
        (source("GET /Taken/y", "t", None), RouteFault::CaseVariant),
    ];
    let mut sources = vec![source("GET /taken/{name}/x", "taken", None)];
    sources.extend(table.iter().map(|(source, _)| *source));
    let errors = Routes::compile(&sources).unwrap_err();
    let expected: Vec<_> = (1..)
        .zip(table)
        .map(|(position, (source, fault))| RouteError { route: source.pattern.to_owned(), position, fault })
        .collect();
    assert_eq!(errors, expected);
}

#[test]
fn routes_have_a_limit() {
    let patterns: Vec<String> = (0..=ROUTES_MAX).map(|n| format!("GET /r{n}/{{a}}")).collect();
    let sources: Vec<_> = patterns.iter().map(|pattern| source(pattern, "t", None)).collect();
    let (last, rest) = sources.split_last().unwrap();
    assert!(Routes::compile(rest).is_ok());
    let errors = Routes::compile(&sources).unwrap_err();
    let (route, position) = (last.pattern.to_owned(), ROUTES_MAX);
    assert_eq!(errors, [RouteError { route, position, fault: RouteFault::TooMany }]);
}

#[test]
fn a_second_source_adds_what_the_first_does_not_have() {
    let mut routes = Routes::compile(&[source("GET /orders/{id}", "own", None)]).unwrap();
    let second = [
        source("GET /orders/{order}", "left.out", Some("{order}")),
        source("PUT /orders/{order}", "added", None),
        source("GET /orders/{order}/", "left.out", None),
    ];
    assert_eq!(routes.fill(&second), Ok(vec![0, 2]));
    let found = |method| {
        let path = NormalPath::parse("/orders/1").unwrap();
        routes.find(method, &path).unwrap().map(|matched| matched.tool.to_owned())
    };
    assert_eq!((found("GET").as_deref(), found("PUT").as_deref()), (Some("own"), Some("added")));
    let errors =
        routes.clone().fill(&[source("GET /orders/{id}", "t", None), source("GET /Orders/x", "t", None)]);
    let error = RouteError { route: "GET /Orders/x".to_owned(), position: 1, fault: RouteFault::CaseVariant };
    assert_eq!(errors, Err(vec![error]));
}
