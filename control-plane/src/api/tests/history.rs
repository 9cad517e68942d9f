//! The budget of a policy's history.

use super::policy::JSON;
use super::*;

async fn with(database: &Database, revisions_max: u32, revision_bytes_max: u64) -> (Running, String) {
    let history = History { revisions_max, revision_bytes_max, activity_days: 400 };
    let running = Running::with(Settings { history, ..settings(database) }, &[]).await;
    let key = running.key(ORG, "ops", Tier::Management).await;
    (running, key)
}

impl Running {
    async fn put_rule(&self, key: &str, id: u32, reason: &str) {
        let body = json!({"tool": format!("t{id}"), "permission": "disabled", "reason": reason}).to_string();
        let answer = self.ask("PUT", &format!("/v1/rules/r{id}"), &format!("{key}{JSON}"), &body).await;
        assert!(matches!(answer.status, 200 | 201), "{}", answer.body);
    }

    async fn kept(&self, key: &str) -> Vec<u64> {
        let page = self.ask("GET", "/v1/policy/revisions", key, "").await.json(200);
        page["items"].as_array().unwrap().iter().map(|item| item["revision"].as_u64().unwrap()).collect()
    }
}

#[test]
fn the_oldest_revisions_go_and_are_told_from_those_that_never_were() {
    on_both(async |database| {
        let (running, key) = with(&database, 3, 1 << 30).await;
        // The first rule stays as it is; the other one changes each time.
        running.put_rule(&key, 0, "first").await;
        for number in 2..=3 {
            running.put_rule(&key, 1, &number.to_string()).await;
        }
        assert_eq!(running.kept(&key).await, [3, 2, 1]);
        let page = running.ask("GET", "/v1/rules?limit=1", &key, "").await.json(200);
        let cursor = page["next_cursor"].as_str().unwrap();
        for number in 4..=6 {
            running.put_rule(&key, 1, &number.to_string()).await;
        }
        assert_eq!(running.kept(&key).await, [6, 5, 4]);
        assert_eq!(
            running.store.count("pieces").await,
            5,
            "the settings, the first rule, and three of the other"
        );

        let json = format!("{key}{JSON}");
        let document = r#"{"format":1,"org":"acme"}"#;
        let next = format!("/v1/rules?limit=1&cursor={cursor}");
        for (method, path, fields, body) in [
            ("GET", "/v1/policy?revision=3", &key, ""),
            ("POST", "/v1/policy/diff?against=1", &json, document),
            ("POST", "/v1/policy/rollback", &json, r#"{"revision":2}"#),
            ("GET", &next, &key, ""),
        ] {
            running.ask(method, path, fields, body).await.problem(410, "revision_pruned");
        }
        running.ask("GET", "/v1/policy?revision=7", &key, "").await.problem(404, "not_found");
        let oldest = running.ask("GET", "/v1/policy?revision=4", &key, "").await.json(200);
        let reasons: Vec<_> =
            oldest["rules"].as_array().unwrap().iter().map(|rule| rule["reason"].clone()).collect();
        assert_eq!(reasons, ["first", "4"]);
        running.ask("POST", "/v1/policy/rollback", &json, r#"{"revision":4}"#).await.json(200);
        assert_eq!(running.kept(&key).await, [7, 6, 5]);

        let records = running.ask("GET", "/v1/activity?action=policy.prune", &key, "").await.json(200);
        let records = records["items"].as_array().unwrap();
        assert_eq!(records.len(), 4);
        assert_eq!(records[0]["details"], json!({"revisions": 1, "oldest_kept": 5}));
        assert_eq!((&records[0]["actor"], &records[0]["object"]), (&json!("ops"), &json!("policy")));
        let metrics = running.ask("GET", "/metrics", "", "").await.body;
        assert!(metrics.contains("oakgate_revisions_pruned_total 4\n"), "{metrics}");
    });
}

#[test]
fn a_history_of_large_revisions_is_shorter_and_never_shorter_than_two() {
    on_both(async |database| {
        let (running, key) = with(&database, 100, 20_000).await;
        let other = running.key("other", "ops", Tier::Management).await;
        running.put_rule(&other, 0, "theirs").await;
        for number in 1..=9 {
            running.put_rule(&key, number, &"x".repeat(4000)).await;
        }
        assert_eq!(running.kept(&key).await, [9, 8, 7, 6]);
        for number in 1..=2 {
            let input_schema = json!({"description": number.to_string().repeat(100_000)});
            let body = json!({"input_schema": input_schema}).to_string();
            let path = format!("/v1/tools/t{number}");
            running.ask("PUT", &path, &format!("{key}{JSON}"), &body).await.json(201);
        }
        assert_eq!(running.kept(&key).await, [11, 10]);
        assert_eq!(running.kept(&other).await, [1], "it has a budget of its own");
        let rules = running.ask("GET", "/v1/policy", &key, "").await.json(200);
        assert_eq!(rules["rules"].as_array().unwrap().len(), 9, "what is in force stays");
    });
}
