//! The policy as one document, over a real port.

use super::*;

const JSON: &str = "Content-Type: application/json\r\n";
const YAML: &str = "Content-Type: application/yaml\r\n";

const POLICY: &str = r#"{"format":1,"org":"acme","mode":"observe",
"categories":[{"name":"reading","default":"allowed"}],
"tools":[{"name":"read_file","category":"reading"},{"name":"refund","tags":["money"],"input_schema":{"type":"object","properties":{"amount":{"maximum":9007199254740993,"minimum":0.1}}}}],
"rules":[{"id":"small","tool":"refund","permission":"allowed","when":"args.amount <= 100"},{"id":"money","tag":"money","permission":"requires_approval","reason":"ask first"}]}"#;

impl Running {
    /// Asks with a key's `Authorization` line.
    async fn ask(&self, method: &str, path: &str, fields: &str, body: &str) -> Answer {
        send(self.address, method, path, fields, body).await
    }
}

#[test]
fn a_document_comes_back_as_it_was_put() {
    on_both(async |database| {
        let running = Running::start(&database, &[approver("ada", true, false)]).await;
        let key = running.key(ORG, "ops", Tier::Management).await;
        running.ask("GET", "/v1/policy", &key, "").await.problem(404, "not_found");
        let first = format!("{key}{JSON}If-Match: \"0\"\r\n");
        let put = running.ask("PUT", "/v1/policy", &first, POLICY).await;
        assert_eq!(put.json(200), json!({"revision": 1, "changed": true, "tools": 2, "rules": 2}));
        assert_eq!(put.field("etag"), Some("\"1\""));
        let got = running.ask("GET", "/v1/policy", &key, "").await;
        assert_eq!(got.field("etag"), Some("\"1\""));
        assert_eq!(got.json(200), serde_json::from_str::<Value>(POLICY).unwrap());
        let shown = running.get(0, "/v1/policy").await.json(200);
        assert_eq!(shown, got.json(200));
    });
}
