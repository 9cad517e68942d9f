//! The policy as one document: put, read, refused, compared and rolled back.

use std::sync::Arc;

use ::policy::cascade::{Silent, verdict};
use ::policy::document::Parts;
use ::policy::{Query, UnixMillis};

use super::*;
use crate::metrics::Metrics;
use crate::policies::Policies;

pub(super) const JSON: &str = "Content-Type: application/json\r\n";
const YAML: &str = "Content-Type: application/yaml\r\n";

const POLICY: &str = r#"{"format":1,"org":"acme","mode":"observe",
"categories":[{"name":"reading","default":"allowed"}],
"tools":[{"name":"read_file","category":"reading"},{"name":"refund","tags":["money"],"input_schema":{"type":"object","properties":{"amount":{"maximum":9007199254740993,"minimum":0.1}}}}],
"rules":[{"id":"small","tool":"refund","permission":"allowed","when":"args.amount <= 100"},{"id":"money","tag":"money","permission":"requires_approval","reason":"ask first"}]}"#;

/// The same, but what was allowed for 100 is allowed always.
fn looser() -> String {
    POLICY.replace(r#","when":"args.amount <= 100""#, "")
}

impl Running {
    /// Asks with a key's `Authorization` line.
    pub(super) async fn ask(&self, method: &str, path: &str, fields: &str, body: &str) -> Answer {
        send(self.address, method, path, fields, body).await
    }

    /// Puts a document in the place of a revision.
    async fn put_policy(&self, key: &str, over: u64, document: &str) -> Answer {
        let content_type = if document.starts_with('{') { JSON } else { YAML };
        let fields = format!("{key}{content_type}If-Match: \"{over}\"\r\n");
        self.ask("PUT", "/v1/policy", &fields, document).await
    }
}

/// The example policies of the documentation.
fn examples() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/policy");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths
        .filter(|path| {
            let name = path.to_string_lossy();
            name.ends_with(".yaml") && !name.ends_with(".cases.yaml")
        })
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn a_document_comes_back_as_it_was_put() {
    on_both(async |database| {
        let running = Running::start(&database, &[approver("ada", true, false)]).await;
        let key = running.key(ORG, "ops", Tier::Management).await;
        running.ask("GET", "/v1/policy", &key, "").await.problem(404, "not_found");
        let put = running.put_policy(&key, 0, POLICY).await;
        assert_eq!(put.json(200), json!({"revision": 1, "changed": true, "tools": 2, "rules": 2}));
        assert_eq!(put.field("etag"), Some("\"1\""));
        let got = running.ask("GET", "/v1/policy", &key, "").await;
        assert_eq!(got.field("etag"), Some("\"1\""));
        assert_eq!(got.json(200), serde_json::from_str::<Value>(POLICY).unwrap());
        assert!(got.body.contains("9007199254740993"), "numbers stay as they were written");
        assert_eq!(running.get(0, "/v1/policy").await.body, got.body, "a person may read it");

        // The very same makes no new revision.
        let same = running.put_policy(&key, 1, POLICY).await.json(200);
        assert_eq!((&same["revision"], &same["changed"]), (&json!(1), &json!(false)));

        let documents = examples();
        assert_eq!(documents.len(), 10);
        for (document, revision) in documents.iter().zip(1..) {
            let (_, parts) = Parts::parse(document).unwrap();
            running.put_policy(&key, revision, document).await.json(200);
            for media_type in ["application/json", "application/yaml"] {
                let accept = format!("{key}Accept: {media_type}\r\n");
                let got = running.ask("GET", "/v1/policy", &accept, "").await;
                assert_eq!(got.field("content-type"), Some(media_type));
                assert_eq!(Parts::parse(&got.body).unwrap().1, parts, "{}", got.body);
            }
        }
    });
}

#[test]
fn what_is_in_force_decides_as_the_document_does() {
    on_both(async |database| {
        let running = Running::start(&database, &[]).await;
        let key = running.key(ORG, "ops", Tier::Management).await;
        let policies = Policies::new(running.store.clone(), Metrics::new().unwrap());
        assert!(policies.at_least(ORG, 0).await.unwrap().is_none());
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/cascade.json");
        let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let mut queries_count = 0;
        for (case, revision) in cases.iter().zip(0..) {
            running.put_policy(&key, revision, &case["policy"].to_string()).await.json(200);
            let asks = (0..8).map(|_| {
                let policies = policies.clone();
                tokio::spawn(async move { policies.at_least(ORG, revision + 1).await.unwrap().unwrap() })
            });
            let asks: Vec<_> = asks.collect();
            let mut snapshots = Vec::new();
            for ask in asks {
                snapshots.push(ask.await.unwrap());
            }
            let snapshot = &snapshots[0];
            assert!(snapshots.iter().all(|other| Arc::ptr_eq(other, snapshot)), "it is compiled once");
            assert_eq!(snapshot.revision(), revision + 1);
            for query in case["queries"].as_array().unwrap() {
                let asked = Query::parse(&query["query"].to_string()).unwrap();
                let found = verdict(snapshot, &asked.call(), UnixMillis(0), &mut Silent);
                let mut found = serde_json::to_value(found).unwrap();
                found.as_object_mut().unwrap().remove("faults");
                assert_eq!(found, query["verdict"], "{}", query["query"]);
                queries_count += 1;
            }
        }
        assert_eq!(queries_count, 2400);
    });
}

#[test]
fn every_refusal_has_its_name_and_changes_nothing() {
    on_both(async |database| {
        let running = Running::start(&database, &[]).await;
        let key = running.key(ORG, "ops", Tier::Management).await;
        running.put_policy(&key, 0, POLICY).await.json(200);
        let put = format!("{key}{JSON}If-Match: \"1\"\r\n");
        let other_org = POLICY.replace("acme", "other");
        let nul = r#"{"format":1,"org":"acme","tools":[{"name":"a\u0000b"}]}"#;
        let rollback = "/v1/policy/rollback";
        for (method, path, fields, body, status, code) in [
            ("PUT", "/v1/policy", format!("{key}{JSON}"), POLICY, 428, "version_needed"),
            ("PUT", "/v1/policy", format!("{key}{JSON}If-Match: \"0\"\r\n"), POLICY, 412, "version_changed"),
            ("PUT", "/v1/policy", format!("{key}{JSON}If-Match: \"2\"\r\n"), POLICY, 412, "version_changed"),
            ("PUT", "/v1/policy", format!("{key}{JSON}If-Match: 1\r\n"), POLICY, 400, "if_match"),
            ("PUT", "/v1/policy", format!("{key}If-Match: \"1\"\r\n"), POLICY, 415, "content_type"),
            ("PUT", "/v1/policy", put.clone(), "", 422, "policy_refused"),
            ("PUT", "/v1/policy", put.clone(), "{}", 422, "policy_refused"),
            ("PUT", "/v1/policy", put.clone(), "[", 422, "policy_refused"),
            ("PUT", "/v1/policy", put.clone(), &other_org, 422, "policy_refused"),
            ("PUT", "/v1/policy", put.clone(), nul, 422, "policy_refused"),
            ("PUT", "/v1/policy?why=x", put.clone(), POLICY, 400, "query_unexpected"),
            ("PUT", "/v1/policy?reason=%00", put.clone(), POLICY, 400, "query_unexpected"),
            ("GET", "/v1/policy?revision=2", key.clone(), "", 404, "not_found"),
            ("GET", "/v1/policy?revision=0", key.clone(), "", 404, "not_found"),
            ("GET", "/v1/policy?revision=x", key.clone(), "", 400, "query_unexpected"),
            ("GET", "/v1/policy/revisions?limit=0", key.clone(), "", 400, "query_unexpected"),
            ("GET", "/v1/policy/revisions?cursor=-", key.clone(), "", 400, "query_unexpected"),
            ("POST", rollback, format!("{key}{JSON}"), r#"{"revision":2}"#, 404, "not_found"),
            ("POST", rollback, format!("{key}{JSON}"), r#"{"revision":"1"}"#, 422, "body_unexpected"),
            ("POST", "/v1/policy/diff", format!("{key}{JSON}"), "{}", 422, "policy_refused"),
            ("POST", "/v1/policy/diff?against=9", format!("{key}{JSON}"), POLICY, 404, "not_found"),
        ] {
            running.ask(method, path, &fields, body).await.problem(status, code);
        }
        let several = r#"{"format":1,"org":"acme","mode":"off","rules":[{"id":"a","permission":"yes"},
            {"id":"b","permission":"allowed","when":"args.","extra":1}]}"#;
        let answer = running.ask("PUT", "/v1/policy", &put, several).await;
        let errors: Value = serde_json::from_str(&answer.body).unwrap();
        let errors: Vec<_> =
            errors["errors"].as_array().unwrap().iter().map(|e| e.as_str().unwrap()).collect();
        assert_eq!(errors.len(), 4, "{errors:?}");
        assert!(errors[1].contains("rule `a`: unknown permission `yes`") && errors[1].contains("line 1"));
        let many: Vec<_> = (0..200).map(|id| json!({"id": id.to_string(), "permission": "no"})).collect();
        let many = json!({"format": 1, "org": ORG, "rules": many}).to_string();
        let answer = running.ask("PUT", "/v1/policy", &put, &many).await;
        let errors: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(errors["errors"].as_array().unwrap().len(), 101);
        assert_eq!(errors["errors"][100], "and 100 more");
        assert_eq!(running.store.newest_revision(ORG).await.unwrap(), 1);
        let metrics = running.ask("GET", "/metrics", "", "").await.body;
        assert!(metrics.contains("oakgate_policies_refused_total 7\n"), "{metrics}");
    });
}

#[test]
fn a_large_body_is_refused_before_it_is_read() {
    on_both(async |database| {
        let running = Running::start(&database, &[]).await;
        let key = running.key(ORG, "ops", Tier::Management).await;
        for (method, path) in [("PUT", "/v1/policy"), ("POST", "/v1/policy/diff"), ("PUT", "/v1/tools/a")] {
            // Only the head is sent: whoever read the body first would wait for it.
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: {}\r\n{key}{JSON}If-Match: \"0\"\r\n\
                 Content-Length: 100000000\r\nConnection: close\r\n\r\n",
                running.address
            );
            raw(running.address, &head).await.problem(413, "body_too_large");
        }
        let chunk = format!("100000\r\n{}\r\n", " ".repeat(0x10_0000));
        let chunked = format!(
            "PUT /v1/policy HTTP/1.1\r\nHost: {}\r\n{key}{JSON}If-Match: \"0\"\r\n\
             Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n{}",
            running.address,
            chunk.repeat(33)
        );
        raw(running.address, &chunked).await.problem(413, "body_too_large");
    });
}

#[test]
fn a_repeated_write_is_answered_as_before_and_done_once() {
    on_both(async |database| {
        let running = Running::start(&database, &[]).await;
        let key = running.key(ORG, "ops", Tier::Management).await;
        let put = format!("{key}{JSON}If-Match: \"0\"\r\nIdempotency-Key: one\r\n");
        let first = running.ask("PUT", "/v1/policy", &put, POLICY).await;
        running.put_policy(&key, 1, &looser()).await.json(200);
        let again = running.ask("PUT", "/v1/policy", &put, POLICY).await;
        assert_eq!((again.json(200), again.field("etag")), (first.json(200), first.field("etag")));
        assert_eq!(again.field("idempotency-replayed"), Some("true"));
        assert_eq!(running.store.newest_revision(ORG).await.unwrap(), 2);
        let other = running.ask("PUT", "/v1/policy", &put, &looser()).await;
        other.problem(422, "idempotency_key_reused");

        // Deleted once; deleted again it would be unknown.
        let delete = format!("{key}Idempotency-Key: two\r\n");
        for _ in 0..2 {
            assert_eq!(running.ask("DELETE", "/v1/rules/money", &delete, "").await.status, 204);
        }
        running.ask("DELETE", "/v1/rules/money", &key, "").await.problem(404, "not_found");
        let refused = format!("{key}{JSON}If-Match: \"3\"\r\nIdempotency-Key: three\r\n");
        running.ask("PUT", "/v1/policy", &refused, "{}").await.problem(422, "policy_refused");
        running.ask("PUT", "/v1/policy", &refused, POLICY).await.json(200);
    });
}

#[test]
fn revisions_are_listed_read_and_rolled_back_to() {
    on_both(async |database| {
        let running = Running::start(&database, &[]).await;
        let key = running.key(ORG, "ops", Tier::Management).await;
        running.put_policy(&key, 0, POLICY).await.json(200);
        let put = format!("{key}{JSON}If-Match: \"1\"\r\n");
        running.ask("PUT", "/v1/policy?reason=open%20it", &put, &looser()).await.json(200);
        let first = running.ask("GET", "/v1/policy?revision=1", &key, "").await;
        let body = r#"{"revision":1,"reason":"too open"}"#;
        let stale = format!("{key}{JSON}If-Match: \"1\"\r\n");
        running.ask("POST", "/v1/policy/rollback", &stale, body).await.problem(412, "version_changed");
        let back = running.ask("POST", "/v1/policy/rollback", &format!("{key}{JSON}"), body).await;
        assert_eq!((back.json(200)["revision"].clone(), back.field("etag")), (json!(3), Some("\"3\"")));
        assert_eq!(running.ask("GET", "/v1/policy", &key, "").await.json(200), first.json(200));

        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/policy/revisions?limit=2{cursor}");
            let page = running.ask("GET", &path, &key, "").await.json(200);
            seen.extend(page["items"].as_array().unwrap().iter().cloned());
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        for item in &mut seen {
            let item = item.as_object_mut().unwrap();
            assert!(item.remove("at_unix_ms").unwrap().is_u64());
            assert!(item.remove("origin").unwrap().as_str().unwrap().starts_with("127.0.0.1:"));
        }
        let expected = json!([
            {"revision": 3, "actor": "ops", "reason": "too open", "rolled_back_to": 1},
            {"revision": 2, "actor": "ops", "reason": "open it"},
            {"revision": 1, "actor": "ops"},
        ]);
        assert_eq!(Value::from(seen), expected);

        let known = format!("{key}If-None-Match: \"1\", W/\"3\"\r\n");
        let unchanged = running.ask("GET", "/v1/policy", &known, "").await;
        assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""));
        running.ask("GET", "/v1/policy", &format!("{key}If-None-Match: \"2\"\r\n"), "").await.json(200);
    });
}

#[test]
fn a_diff_says_what_a_candidate_loosens() {
    on_both(async |database| {
        let running = Running::start(&database, &[]).await;
        let key = running.key(ORG, "ops", Tier::Management).await;
        let fields = format!("{key}{JSON}");
        let empty = running.ask("POST", "/v1/policy/diff", &fields, POLICY).await.json(200);
        assert_eq!((&empty["against"], &empty["loosens"]), (&json!(0), &json!(true)));
        running.put_policy(&key, 0, POLICY).await.json(200);
        running.put_policy(&key, 1, &looser()).await.json(200);

        let same = running.ask("POST", "/v1/policy/diff", &fields, &looser()).await.json(200);
        let expected = json!({"against": 2, "complete": true, "loosens": false, "may_loosen": false,
            "verdicts": [], "settings": [], "lines": ["no difference"],
            "recorded": {"calls": 0, "complete": true, "looser": 0, "stricter": 0, "undecided": 0, "changes": [],
                "not_decided": [], "lines": ["no recorded calls"]}});
        assert_eq!(same, expected);
        let enforced = POLICY.replace(r#","mode":"observe""#, "");
        let stricter = running.ask("POST", "/v1/policy/diff", &fields, &enforced).await.json(200);
        assert_eq!((&stricter["loosens"], &stricter["may_loosen"]), (&json!(false), &json!(true)));
        let disabled = looser().replace(r#""permission":"allowed""#, r#""permission":"disabled""#);
        running.put_policy(&key, 2, &disabled).await.json(200);
        let path = "/v1/policy/diff?against=3";
        let opened = running.ask("POST", path, &fields, &looser()).await.json(200);
        assert_eq!((&opened["loosens"], &opened["complete"]), (&json!(true), &json!(true)));
        assert_eq!(opened["lines"][0], "looser");
        assert_eq!(opened["verdicts"][0]["direction"], "looser");
        assert_eq!(running.store.newest_revision(ORG).await.unwrap(), 3, "a diff changes nothing");
    });
}
