//! Tenants, resources and methods.

use super::*;

const JSON: &str = "Content-Type: application/json\r\n";

#[test]
fn entries_are_put_listed_and_deleted() {
    on_both(async |database| {
        let running = Running::start(&database, &[]).await;
        let admin = running.key(ORG, "admin", Tier::Management).await;
        for kind in ["tenants", "resources", "methods"] {
            let path = format!("/v1/{kind}/a%2Fb");
            let call = async |fields: &str, method: &str, path: &str, body: &str| {
                send(running.address, method, path, &format!("{admin}{JSON}{fields}"), body).await
            };
            let added = call("", "PUT", &path, r#"{"description":"first"}"#).await;
            assert_eq!((added.field("etag"), added.field("location")), (Some("\"1\""), Some(path.as_str())));
            assert_eq!(added.json(201)["name"], "a/b");
            call("If-Match: \"2\"\r\n", "PUT", &path, "{}").await.problem(412, "version_changed");
            let changed = call("If-Match: \"1\"\r\n", "PUT", &path, "{}").await;
            assert_eq!((changed.field("etag"), changed.field("location")), (Some("\"2\""), None));
            assert!(changed.json(200)["description"].is_null());
            assert_eq!(call("", "GET", &path, "").await.field("etag"), Some("\"2\""));
            for number in 0..4 {
                call("", "PUT", &format!("/v1/{kind}/n-{number}"), "{}").await.json(201);
            }
            let page = call("", "GET", &format!("/v1/{kind}?limit=3"), "").await.json(200);
            let next = format!("/v1/{kind}?limit=3&cursor={}", page["next_cursor"].as_str().unwrap());
            let rest = call("", "GET", &next, "").await.json(200);
            let names: Vec<_> = [&page, &rest]
                .iter()
                .flat_map(|page| page["items"].as_array().unwrap())
                .map(|item| item["name"].clone())
                .collect();
            assert_eq!(names, ["a/b", "n-0", "n-1", "n-2", "n-3"]);
            assert!(rest["next_cursor"].is_null());

            call("If-Match: \"1\"\r\n", "DELETE", &path, "").await.problem(412, "version_changed");
            assert_eq!(call("If-Match: \"2\"\r\n", "DELETE", &path, "").await.status, 204);
            call("", "DELETE", &path, "").await.problem(404, "not_found");
            call("If-Match: *\r\n", "PUT", &path, "{}").await.problem(412, "version_changed");
            let long = format!("/v1/{kind}/{}", "x".repeat(257));
            for (method, path, body, status, code) in [
                ("PUT", long.as_str(), "{}", 422, "name_unexpected"),
                ("PUT", &format!("/v1/{kind}/a%00"), "{}", 422, "name_unexpected"),
                ("PUT", &format!("/v1/{kind}/a%0a"), "{}", 422, "name_unexpected"),
                ("PUT", &format!("/v1/{kind}/%E2%80%AEa"), "{}", 422, "name_unexpected"),
                ("PUT", &format!("/v1/{kind}/a"), r#"{"name":"b"}"#, 422, "body_unexpected"),
                ("GET", &long, "", 404, "not_found"),
                ("DELETE", &long, "", 404, "not_found"),
                ("POST", &format!("/v1/{kind}"), "{}", 405, "method_not_allowed"),
                ("GET", &format!("/v1/{kind}?limit=0"), "", 400, "query_unexpected"),
            ] {
                call("", method, path, body).await.problem(status, code);
            }
        }
    });
}

#[test]
fn an_entry_that_a_rule_names_stays_and_kinds_have_a_limit() {
    on_both(async |database| {
        let running = Running::start(&database, &[]).await;
        let admin = running.key(ORG, "admin", Tier::Management).await;
        running.key("other", "admin", Tier::Management).await;
        let fields = format!("{admin}{JSON}");
        for path in ["/v1/tenants/north", "/v1/resources/north", "/v1/resources/ledger", "/v1/methods/write"]
        {
            send(running.address, "PUT", path, &fields, "{}").await.json(201);
        }
        running
        .store
        .run(
            "INSERT INTO pieces (org, kind, name, position, body, from_revision, to_revision) VALUES \
             ('acme', 'rule', 'r1', 0, '{\"id\":\"r1\",\"permission\":\"allowed\",\"tenant\":\"north\"}', 1, NULL), \
             ('acme', 'rule', 'r2', 1, '{\"id\":\"r2\",\"permission\":\"allowed\",\"resource\":\"ledger*\"}', 1, NULL), \
             ('acme', 'rule', 'r3', 2, '{\"id\":\"r3\",\"method\":\"write\",\"permission\":\"allowed\"}', 1, 2), \
             ('other', 'rule', 'r4', 0, '{\"id\":\"r4\",\"method\":\"write\",\"permission\":\"allowed\"}', 1, NULL)",
        )
        .await;
        let refused = send(running.address, "DELETE", "/v1/tenants/north", &admin, "").await;
        refused.problem(409, "in_use");
        let document: Value = serde_json::from_str(&refused.body).unwrap();
        assert_eq!(document["errors"], json!(["rule `r1`"]));
        // Named by another kind, by a pattern, by a rule that is gone, by another organisation's rule.
        for path in ["/v1/resources/north", "/v1/resources/ledger", "/v1/methods/write"] {
            assert_eq!(send(running.address, "DELETE", path, &admin, "").await.status, 204, "{path}");
        }

        running
            .store
            .run(
                "INSERT INTO catalogue (org, kind, name, version, created_at_unix_ms) \
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999) \
             SELECT 'acme', 'tenant', 'n-' || i, 1, 0 FROM n",
            )
            .await;
        send(running.address, "PUT", "/v1/tenants/one-more", &fields, "{}").await.problem(409, "too_many");
        send(running.address, "PUT", "/v1/tenants/north", &fields, "{}").await.json(200);
        send(running.address, "PUT", "/v1/methods/one-more", &fields, "{}").await.json(201);
    });
}
