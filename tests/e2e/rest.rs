//! REST: routes become tools, receipts are demanded by a backend that verifies them with a JOSE library of its own.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Answer, Backend, Connection, Gate, GateOptions, KEY, oakgate, request};

const POLICY: &str = "
format: 1
org: acme
tools:
  - {name: payments.refund, default: allowed}
  - {name: orders.read, default: allowed}
  - {name: orders.stream, default: allowed}
  - {name: orders.delete, default: disabled}
rules:
  - {id: eu, tool: payments.refund, resource: eu, permission: disabled, reason: the EU ledger is closed}
  - id: large
    tool: payments.refund
    permission: disabled
    when: args.amount > 100
";

struct Shop {
    backend: Backend,
    gate: Gate,
}

impl Shop {
    fn open() -> Self {
        // The backend needs the key that the gate signs with: its folder is made first.
        let folder = Gate::folder(&GateOptions { policy: POLICY, ..GateOptions::default() });
        let backend = Backend::rest(&folder.path().join("receipts.jwks"), "payments");
        let backends = format!(
            "    - name: payments
      kind: rest
      path: /api/payments
      url: '{}'
      routes:
        - {{match: 'POST /v1/refunds/{{ledger}}', tool: payments.refund, resource: '{{ledger}}'}}
        - {{match: 'GET /v1/orders/{{id}}', tool: orders.read}}
        - {{match: 'DELETE /v1/orders/{{id}}', tool: orders.delete}}
        - {{match: 'GET /stream', tool: orders.stream}}
",
            backend.url
        );
        let file = folder.path().join("oakgate.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("  backends:\n", &format!("  backends:\n{backends}"))).unwrap();
        Self { backend, gate: Gate::start_in(folder, false) }
    }

    fn refund(&self, ledger: &str, body: &str) -> Answer {
        let path = format!("/api/payments/v1/refunds/{ledger}");
        self.gate.send("POST", &path, &[("content-type", "application/json")], body.as_bytes())
    }
}

#[test]
fn a_backend_that_demands_receipts_gets_them() {
    let shop = Shop::open();
    for _ in 0..3 {
        let answer = shop.refund("us", r#"{"amount": 5}"#);
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    let log = shop.backend.log();
    let claims = &log[0]["claims"];
    for (claim, expected) in [
        ("use", json!("stamp")),
        ("iss", json!("gate-1")),
        ("aud", json!("payments")),
        ("sub", json!("agent-1")),
        ("org", json!("acme")),
        ("resource", json!("us")),
        ("tool", json!("payments.refund")),
        ("method", json!("post")),
        ("verdict", json!("allowed")),
        ("level", json!("tool-default")),
    ] {
        assert_eq!(claims[claim], expected, "{claim}: {claims}");
    }
    assert_ne!(claims["jti"], log[1]["claims"]["jti"]);
    // Without the gate, or with a receipt of one's own making, nothing happens.
    let address = shop.backend.url.strip_prefix("http://").unwrap();
    assert_eq!(request(address, "POST", "/v1/refunds/us", &[], b"{}").status, 401);
    let receipt = log[0]["headers"]["oakgate-receipt"].as_str().unwrap();
    let replayed = [("oakgate-receipt", receipt), ("content-type", "application/json")];
    assert_eq!(
        request(address, "POST", "/v1/refunds/us", &replayed, br#"{"amount": 5}"#).json()["reason"],
        "replayed"
    );
    let answer = shop.gate.send("GET", "/api/payments/v1/orders/1001", &[("oakgate-receipt", "forged")], b"");
    assert_eq!(answer.status, 200, "a receipt that a caller sends is not passed on: {}", answer.text());
}

#[test]
fn the_receipt_verifies_by_hand_too() {
    let shop = Shop::open();
    assert_eq!(shop.refund("us", r#"{"amount": 5}"#).status, 201);
    let log = shop.backend.log();
    let receipt = log[0]["headers"]["oakgate-receipt"].as_str().unwrap();
    let body = shop.gate.path("body");
    std::fs::write(&body, r#"{"amount": 5}"#).unwrap();
    let keys = shop.gate.path("receipts.jwks");
    let verify = |extra: &[&str]| {
        let mut arguments = vec!["receipt", "verify", "--keys", keys.to_str().unwrap()];
        arguments.extend_from_slice(extra);
        oakgate(&arguments, &format!("{receipt}\n"))
    };
    let body = body.to_str().unwrap();
    let (status, output, _) = verify(&["--audience", "payments", "--body", body, "--use", "stamp"]);
    assert_eq!(status, 0, "{output}");
    assert!(output.contains(r#""tool":"payments.refund""#), "{output}");
    for (extra, reason) in [
        (["--audience", "files"], "wrong-audience"),
        (["--body", keys.to_str().unwrap()], "wrong-call"),
        (["--use", "grant"], "not-a-grant"),
    ] {
        assert_eq!(verify(&extra).0, 1);
        assert_eq!(verify(&extra).1.trim(), reason);
    }
}

#[test]
fn refusals_are_problem_documents() {
    let shop = Shop::open();
    let eu = shop.refund("eu", r#"{"amount": 5}"#);
    assert_eq!((eu.status, eu.header("content-type")), (403, Some("application/problem+json")));
    let problem = eu.json();
    assert_eq!((&problem["code"], &problem["rule"]), (&json!("denied"), &json!("eu")));
    assert!(problem["detail"].as_str().unwrap().contains("the EU ledger is closed"), "{problem}");
    assert_eq!(eu.header("oakgate-call"), problem["call"].as_str());
    assert_eq!(shop.refund("us", r#"{"amount": 500}"#).json()["rule"], "large");
    // JSON is read as JSON whatever it is called: many backends do.
    let path = "/api/payments/v1/refunds/us";
    let plain = shop.gate.send("POST", path, &[("content-type", "text/plain")], br#"{"amount": 500}"#);
    assert_eq!(plain.json()["rule"], "large");
    // A condition that fails never loosens: 5.00 as text can't be compared, so the strict rule decides.
    let faulty = shop.refund("us", r#"{"amount": "5"}"#);
    assert_eq!((faulty.status, &faulty.json()["rule"]), (403, &json!("large")));
    assert_eq!(shop.gate.metric("oakgate_condition_faults_total{rule=\"large\"}"), 1.0);
    assert_eq!(shop.gate.send("DELETE", "/api/payments/v1/orders/1001", &[], b"").status, 403);
    let unknown = shop.gate.send("GET", "/api/payments/v1/unknown", &[], b"");
    assert_eq!((unknown.status, &unknown.json()["permission"]), (503, &json!("requires_approval")));
    assert_eq!(shop.backend.log(), Vec::<serde_json::Value>::new());
}

#[test]
fn what_is_ambiguous_is_refused() {
    let shop = Shop::open();
    let json = [("content-type", "application/json")];
    for (method, path, headers, body, reason) in [
        ("GET", "/v1/orders/..%2F1001", &[][..], "", "path-encoded-slash"),
        ("GET", "/v1/x/../orders/1001", &[], "", "path-dot-segment"),
        ("GET", "/v1//orders/1001", &[], "", "path-empty-segment"),
        ("GET", "/v1/orders/%zz", &[], "", "path-escape"),
        ("POST", "/v1/refunds/us?amount=1", &json, r#"{"amount": 5}"#, "argument-twice"),
        ("POST", "/v1/refunds/us", &json, r#"{"amount": 5, "amount": 500}"#, "duplicate-key"),
        ("POST", "/v1/refunds/us", &json, r#"{"amount": 5"#, "not-json"),
        ("POST", "/v1/refunds/us", &[("x-http-method-override", "DELETE")], "", "override-header"),
        ("POST", "/v1/refunds/us", &[("X_HTTP_Method_Override", "DELETE")], "", "override-header"),
        ("POST", "/v1/refunds/us", &[("x-original-url", "/v1/admin")], "", "override-header"),
        (
            "POST",
            "/v1/refunds/us",
            &[("content-type", "application/json; charset=utf-7")],
            "{}",
            "content-type",
        ),
        (
            "POST",
            "/v1/refunds/us",
            &[("content-type", "text/plain"), ("content-type", "text/x")],
            "x",
            "charset",
        ),
        ("POST", "/v1/refunds/us", &[("content-encoding", "gzip")], "x", "compressed"),
    ] {
        let answer = shop.gate.send(method, &format!("/api/payments{path}"), headers, body.as_bytes());
        let code = answer.json()["code"].as_str().unwrap().to_owned();
        assert!(answer.status == 400 || answer.status == 415, "{method} {path}: {}", answer.text());
        assert_eq!(code, reason, "{method} {path}");
        assert!(shop.gate.metric(&format!("oakgate_refusals_total{{reason=\"{code}\"}}")) >= 1.0, "{code}");
    }
    assert_eq!(shop.backend.log(), Vec::<serde_json::Value>::new());
}

#[test]
fn responses_stream_as_they_come() {
    let shop = Shop::open();
    let mut connection = Connection::open(&shop.gate.address);
    connection.send("GET", "/api/payments/stream", &[("x-api-key", KEY)], b"");
    assert_eq!(connection.head().status, 200);
    let since = Instant::now();
    let mut arrived = Vec::new();
    while connection.chunk().is_some() {
        arrived.push(since.elapsed());
    }
    assert!(arrived.len() >= 5, "{arrived:?}");
    let (first, last) = (arrived[0], arrived[arrived.len() - 1]);
    assert!(last - first >= Duration::from_millis(600), "the pieces come apart: {arrived:?}");
}
