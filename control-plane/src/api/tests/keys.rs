//! The life of keys and agents.

use super::*;

const JSON: &str = "Content-Type: application/json\r\n";

/// A control plane with an organisation, whose management key speaks.
pub(super) async fn start(database: &Database) -> (Running, String) {
    let running = Running::start(database, &[]).await;
    let admin = running.key(ORG, "admin", Tier::Management).await;
    (running, admin)
}

impl Running {
    pub(super) async fn call(&self, fields: &str, method: &str, path: &str, body: &Value) -> Answer {
        send(self.address, method, path, &format!("{fields}{JSON}"), &body.to_string()).await
    }

    pub(super) async fn without_body(&self, fields: &str, method: &str, path: &str) -> Answer {
        send(self.address, method, path, fields, "").await
    }

    /// Whether a key is good: any but a management key is told that it cannot configure.
    async fn knows(&self, key: &str) -> bool {
        let answer = self.without_body(&bearer(key), "GET", "/v1/keys").await;
        assert!(matches!(answer.status, 200 | 401 | 403), "{}", answer.body);
        answer.status != 401
    }
}

pub(super) fn bearer(key: &str) -> String {
    format!("Authorization: Bearer {key}\r\n")
}

pub(super) fn text<'a>(document: &'a Value, field: &str) -> &'a str {
    document[field].as_str().unwrap_or_else(|| panic!("no {field} in {document}"))
}

#[test]
fn a_key_is_shown_once_and_only_once() {
    on_both(async |database| {
        let (running, admin) = start(&database).await;
        let body = json!({"id": "runner/1", "tier": "standard", "description": "night jobs", "tenant": "north",
        "may_name_tenant": true, "expires_at": "2999-01-01T00:00:00+01:00"});
        let repeatable = format!("{admin}Idempotency-Key: one\r\n");
        let made = running.call(&repeatable, "POST", "/v1/keys", &body).await;
        assert_eq!(made.field("location"), Some("/v1/keys/runner%2F1"));
        assert_eq!(made.field("etag"), Some("\"1\""));
        let made = made.json(201);
        let key = text(&made, "key").to_owned();
        assert!(key.starts_with("oak_live_") && key.len() == 52, "{key}");
        assert!(running.knows(&key).await);

        let repeated = running.call(&repeatable, "POST", "/v1/keys", &body).await;
        assert_eq!(repeated.field("idempotency-replayed"), Some("true"));
        let repeated = repeated.json(201);
        let mut without_key = made.clone();
        without_key.as_object_mut().unwrap().remove("key");
        assert_eq!(repeated, without_key);

        let shown = running.without_body(&admin, "GET", "/v1/keys/runner%2F1").await.json(200);
        assert_eq!(shown, without_key);
        for (field, expected) in [
            ("tier", json!("standard")),
            ("state", json!("good")),
            ("description", json!("night jobs")),
            ("tenant", json!("north")),
            ("may_name_tenant", json!(true)),
            ("expires_at", json!("2998-12-31T23:00:00Z")),
        ] {
            assert_eq!(shown[field], expected, "{field}");
        }
        let (prefix, rest) = key.split_at(12);
        assert_eq!(shown["secrets"][0]["prefix"], prefix);
        let listed = running.without_body(&admin, "GET", "/v1/keys").await;
        assert!(!listed.body.contains(rest), "{}", listed.body);
        let ids: Vec<_> =
            listed.json(200)["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
        assert_eq!(ids, ["admin", "runner/1"]);
        running.without_body(&admin, "GET", "/v1/agents/runner%2F1").await.problem(404, "not_found");
    });
}

#[test]
fn a_rotated_key_works_beside_the_new_one_and_a_third_ends_the_first() {
    on_both(async |database| {
        let (running, admin) = start(&database).await;
        let made = running.call(&admin, "POST", "/v1/agents", &json!({"id": "agent-1"})).await.json(201);
        assert_eq!(made["tier"], "agent");
        let rotate = async |body: Value| {
            running.call(&admin, "POST", "/v1/agents/agent-1/rotate", &body).await.json(200)
        };
        let first = text(&made, "key").to_owned();
        let rotated = rotate(json!({})).await;
        let second = text(&rotated, "key").to_owned();
        assert_eq!(rotated["secrets"].as_array().unwrap().len(), 2);
        assert!(
            rotated["secrets"][0]["expires_at"].is_string() && rotated["secrets"][1]["expires_at"].is_null()
        );
        assert!(running.knows(&first).await && running.knows(&second).await);

        let third = rotate(json!({"overlap_seconds": 604_800})).await;
        let third = text(&third, "key");
        assert!(!running.knows(&first).await, "three keys at once");
        assert!(running.knows(&second).await && running.knows(third).await);

        let fourth = rotate(json!({"overlap_seconds": 0})).await;
        assert_eq!(fourth["secrets"].as_array().unwrap().len(), 1);
        let fourth = text(&fourth, "key");
        assert!(!running.knows(&second).await && !running.knows(third).await && running.knows(fourth).await);
        let kept: Vec<_> =
            running.store.credential(ORG, HolderKind::Agent, "agent-1").await.unwrap().unwrap().secrets;
        assert_eq!(kept.len(), 2, "old secrets pile up");

        // The overlap ends by itself.
        let fifth = rotate(json!({})).await;
        running
            .store
            .run("UPDATE secrets SET expires_at_unix_ms = 1 WHERE expires_at_unix_ms IS NOT NULL")
            .await;
        assert!(!running.knows(fourth).await && running.knows(text(&fifth, "key")).await);

        let idempotent = format!("{admin}Idempotency-Key: again\r\n");
        let path = "/v1/agents/agent-1/rotate";
        assert!(running.call(&idempotent, "POST", path, &json!({})).await.json(200)["key"].is_string());
        assert!(running.call(&idempotent, "POST", path, &json!({})).await.json(200)["key"].is_null());
    });
}

#[test]
fn a_revoked_key_is_refused_at_once_and_its_id_never_comes_back() {
    on_both(async |database| {
        let (running, admin) = start(&database).await;
        let body = json!({"id": "runner", "tier": "standard"});
        let made = running.call(&admin, "POST", "/v1/keys", &body).await.json(201);
        let key = text(&made, "key");
        // Another control plane on the same store, as it were.
        let elsewhere = database.store().await;
        let sha256 = crate::key::Key::parse(key).unwrap().sha256();
        assert!(elsewhere.holder_of_key(&sha256, crate::clock::now()).await.unwrap().is_some());
        let revoked = running.without_body(&admin, "POST", "/v1/keys/runner/revoke").await.json(200);
        assert_eq!(revoked["state"], "revoked");
        assert!(!running.knows(key).await);
        assert!(elsewhere.holder_of_key(&sha256, crate::clock::now()).await.unwrap().is_none());

        running.without_body(&admin, "POST", "/v1/keys/runner/revoke").await.problem(409, "key_revoked");
        running.call(&admin, "POST", "/v1/keys/runner/rotate", &json!({})).await.problem(409, "key_revoked");
        running.call(&admin, "PATCH", "/v1/keys/runner", &json!({})).await.problem(409, "key_revoked");
        running.call(&admin, "POST", "/v1/keys", &body).await.problem(409, "id_taken");
        running.call(&admin, "POST", "/v1/agents", &json!({"id": "runner"})).await.problem(409, "id_taken");
        let records =
            ["host key.create admin", "management key.create runner", "management key.revoke runner"];
        assert_eq!(running.store.records(ORG).await, records);
    });
}

#[test]
fn a_holder_is_changed_by_its_version() {
    on_both(async |database| {
        let (running, admin) = start(&database).await;
        let body = json!({"id": "runner", "tier": "standard", "tenant": "north", "expires_at": "2999-01-01T00:00:00Z"});
        let key = running.call(&admin, "POST", "/v1/keys", &body).await.json(201);
        let path = "/v1/keys/runner";
        let matching = |tag: &str| format!("{admin}If-Match: {tag}\r\n");
        let change = json!({"description": "day jobs", "expires_at": null});
        let changed = running.call(&matching("\"1\""), "PATCH", path, &change).await;
        assert_eq!(changed.field("etag"), Some("\"2\""));
        let changed = changed.json(200);
        assert_eq!((&changed["tenant"], &changed["description"]), (&json!("north"), &json!("day jobs")));
        assert!(changed["expires_at"].is_null());
        running.call(&matching("\"1\""), "PATCH", path, &change).await.problem(412, "version_changed");
        running
            .without_body(&matching("\"1\""), "POST", &format!("{path}/revoke"))
            .await
            .problem(412, "version_changed");
        running
            .call(&admin, "PATCH", path, &json!({"expires_at": "2020-01-01T00:00:00Z"}))
            .await
            .problem(422, "expiry_past");

        running.store.run("UPDATE holders SET expires_at_unix_ms = 1 WHERE id = 'runner'").await;
        assert!(!running.knows(text(&key, "key")).await);
        assert_eq!(running.without_body(&admin, "GET", path).await.json(200)["state"], "expired");
        running.call(&admin, "POST", &format!("{path}/rotate"), &json!({})).await.problem(409, "key_expired");
        let later = json!({"expires_at": "2999-01-01T00:00:00Z", "tenant": null});
        assert_eq!(running.call(&admin, "PATCH", path, &later).await.json(200)["state"], "good");
        assert!(running.knows(text(&key, "key")).await);
    });
}

#[test]
fn an_organisation_keeps_a_management_key_without_an_end() {
    on_both(async |database| {
        let (running, admin) = start(&database).await;
        let ending = json!({"expires_at": "2999-01-01T00:00:00Z"});
        let refused = async |id: &str| {
            let path = format!("/v1/keys/{id}");
            running
                .without_body(&admin, "POST", &format!("{path}/revoke"))
                .await
                .problem(409, "last_management_key");
            running.call(&admin, "PATCH", &path, &ending).await.problem(409, "last_management_key");
        };
        refused("admin").await;
        // Another organisation's, one that ends, and one of another tier do not count.
        running.key("other", "admin", Tier::Management).await;
        running.key(ORG, "runner", Tier::Standard).await;
        let brief = json!({"id": "brief", "tier": "management", "expires_at": "2999-01-01T00:00:00Z"});
        running.call(&admin, "POST", "/v1/keys", &brief).await.json(201);
        refused("admin").await;
        running.without_body(&admin, "POST", "/v1/keys/brief/revoke").await.json(200);
        running
            .call(&admin, "POST", "/v1/keys", &json!({"id": "second", "tier": "management"}))
            .await
            .json(201);
        running.call(&admin, "PATCH", "/v1/keys/second", &ending).await.json(200);
        running.call(&admin, "PATCH", "/v1/keys/second", &json!({"expires_at": null})).await.json(200);
        running.without_body(&admin, "POST", "/v1/keys/admin/revoke").await.json(200);
        running.without_body(&admin, "GET", "/v1/keys").await.problem(401, "unauthenticated");
    });
}

#[test]
fn a_write_whose_key_is_revoked_while_its_body_comes_is_not_done() {
    on_both(async |database| {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (running, admin) = start(&database).await;
        let stolen = running.key(ORG, "stolen", Tier::Management).await;
        let body = r#"{"description":"mine"}"#;
        let head = format!(
            "PUT /v1/tenants/t HTTP/1.1\r\nHost: {}\r\n{stolen}{JSON}Content-Length: {}\r\nExpect: 100-continue\r\n\
         Connection: close\r\n\r\n",
            running.address,
            body.len()
        );
        let mut stream = tokio::net::TcpStream::connect(running.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        // The server asks for the body once it knows who sends it.
        let mut asked = [0; 25];
        stream.read_exact(&mut asked).await.unwrap();
        assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
        running.without_body(&admin, "POST", "/v1/keys/stolen/revoke").await.json(200);
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        running.without_body(&admin, "GET", "/v1/tenants/t").await.problem(404, "not_found");
    });
}

#[test]
fn bad_keys_are_refused_by_name() {
    on_both(async |database| {
        let (running, admin) = start(&database).await;
        let key = |id: &str, rest: Value| {
            let mut body = json!({"id": id, "tier": "standard"});
            body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            body
        };
        let cases = [
            ("POST", "/v1/keys", key("", json!({})), 422, "body_unexpected"),
            ("POST", "/v1/keys", key(&"x".repeat(129), json!({})), 422, "body_unexpected"),
            ("POST", "/v1/keys", key("a\u{0}b", json!({})), 422, "body_unexpected"),
            ("POST", "/v1/keys", key("jwt:ada", json!({})), 422, "body_unexpected"),
            ("POST", "/v1/keys", key("spiffe://a/b", json!({})), 422, "body_unexpected"),
            ("POST", "/v1/keys", key("..", json!({})), 422, "body_unexpected"),
            ("POST", "/v1/keys", key("a", json!({"tier": "agent"})), 422, "body_unexpected"),
            ("POST", "/v1/keys", key("a", json!({"org": "other"})), 422, "body_unexpected"),
            ("POST", "/v1/keys", key("a", json!({"description": "x".repeat(1001)})), 422, "body_unexpected"),
            ("POST", "/v1/keys", key("a", json!({"description": "\u{0}"})), 422, "body_unexpected"),
            ("POST", "/v1/keys", key("a", json!({"tenant": "a\nb"})), 422, "body_unexpected"),
            ("POST", "/v1/keys", key("a", json!({"expires_at": "tomorrow"})), 422, "body_unexpected"),
            ("POST", "/v1/keys", key("a", json!({"expires_at": "2020-01-01T00:00:00Z"})), 422, "expiry_past"),
            (
                "POST",
                "/v1/keys",
                key("a", json!({"tier": "management", "tenant": "t"})),
                422,
                "tier_has_no_tenant",
            ),
            (
                "POST",
                "/v1/keys",
                key("a", json!({"tier": "management", "may_name_tenant": true})),
                422,
                "tier_has_no_tenant",
            ),
            ("PATCH", "/v1/keys/admin", json!({"tenant": "t"}), 422, "tier_has_no_tenant"),
            ("PATCH", "/v1/keys/admin", json!({"tier": "standard"}), 422, "body_unexpected"),
            ("PATCH", "/v1/keys/nobody", json!({}), 404, "not_found"),
            ("POST", "/v1/agents", json!({"id": "a", "tier": "agent"}), 422, "body_unexpected"),
            ("POST", "/v1/keys/admin/rotate", json!({"overlap_seconds": 604_801}), 422, "body_unexpected"),
            ("POST", "/v1/keys/admin/rotate", json!({"overlap_seconds": -1}), 422, "body_unexpected"),
            ("POST", "/v1/keys/nobody/rotate", json!({}), 404, "not_found"),
            ("DELETE", "/v1/keys/admin", json!({}), 405, "method_not_allowed"),
        ];
        for (method, path, body, status, code) in cases {
            running.call(&admin, method, path, &body).await.problem(status, code);
        }
        running.without_body(&admin, "GET", "/v1/keys?cursor=AA").await.problem(400, "query_unexpected");
        running.without_body(&admin, "GET", "/v1/keys/%00").await.problem(404, "not_found");
        let listed = running.without_body(&admin, "GET", "/v1/keys").await.json(200);
        assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn lists_are_read_page_by_page_and_holders_have_a_limit() {
    on_both(async |database| {
        let (running, admin) = start(&database).await;
        for number in 0..7 {
            running.key(ORG, &format!("agent-{number}"), Tier::Agent).await;
        }
        running.key("other", "agent-x", Tier::Agent).await;
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        for _ in 0..4 {
            let page =
                running.without_body(&admin, "GET", &format!("/v1/agents?limit=3{cursor}")).await.json(200);
            ids.extend(page["items"].as_array().unwrap().iter().map(|item| text(item, "id").to_owned()));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(ids, (0..7).map(|number| format!("agent-{number}")).collect::<Vec<_>>());

        running
            .store
            .run(
                "INSERT INTO holders (org, id, tier, may_name_tenant, version, created_at_unix_ms) \
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9992) \
             SELECT 'acme', 'n-' || i, 'agent', 0, 1, 0 FROM n",
            )
            .await;
        let body = json!({"id": "one-more"});
        running.call(&admin, "POST", "/v1/agents", &body).await.problem(409, "too_many");
        let metrics = running.without_body("", "GET", "/metrics").await.body;
        for line in [
            "oakgate_api_limits_reached_total{limit=\"holders\"} 1",
            "oakgate_holders{tier=\"management\"} 1",
        ] {
            assert!(metrics.lines().any(|found| found == line), "{line} is missing in\n{metrics}");
        }
        running.without_body(&admin, "POST", "/v1/agents/agent-1/revoke").await.json(200);
        running.call(&admin, "POST", "/v1/agents", &body).await.json(201);
    });
}
