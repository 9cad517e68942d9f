//! Routes from an OpenAPI file: what it says is decided, what it says wrongly keeps the proxy from starting.

use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Backend, Gate, GateOptions, oakgate};

const POLICY: &str = "
format: 1
org: acme
tools:
  - {name: payments.refund, default: allowed}
  - {name: readOrder, default: allowed}
  - {name: stream.own, default: disabled}
  - {name: 'DELETE /v1/orders/{id}', default: disabled}
rules:
  - {id: eu, tool: payments.refund, resource: eu, permission: disabled, reason: the EU ledger is closed}
";

const API: &str = "
openapi: 3.1.0
info: {title: Payments, version: '1'}
paths:
  /v1/refunds/{ledger}:
    post: {operationId: createRefund, x-oakgate-tool: payments.refund, x-oakgate-resource: '{ledger}'}
  /v1/orders/{id}:
    get: {operationId: readOrder}
    delete: {}
  /stream:
    get: {operationId: stream}
";

/// Settings with a REST backend whose routes are in `payments.openapi.yaml`, and one of its own.
fn folder(url: &str, api: &str) -> TempDir {
    let backends = format!(
        "- name: payments\n  kind: rest\n  path: /api\n  url: '{url}'\n  openapi_file: payments.openapi.yaml\n  \
         routes: [{{match: 'GET /stream', tool: stream.own}}]\n"
    );
    let folder = Gate::folder(&GateOptions { backends, policy: POLICY, ..GateOptions::default() });
    std::fs::write(folder.path().join("payments.openapi.yaml"), api).unwrap();
    folder
}

#[test]
fn calls_are_decided_as_the_file_says() {
    // The backend needs the key that the gate signs with, and the settings need its address.
    let keys = folder("http://127.0.0.1:9", API);
    let backend = Backend::rest(&keys.path().join("receipts.jwks"), "payments");
    let folder = folder(&backend.url, API);
    std::fs::copy(keys.path().join("receipts.jwks"), folder.path().join("receipts.jwks")).unwrap();
    let gate = Gate::start_in(folder, false);
    let typed = [("content-type", "application/json")];
    let refund =
        |ledger| gate.send("POST", &format!("/api/v1/refunds/{ledger}"), &typed, br#"{"amount": 5}"#);
    assert_eq!(refund("us").status, 201);
    let eu = refund("eu");
    assert_eq!((eu.status, &eu.json()["rule"]), (403, &json!("eu")));
    assert_eq!(gate.send("GET", "/api/v1/orders/1001", &[], b"").status, 200);
    for (method, path) in [("DELETE", "/api/v1/orders/1001"), ("GET", "/api/stream")] {
        let answer = gate.send(method, path, &[], b"");
        assert_eq!(
            (answer.status, &answer.json()["permission"]),
            (403, &json!("disabled")),
            "{method} {path}"
        );
    }
    // What the file does not have, nobody has accepted.
    let unknown = gate.send("PUT", "/api/v1/orders/1001", &typed, b"{}");
    assert_eq!((unknown.status, &unknown.json()["permission"]), (503, &json!("requires_approval")));
    assert_eq!(gate.send("GET", "/api/v1/orders/1001/", &[], b"").json()["code"], "path-trailing-slash");
    let claims: Vec<_> = backend.log().iter().map(|call| call["claims"].clone()).collect();
    assert_eq!(claims.len(), 2, "{claims:?}");
    assert_eq!((&claims[0]["tool"], &claims[0]["resource"]), (&json!("payments.refund"), &json!("us")));
    assert_eq!((&claims[1]["tool"], &claims[1]["resource"]), (&json!("readOrder"), &json!(null)));
}

#[test]
fn the_routes_can_be_looked_at() {
    let folder = folder("http://127.0.0.1:9", API);
    let settings = folder.path().join("oakgate.yaml");
    let (status, output, errors) = oakgate(&["config", "routes", settings.to_str().unwrap()], "");
    assert_eq!(status, 0, "{errors}");
    let words: Vec<Vec<&str>> = output.lines().map(|line| line.split_whitespace().collect()).collect();
    let file = folder.path().join("payments.openapi.yaml");
    let file = file.to_str().unwrap();
    let expected = [
        vec!["payments,", "at", "/api"],
        vec!["METHOD", "PATH", "TOOL", "RESOURCE", "FROM"],
        vec!["GET", "/stream", "stream.own", "-", "settings"],
        vec!["DELETE", "/v1/orders/{id}", "DELETE", "/v1/orders/{id}", "-", file],
        vec!["GET", "/v1/orders/{id}", "readOrder", "-", file],
        vec!["POST", "/v1/refunds/{ledger}", "payments.refund", "{ledger}", file],
    ];
    assert_eq!(words, expected);
}

#[test]
fn a_file_with_mistakes_keeps_it_from_starting() {
    let bad = API
        .replace("/stream:", "/report.{format}:")
        .replace("readOrder", "createRefund")
        .replace("delete:", "DELETE:");
    for (api, mistakes) in [
        (
            &*bad,
            &[
                "/paths/~1v1~1orders~1{id}/DELETE (line 9): unknown key `DELETE`",
                "/paths/~1v1~1orders~1{id}/get (line 8): `createRefund` is the operationId of",
                "/paths/~1report.{format}/get (line 11): route `GET /report.{format}`: a parameter must be a whole",
            ][..],
        ),
        ("swagger: '2.0'\n", &["/swagger (line 1): `swagger` is OpenAPI 2.0"]),
        (
            &API.replace("/stream", "/Stream"),
            &["route `GET /Stream`: a segment differs from another route's"],
        ),
    ] {
        let folder = folder("http://127.0.0.1:9", api);
        let settings = folder.path().join("oakgate.yaml");
        for command in [&["proxy", "--config"][..], &["config", "check"], &["config", "routes"]] {
            let (status, _, errors) = oakgate(&[command, &[settings.to_str().unwrap()]].concat(), "");
            assert_eq!(status, 64, "{errors}");
            assert_eq!(errors.lines().count(), mistakes.len(), "{errors}");
            for mistake in mistakes {
                assert!(errors.contains(mistake), "{mistake}\n{errors}");
                assert!(errors.contains("proxy.backends[0].openapi_file: "), "{errors}");
            }
        }
        std::fs::remove_file(folder.path().join("payments.openapi.yaml")).unwrap();
        let (status, _, errors) = oakgate(&["config", "check", settings.to_str().unwrap()], "");
        assert_eq!(status, 64);
        assert!(errors.contains("payments.openapi.yaml: can't be read: "), "{errors}");
    }
}
