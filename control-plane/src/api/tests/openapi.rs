//! The API's description against the server: every operation answers as described, and nothing else.

use super::*;

/// Panics unless the document describes such an answer to that operation.
pub(super) fn check(document: &Value, path: &str, method: &str, answer: &Answer) {
    let operation = &document["paths"][path][method];
    let described = &operation["responses"][answer.status.to_string()];
    let response = if described.is_object() { described } else { &operation["responses"]["default"] };
    let field = answer.field("content-type").unwrap();
    let media_type = field.split(';').next().unwrap();
    let schema = &response["content"][media_type]["schema"];
    assert!(schema.is_object(), "{method} {path}: {} {media_type} is not described", answer.status);
    if media_type.ends_with("json") {
        let schema = json!({"allOf": [schema], "components": document["components"]});
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        if let Err(error) = jsonschema::validator_for(&schema).unwrap().validate(&body) {
            panic!("{method} {path}: {error} in {body}");
        }
    }
}

#[test]
fn the_server_answers_as_its_description_says() {
    on_both(async |database| {
        let mut running =
            Running::start(&database, &[approver("ada", true, false), approver("eve", false, false)]).await;
        let document = send(running.address, "GET", "/openapi.json", "", "").await.json(200);
        let reference = running.open(1, r#"{"a":1}"#).await;
        let sessions: Vec<_> = running
            .sessions
            .iter()
            .map(|session| format!("Authorization: Bearer {}\r\n", session.expose()))
            .collect();
        let (ada, eve) = (&sessions[0], &sessions[1]);
        let key = "Authorization: Bearer oak_live_x\r\n";
        let list = "/v1/approvals";
        let show = "/v1/approvals/{reference}";
        let decide = "/v1/approvals/{reference}/decide";
        let json = "Content-Type: application/json\r\n";
        let large = "x".repeat(70_000);
        let yes = r#"{"decision":"approve","note":"fine"}"#;
        let steps = [
            ("get", "/healthz", String::new(), "", 200),
            ("get", "/readyz", String::new(), "", 200),
            ("get", "/metrics", String::new(), "", 200),
            ("get", list, ada.clone(), "", 200),
            ("get", list, String::new(), "", 401),
            ("get", list, key.to_owned(), "", 401),
            ("get", show, ada.clone(), "", 200),
            ("get", show, String::new(), "", 401),
            ("get", show, key.to_owned(), "", 401),
            ("post", decide, format!("{ada}{json}"), "", 400),
            ("post", decide, json.to_owned(), yes, 401),
            ("post", decide, format!("{eve}{json}"), yes, 403),
            ("post", decide, format!("{ada}{json}"), &large, 413),
            ("post", decide, ada.clone(), yes, 415),
            ("post", decide, format!("{ada}{json}"), "{}", 422),
            ("post", decide, format!("{ada}{json}"), yes, 200),
            ("post", decide, format!("{ada}{json}"), yes, 409),
            ("get", show, ada.clone(), "", 200),
        ];
        for (method, path, fields, body, status) in steps {
            let real = path.replace("{reference}", &reference);
            let answer = send(running.address, &method.to_uppercase(), &real, &fields, body).await;
            assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
            check(&document, path, method, &answer);
        }
        for (path, query, status) in [(list, "?limit=0", 400), (show, "", 404), (decide, "", 404)] {
            let real = format!("{}{query}", path.replace("{reference}", "REF-00000000-0000"));
            let (method, body) = if path == decide { ("post", yes) } else { ("get", "") };
            let answer =
                send(running.address, &method.to_uppercase(), &real, &format!("{ada}{json}"), body).await;
            assert_eq!(answer.status, status);
            check(&document, path, method, &answer);
        }
    });
}
