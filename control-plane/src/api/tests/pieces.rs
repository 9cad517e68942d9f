//! The policy piece by piece.

use super::policy::JSON;
use super::*;

impl Running {
    pub(super) async fn put(&self, key: &str, path: &str, body: &str) -> Answer {
        self.ask("PUT", path, &format!("{key}{JSON}"), body).await
    }

    /// Every item of a list, page by page.
    pub(super) async fn all(&self, key: &str, path: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.ask("GET", &format!("{path}{cursor}"), key, "").await.json(200);
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            let Some(next) = page["next_cursor"].as_str() else { return items };
            cursor = format!("&cursor={next}");
        }
    }
}

fn names(items: &[Value], field: &str) -> Vec<String> {
    items.iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_policy_grows_piece_by_piece() {
    on_both(async |database| {
        let running = Running::start(&database, &[approver("ada", true, false)]).await;
        let key = running.key(ORG, "ops", Tier::Management).await;
        let tool = r#"{"category":"money","status":"approved","tags":["a"],"annotations":{"read_only":false},
            "input_schema":{"type":"object","properties":{"n":{"maximum":9007199254740993}}}}"#;
        running.put(&key, "/v1/tools/pay%2Fout", tool).await.problem(422, "policy_refused");
        let category = running.put(&key, "/v1/categories/money", r#"{"default":"disabled"}"#).await;
        assert_eq!(category.json(201), json!({"name": "money", "default": "disabled"}));
        let made = running.put(&key, "/v1/tools/pay%2Fout", tool).await;
        assert_eq!((made.status, made.field("etag")), (201, Some("\"2\"")));
        assert!(made.body.contains("9007199254740993"), "{}", made.body);
        assert_eq!(made.json(201)["name"], "pay/out");
        let rule = r#"{"id":"r","tool":"pay/out","permission":"allowed"}"#;
        assert_eq!(running.put(&key, "/v1/rules/r", rule).await.status, 201);
        let settings = running.put(&key, "/v1/policy/settings", r#"{"precedence":"resource-first"}"#).await;
        let expected = json!({"mode": "enforce", "precedence": "resource-first", "unlisted_tools": "clamp"});
        assert_eq!((settings.json(200), settings.field("etag")), (expected.clone(), Some("\"4\"")));

        let shown = running.get(0, "/v1/tools/pay%2Fout").await;
        assert_eq!((shown.json(200), shown.field("etag")), (made.json(201), Some("\"2\"")));
        assert_eq!(running.get(0, "/v1/policy/settings").await.json(200), expected);
        let document = running.get(0, "/v1/policy").await.json(200);
        assert_eq!(document["precedence"], "resource-first");
        assert_eq!(document["rules"], json!([{"id": "r", "tool": "pay/out", "permission": "allowed"}]));

        // What is got can be put, and is the same.
        let again = running.put(&key, "/v1/tools/pay%2Fout", &shown.body).await;
        assert_eq!((again.status, again.field("etag")), (200, Some("\"2\"")));
        let known = format!("{key}If-None-Match: \"2\"\r\n");
        assert_eq!(running.ask("GET", "/v1/tools/pay%2Fout", &known, "").await.status, 304);
        assert_eq!(running.store.newest_revision(ORG).await.unwrap(), 4);

        let used = running.ask("DELETE", "/v1/categories/money", &key, "").await;
        used.problem(422, "policy_refused");
        assert!(used.body.contains("tool `pay/out`: unknown category `money`\""), "{}", used.body);
        let stale = format!("{key}If-Match: \"1\"\r\n");
        running.ask("DELETE", "/v1/tools/pay%2Fout", &stale, "").await.problem(412, "version_changed");
        for path in ["/v1/tools/pay%2Fout", "/v1/categories/money", "/v1/rules/r"] {
            assert_eq!(running.ask("DELETE", path, &key, "").await.status, 204, "{path}");
            running.ask("GET", path, &key, "").await.problem(404, "not_found");
        }
    });
}

#[test]
fn a_bad_piece_is_refused_with_its_mistakes() {
    on_both(async |database| {
        let running = Running::start(&database, &[]).await;
        let key = running.key(ORG, "ops", Tier::Management).await;
        running.put(&key, "/v1/rules/a", r#"{"tool":"t","permission":"allowed"}"#).await.json(201);
        let large = format!(r#"{{"description":"{}"}}"#, "x".repeat(600_000));
        let shadowed = r#"{"tool":"t","permission":"disabled"}"#;
        for (path, body, says) in [
            ("/v1/tools/t", r#"{"name":"u"}"#, "`name` must be as in the path"),
            ("/v1/tools/t", r#"{"colour":"red"}"#, "tool `t`: unknown field `colour`"),
            ("/v1/tools/t", r#"{"enabled":"yes"}"#, "tool `t`: `enabled` must be true or false"),
            ("/v1/tools/t", r#"{"input_schema":{"a":1,"a":2}}"#, "duplicate key `a`"),
            ("/v1/tools/t", r#"{"name":"t","name":"t"}"#, "duplicate key `name`"),
            ("/v1/tools/t", r#"{"input_schema":{"type":"x"}}"#, "tool `t`: `input_schema` can't be used"),
            ("/v1/categories/c", r#"{"default":"maybe"}"#, "category `c`: unknown permission `maybe`"),
            ("/v1/rules/b", "{}", "rule `b`: `permission` is missing"),
            ("/v1/rules/b", shadowed, "rule `b`: never applies: rule `a` has the same coordinates"),
            ("/v1/rules/b", r#"{"permission":"allowed","when":"1 +"}"#, "rule `b`: `when` does not compile"),
            ("/v1/rules/b?before=x", r#"{"permission":"allowed"}"#, "rule `b`: there is no rule `x`"),
            ("/v1/policy/settings", r#"{"mode":"off"}"#, "unknown `mode` `off`"),
            ("/v1/policy/settings", r#"{"org":"x"}"#, "duplicate key `org`"),
            ("/v1/policy/settings", r#"{"rules":[]}"#, "duplicate key `rules`"),
        ] {
            let answer = running.put(&key, path, body).await;
            answer.problem(422, "policy_refused");
            let problem: Value = serde_json::from_str(&answer.body).unwrap();
            let error = problem["errors"][0].as_str().unwrap();
            assert!(error.contains(says), "{path} {body}: {error}");
        }
        for (path, body, status, code) in [
            ("/v1/tools/t", "", 400, "body_not_json"),
            ("/v1/tools/t", "name: t", 400, "body_not_json"),
            ("/v1/tools/t", "[]", 422, "body_unexpected"),
            ("/v1/tools/t", &large, 413, "body_too_large"),
            ("/v1/tools/a%00b", "{}", 404, "not_found"),
            ("/v1/tools/a%FF", "{}", 404, "not_found"),
            ("/v1/tools/t?before=x", "{}", 400, "query_unexpected"),
        ] {
            running.put(&key, path, body).await.problem(status, code);
        }
        assert_eq!(running.store.newest_revision(ORG).await.unwrap(), 1);
    });
}

#[test]
fn lists_are_filtered_and_stay_as_they_were_while_they_are_read() {
    on_both(async |database| {
        let running = Running::start(&database, &[]).await;
        let key = running.key(ORG, "ops", Tier::Management).await;
        let tools: Vec<_> = (0..7)
            .map(|n| {
                json!({"name": format!("t{n}"), "status": if n % 2 == 0 { "draft" } else { "approved" },
                "tags": [format!("tag{}", n % 3)]})
            })
            .collect();
        let rules: Vec<_> = (0..7)
            .map(|n| {
                json!({"id": format!("r{n}"), "tool": format!("t{n}"),
            "tenant": format!("x{}", n % 2), "permission": "disabled"})
            })
            .collect();
        let document = json!({"format": 1, "org": ORG, "tools": tools, "rules": rules}).to_string();
        let put = format!("{key}{JSON}If-Match: \"0\"\r\n");
        running.ask("PUT", "/v1/policy", &put, &document).await.json(200);
        for (path, field, expected) in [
            ("/v1/tools?limit=3", "name", vec!["t0", "t1", "t2", "t3", "t4", "t5", "t6"]),
            ("/v1/tools?limit=1&status=approved", "name", vec!["t1", "t3", "t5"]),
            ("/v1/tools?status=registered", "name", vec![]),
            ("/v1/tools?tag=tag1&limit=2", "name", vec!["t1", "t4"]),
            ("/v1/tools?category=x", "name", vec![]),
            ("/v1/rules?tenant=x1&limit=2", "id", vec!["r1", "r3", "r5"]),
            ("/v1/rules?tool=t2", "id", vec!["r2"]),
            ("/v1/rules?tag=t2", "id", vec![]),
            ("/v1/categories?limit=2", "name", vec![]),
        ] {
            assert_eq!(names(&running.all(&key, path).await, field), expected, "{path}");
        }
        let first = running.ask("GET", "/v1/rules?limit=3", &key, "").await.json(200);
        for id in ["r0", "r3", "r6"] {
            assert_eq!(running.ask("DELETE", &format!("/v1/rules/{id}"), &key, "").await.status, 204);
        }
        let cursor = first["next_cursor"].as_str().unwrap();
        let rest = running.all(&key, &format!("/v1/rules?limit=50&cursor={cursor}")).await;
        assert_eq!(names(&rest, "id"), ["r3", "r4", "r5", "r6"], "of the revision that it began with");
        assert_eq!(names(&running.all(&key, "/v1/rules?limit=50").await, "id"), ["r1", "r2", "r4", "r5"]);
        for query in ["cursor=AAA", "cursor=Lg", "limit=201", "status=new", "colour=red"] {
            let answer = running.ask("GET", &format!("/v1/tools?{query}"), &key, "").await;
            answer.problem(400, "query_unexpected");
        }
    });
}
