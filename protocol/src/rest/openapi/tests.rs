//! Files that are read, files that are refused, and files that take long.

use std::time::{Duration, Instant};

use super::*;
use crate::rest::path::PATH_BYTES_MAX;

const SHOP: &str = r##"
openapi: 3.1.0
info: {title: Shop, version: '1'}
servers: [{url: 'https://shop.example/v9'}]
x-generator: somebody
paths:
  /v1/refunds/{ledger}:
    summary: Refunds
    parameters: [{name: ledger, in: path, required: true, schema: {type: string}}]
    post:
      operationId: createRefund
      x-oakgate-tool: payments.refund
      x-oakgate-resource: "ledger/{ledger}"
      responses: {200: {description: Done}, 200: {description: Twice, where nobody looks}}
    get: {operationId: listRefunds, servers: [{url: /other}], x-other: &other [1]}
  /v1/orders: {$ref: '#/components/pathItems/orders', summary: Orders}
  /v1/search:
    query: {tags: *other}
    additionalOperations: {COPY: {operationId: search.copy}}
  x-note: none
webhooks:
  paid: {post: {operationId: paid}}
components:
  schemas: {Order: {type: object}}
  pathItems:
    orders: {get: {}, delete: {operationId: "orders.delete"}}
"##;

fn operation(pattern: &str, tool: &str, resource: Option<&str>) -> Operation {
    let owned = str::to_owned;
    Operation { pattern: owned(pattern), tool: owned(tool), resource: resource.map(owned) }
}

#[test]
fn every_operation_is_a_route() {
    let expected = [
        operation("POST /v1/refunds/{ledger}", "payments.refund", Some("ledger/{ledger}")),
        operation("GET /v1/refunds/{ledger}", "listRefunds", None),
        operation("GET /v1/orders", "GET /v1/orders", None),
        operation("DELETE /v1/orders", "orders.delete", None),
        operation("QUERY /v1/search", "QUERY /v1/search", None),
        operation("COPY /v1/search", "search.copy", None),
    ];
    assert_eq!(read(SHOP).unwrap(), expected);
    let json =
        r#"{"openapi":"3.0.3","paths":{"\/a":{"get":{"operationId":"caf\u00e9"},"x-\ud83d\ude00":1}}}"#;
    assert_eq!(read(json).unwrap(), [operation("GET /a", "café", None)]);
    for version in ["3.0.0", "3.0.4", "'3.1'", "3.1.1", "3.2.0", "'3.2'"] {
        assert!(read(&format!("{{openapi: {version}, paths: {{/: {{get: {{}}}}}}}}")).is_ok(), "{version}");
    }
}

fn refused(text: &str) -> Vec<String> {
    read(text).unwrap_err().iter().map(ToString::to_string).collect()
}

/// What stands under `paths`, on line 3, and a mistake in it.
const MISTAKES: &[(&str, &str)] = &[
    ("{}", "/ (line 1): there is no operation under `paths`"),
    ("orders: {get: {}}", "/paths/orders (line 3): a path starts with a slash"),
    ("/a?b=1: {get: {}}", "/paths/~1a?b=1 (line 3): a path has no query and no fragment; parameters belong"),
    ("'/a#b': {get: {}}", "/paths/~1a#b (line 3): a path has no query and no fragment"),
    (
        "/report.{format}: {get: {}}",
        "/paths/~1report.{format}/get (line 3): route `GET /report.{format}`: a parameter must be a whole segment",
    ),
    (
        "/a//b: {get: {}}",
        "/paths/~1a~1~1b/get (line 3): route `GET /a//b`: the path is refused: an empty segment",
    ),
    ("/{a.b}: {get: {}}", "/paths/~1{a.b}/get (line 3): route `GET /{a.b}`: a parameter's name must be"),
    (
        "{'/a/{x}': {get: {}}, '/a/{y}': {get: {}}}",
        "/paths/~1a~1{y}/get (line 3): route `GET /a/{y}`: `GET /a/{x}` has the same",
    ),
    ("{/a: {get: {}}, /a/: {get: {}}}", "/paths/~1a~1/get (line 3): route `GET /a/`: `GET /a` has the same"),
    ("{/a: {get: {}}, /A: {get: {}}}", "/paths/~1A/get (line 3): route `GET /A`: a segment differs"),
    ("{/a: {get: {}}, /a: {put: {}}}", "/paths (line 3): duplicate key `/a`"),
    ("/a: {get: {}, \"get\": {}}", "/paths/~1a (line 3): duplicate key `get`"),
    ("/a: {get: {operationId: a, operationId: b}}", "/paths/~1a/get (line 3): duplicate key `operationId`"),
    (
        "/a: {get: {operationId: x}, put: {operationId: x}}",
        "/paths/~1a/put (line 3): `x` is the operationId of `/paths/~1a/get` too",
    ),
    ("/a: {GET: {}}", "/paths/~1a/GET (line 3): unknown key `GET`; methods are written in small letters"),
    ("/a: {fetch: {}}", "/paths/~1a/fetch (line 3): unknown key `fetch`"),
    (
        "/a: {additionalOperations: {copy: {}}}",
        "/paths/~1a/additionalOperations/copy (line 3): route `copy /a`: the method must be",
    ),
    (
        "/a: {get: {}, additionalOperations: {GET: {}}}",
        "/paths/~1a/additionalOperations/GET (line 3): route `GET /a`: `GET /a` has the same",
    ),
    ("/a: {x-oakgate-tool: t, get: {}}", "/paths/~1a/x-oakgate-tool (line 3): unknown key `x-oakgate-tool`"),
    ("/a: {get: {x-oakgate-tols: t}}", "/paths/~1a/get/x-oakgate-tols (line 3): unknown key"),
    (
        "/a: {get: {x-oakgate-resource: '{b}'}}",
        "/paths/~1a/get (line 3): route `GET /a`: the resource must be",
    ),
    ("/a: {get: {operationId: 7}}", "/paths/~1a/get/operationId (line 3): must be text; quote it"),
    ("/a: {get: {operationId: null}}", "/paths/~1a/get/operationId (line 3): must be text; quote it"),
    ("/a: {get: {operationId: [x, [y]]}}", "/paths/~1a/get/operationId (line 3): must be text; quote it"),
    ("/a: {get: {operationId: ''}}", "/paths/~1a/get/operationId (line 3): a tool's name has"),
    ("/a: {get: {operationId: \"a\\e[2J\"}}", "/paths/~1a/get/operationId (line 3): a tool's name has"),
    (
        "/a: {get: {operationId: !!str x}}",
        "/paths/~1a/get/operationId (line 3): a YAML tag has no meaning here",
    ),
    ("{x-a: &a {get: {}}, /a: *a}", "/paths/~1a (line 3): an alias is not followed here"),
    ("{x-a: &a get, /a: {*a : {}}}", "/paths/~1a (line 3): an alias is not followed here"),
    ("/a: {get: [x]}", "/paths/~1a/get (line 3): must be a mapping"),
    ("/a: {get: }", "/paths/~1a/get (line 3): must be a mapping"),
    ("/a: {get: !!map {}}", "/paths/~1a/get (line 3): a YAML tag has no meaning here"),
    ("/a: {get: {$ref: '#/x'}}", "/paths/~1a/get/$ref (line 3): an operation can't be a `$ref`"),
    ("/a: {$ref: 'a.yaml'}", "/paths/~1a/$ref (line 3): `a.yaml` is in another file"),
    ("/a: {$ref: '#/paths/~1b'}", "/paths/~1a/$ref (line 3): there is no path item `#/paths/~1b`"),
    ("/a: {$ref: '#/components/pathItems/b'}", "/paths/~1a/$ref (line 3): there is no path item"),
    (
        "/a: {$ref: '#/components/pathItems/b', get: {}}",
        "/paths/~1a/$ref (line 3): a path item with `$ref` can't have",
    ),
    ("{7: {}, /a: {get: {}}}", "/paths (line 3): a key must be text; quote it"),
    ("{? [x] : {}, /a: {get: {}}}", "/paths (line 3): a key must be text; quote it"),
    ("/a: {get: {}}\n---\nopenapi: 3.1.0", "/ (line 4): a second document begins here"),
    ("/a: {get: {", "/ (line 3): neither YAML nor JSON: "),
    ("/a: {<<: {get: {}}}", "/paths/~1a (line 3): `<<` is not followed here"),
    ("/a: {get: {<<: {operationId: a}}}", "/paths/~1a/get (line 3): `<<` is not followed here"),
];

#[test]
fn each_mistake_is_named_with_its_place() {
    for (paths, mistake) in MISTAKES {
        let mistakes = refused(&format!("openapi: 3.1.0\npaths:\n  {paths}\n"));
        assert!(mistakes.iter().any(|found| found.starts_with(mistake)), "{paths}\n{mistake}\n{mistakes:#?}");
        assert!(mistakes.iter().all(|found| !found.contains('\n')), "{mistakes:#?}");
    }
}

#[test]
fn a_file_that_is_no_such_file_is_refused() {
    let good = "paths: {/a: {get: {}}}";
    for (text, mistake) in [
        ("swagger: '2.0'\npaths: {/a: {GET: {}}}".to_owned(), "/swagger (line 1): `swagger` is OpenAPI 2.0"),
        (good.to_owned(), "/ (line 1): `openapi`, the version, is missing"),
        (format!("{{openapi: 3.1, {good}}}"), "/openapi (line 1): must be text; quote it"),
        (format!("{{openapi: 3.3.0, {good}}}"), "/openapi (line 1): unknown version `3.3.0`"),
        (format!("{{openapi: 3.1.0.1, {good}}}"), "/openapi (line 1): unknown version `3.1.0.1`"),
        (format!("{{openapi: 3.1.0, x-oakgate-base: /v1, {good}}}"), "/x-oakgate-base (line 1): unknown key"),
        (String::new(), "/ (line 1): must be a mapping"),
        ("[]".to_owned(), "/ (line 1): must be a mapping"),
        ("x".repeat(FILE_BYTES_MAX + 1), "/ (line 1): larger than 16777216 bytes"),
        (
            format!("{{openapi: 3.1.0, paths: {{? /{} : {{}}}}}}", "a".repeat(PATH_BYTES_MAX)),
            "/paths (line 1): a key has at most 8192 bytes",
        ),
    ] {
        let mistakes = refused(&text);
        assert!(mistakes.iter().any(|found| found.starts_with(mistake)), "{mistake}\n{mistakes:#?}");
    }
}

#[test]
fn mistakes_come_all_at_once_up_to_a_limit() {
    let mistakes = refused("openapi: 4\npaths: {a: {Get: {}}, /b: {get: {operationId: 1}, put: {$ref: x}}}");
    assert_eq!(mistakes.len(), 5, "{mistakes:#?}");
    // A path that is none is no route on top of that.
    let mistakes = refused("openapi: 3.1.0\npaths: {/q?x=1: {get: {}}, t: {get: {}}}");
    assert_eq!(mistakes.len(), 2, "{mistakes:#?}");
    let many: String = (0..1000).map(|n| format!("a{n}: {{}}, ")).collect();
    let mistakes = refused(&format!("openapi: 3.0.0\npaths: {{{many}}}"));
    assert_eq!(mistakes.len(), 101);
    assert!(mistakes[100].ends_with("too many mistakes; the rest are not listed"));
    let hidden = refused("{openapi: 3.0.0, paths: {/a: {\"\\x1b[2J\\u202e\": {}}}}");
    assert!(hidden[0].contains("unknown key `\\u{1b}[2J\\u{202e}`"), "{hidden:?}");
}

#[test]
fn a_reference_leads_one_step_and_gives_its_operations_to_each_path() {
    let text = |items: &str| {
        format!(
            "openapi: 3.1.0\npaths: {{/a: {{$ref: '#/components/pathItems/a'}}, /b: {{$ref: '#/components/pathItems/a'}}}}\n\
             components: {{pathItems: {items}}}"
        )
    };
    let operations = read(&text("{a: {get: {x-oakgate-tool: t}}}")).unwrap();
    assert_eq!(operations, [operation("GET /a", "t", None), operation("GET /b", "t", None)]);
    let mistakes = refused(&text("{a: {$ref: '#/components/pathItems/b'}, b: {get: {}}}"));
    assert!(mistakes[0].ends_with("`$ref` leads to another `$ref`; only one is followed"), "{mistakes:?}");
    let mistakes = refused(&text("{a: {get: {operationId: t}}}"));
    assert!(mistakes[0].contains("`t` is the operationId of"), "{mistakes:?}");
}

#[test]
fn the_number_of_operations_has_a_limit() {
    let file = |operations: usize| {
        let paths: String = (0..operations).map(|n| format!("/p{n}: {{get: {{}}}}\n  ")).collect();
        format!("openapi: 3.1.0\npaths:\n  {paths}")
    };
    assert_eq!(read(&file(ROUTES_MAX)).unwrap().len(), ROUTES_MAX);
    let mistakes = refused(&file(ROUTES_MAX + 1));
    assert_eq!(mistakes, ["/paths/~1p10000/get (line 10003): there are more than 10000 operations"]);
}

/// Each would take far longer if any step looked at everything again for each of its parts.
#[test]
fn the_time_grows_with_the_size_alone() {
    let head = "{openapi: 3.1.0, paths: {";
    let long = "k".repeat(8000);
    let methods: String = (0..20_000).map(|n| format!("M{n}: {{}}, ")).collect();
    let references: String =
        (0..9_000).map(|n| format!("/{n}: {{$ref: '#/components/pathItems/a'}}, ")).collect();
    for text in [
        format!("{head}{}}}}}", (0..20_000).map(|n| format!("/{n}: {{put: {{}}}}, ")).collect::<String>()),
        format!("{head}/a: {{additionalOperations: {{{methods}}}}}}}}}"),
        format!("{head}/{long}: {{additionalOperations: {{{methods}}}}}}}}}"),
        format!("{head}/{long}: {{{methods}}}}}}}"),
        format!("{head}{references}}}, components: {{pathItems: {{a: {{x-a: [], {methods}}}}}}}}}"),
        format!("{head}/a: &a {{}}, {}}}}}", (0..20_000).map(|n| format!("/{n}: *a, ")).collect::<String>()),
        format!("{head}/a: {}", "{get: ".repeat(20_000)),
        format!("{head}/a: {}", "[".repeat(20_000)),
        "- ".repeat(20_000),
        "? ".repeat(20_000),
    ] {
        let since = Instant::now();
        assert!(read(&text).is_err());
        assert!(
            since.elapsed() < Duration::from_secs(10),
            "{}: {:?}",
            text.chars().take(60).collect::<String>(),
            since.elapsed()
        );
    }
}
