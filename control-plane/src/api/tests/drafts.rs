//! What proxies saw, listed and decided on over the API.

use policy_sync::{Discovered, Hints, SeenIn, SeenTool};

use super::*;

/// Names that a path has to be careful with.
const AWKWARD: [&str; 6] = ["files/read", "a b%2Fc?d#e&f", "..", "größe 世界 👩", "'; --", "\u{202e}x"];

const ALL_FOUR: &str = r#"{"read_only":true,"destructive":false,"idempotent":true,"open_world":false}"#;

pub(super) fn tool(name: &str) -> SeenTool {
    SeenTool {
        name: name.to_owned(),
        seen: SeenIn::List,
        description: Some("Does it.\u{1b}[2J".to_owned()),
        annotations: Some(Hints { read_only: Some(true), ..Hints::default() }),
        input_schema: Some(r#"{"type":"object"}"#.to_owned()),
        definition_sha256: Some("ab".repeat(32)),
    }
}

impl Running {
    /// Has a proxy see a tool, and waits until it is a draft.
    pub(super) async fn see(&self, name: &str, description: &str) {
        let tool = SeenTool { description: Some(description.to_owned()), ..tool(name) };
        let (proxy, org, backend) = ("gate-1".to_owned(), ORG.to_owned(), "notes".to_owned());
        let discovered = Discovered { proxy, org, backend, tools: vec![tool] };
        self.proxy.say(ProxyMessage::Discovered(Box::new(discovered))).await.unwrap();
        while self.store.draft(ORG, name).await.unwrap().is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

/// A tool's name as a segment of a path (RFC 3986).
fn segment(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// A control plane that was told of some tools, and its management key.
struct Seen {
    running: Running,
    key: String,
}

impl Seen {
    async fn of(database: &Database, tools: Vec<SeenTool>) -> Self {
        let running = Running::start(database, &[approver("ada", true, false)]).await;
        let key = running.key(ORG, "ops", Tier::Management).await;
        let seen = Self { running, key };
        let count = tools.len();
        seen.tell(ORG, tools).await;
        for _ in 0..1000 {
            if seen.list("").await.len() == count {
                return seen;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{count} drafts did not come: {:?}", seen.list("").await);
    }

    async fn tell(&self, org: &str, tools: Vec<SeenTool>) {
        let (proxy, org, backend) = ("gate-1".to_owned(), org.to_owned(), "notes".to_owned());
        let discovered = Discovered { proxy, org, backend, tools };
        self.running.proxy.say(ProxyMessage::Discovered(Box::new(discovered))).await.unwrap();
    }

    async fn send(&self, method: &str, path: &str, fields: &str, body: &str) -> Answer {
        let fields = format!("{}Content-Type: application/json\r\n{fields}", self.key);
        send(self.running.address, method, path, &fields, body).await
    }

    async fn list(&self, query: &str) -> Vec<String> {
        let page = self.send("GET", &format!("/v1/drafts{query}"), "", "").await.json(200);
        let items = page["items"].as_array().unwrap();
        items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    }

    async fn accept(&self, name: &str, body: &str) -> Answer {
        self.send("POST", &format!("/v1/drafts/{}/accept", segment(name)), "", body).await
    }

    async fn reject(&self, name: &str, body: &str) -> Answer {
        self.send("POST", &format!("/v1/drafts/{}/reject", segment(name)), "", body).await
    }

    /// What the policy lists.
    async fn tools(&self) -> Vec<Value> {
        let answer = self.send("GET", "/v1/policy", "", "").await;
        if answer.status == 404 {
            return Vec::new();
        }
        answer.json(200)["tools"].as_array().unwrap().clone()
    }
}

#[test]
fn a_draft_says_what_its_backend_says_and_what_is_supposed() {
    on_both(async |database| {
        let seen = Seen::of(&database, vec![tool("files/read")]).await;
        let shown = seen.send("GET", "/v1/drafts/files%2Fread", "", "").await;
        assert_eq!(shown.field("etag"), Some("\"1\""));
        let mut shown = shown.json(200);
        for time in ["first_seen_at_unix_ms", "last_seen_at_unix_ms"] {
            assert!(shown[time].as_u64().unwrap() > 1_700_000_000_000);
            shown.as_object_mut().unwrap().remove(time);
        }
        let expected = json!({
            "name": "files/read", "state": "draft", "backend": "notes", "proxy": "gate-1", "seen_in": "list",
            "default": "requires_approval",
            "annotations": {"read_only": false, "destructive": true, "idempotent": false, "open_world": true},
            "backend_says": {
                "description": "Does it.\u{fffd}[2J", "annotations": {"read_only": true},
                "input_schema": "{\"type\":\"object\"}", "definition_sha256": "ab".repeat(32),
            },
        });
        assert_eq!(shown, expected);
        // A person reads it too; nobody else does, and nobody of another org.
        assert_eq!(seen.running.get(0, "/v1/drafts").await.json(200)["items"][0]["name"], "files/read");
        for tier in [Tier::Standard, Tier::Agent] {
            let key = seen.running.key(ORG, tier.as_str(), tier).await;
            send(seen.running.address, "GET", "/v1/drafts", &key, "").await.problem(403, "cannot_configure");
        }
        let other = seen.running.key("globex", "ops", Tier::Management).await;
        let path = "/v1/drafts/files%2Fread";
        send(seen.running.address, "GET", path, &other, "").await.problem(404, "not_found");
        let accept = format!("{other}Content-Type: application/json\r\n");
        let body = format!("{{\"annotations\":{ALL_FOUR}}}");
        for (path, body) in [("accept", body.as_str()), ("reject", "{}"), ("reject", r#"{"disable":true}"#)] {
            let path = format!("/v1/drafts/files%2Fread/{path}");
            send(seen.running.address, "POST", &path, &accept, body).await.problem(404, "not_found");
        }
        let session = format!("Authorization: Bearer {}\r\n", seen.running.sessions[0].expose());
        send(seen.running.address, "DELETE", path, &session, "").await.problem(403, "cannot_configure");
    });
}

#[test]
fn what_is_accepted_is_in_the_policy_as_it_was_accepted() {
    on_both(async |database| {
        let seen = Seen::of(&database, AWKWARD.map(tool).to_vec()).await;
        for bad in [
            "{}",
            r#"{"annotations":{"read_only":true}}"#,
            &format!(r#"{{"annotations":{ALL_FOUR},"status":"draft"}}"#),
            &format!(r#"{{"annotations":{ALL_FOUR},"tags":["a\u0000"]}}"#),
        ] {
            seen.accept(AWKWARD[0], bad).await.problem(422, "body_unexpected");
        }
        let unknown = format!(r#"{{"annotations":{ALL_FOUR},"category":"nowhere"}}"#);
        seen.accept(AWKWARD[0], &unknown).await.problem(422, "policy_refused");
        assert_eq!((seen.list("").await.len(), seen.tools().await.len()), (AWKWARD.len(), 0));

        for (place, name) in AWKWARD.into_iter().enumerate() {
            let body = format!("{{\"annotations\":{ALL_FOUR}}}");
            let decided = seen.accept(name, &body).await.json(200);
            assert_eq!(
                (&decided["draft"]["name"], &decided["draft"]["state"]),
                (&json!(name), &json!("accepted"))
            );
            assert_eq!(
                (&decided["revision"], &decided["draft"]["decided_by"]),
                (&json!(place + 1), &json!("ops"))
            );
            seen.accept(name, &body).await.problem(409, "draft_accepted");
        }
        let names: Vec<_> = seen.tools().await.iter().map(|tool| tool["name"].clone()).collect();
        assert_eq!(names, AWKWARD);
        assert_eq!((seen.list("").await.len(), seen.list("?state=accepted").await.len()), (0, AWKWARD.len()));
    });
}

#[test]
fn everything_that_is_said_of_a_tool_is_kept() {
    on_both(async |database| {
        let seen =
            Seen::of(&database, vec![tool("read"), SeenTool { definition_sha256: None, ..tool("odd") }])
                .await;
        let body = format!(
            r#"{{"annotations":{ALL_FOUR},"default":"allowed","status":"approved","tags":["a","b"],"pin_definition":true}}"#
        );
        seen.accept("odd", &body).await.problem(409, "no_definition");
        let stale = seen.send("POST", "/v1/drafts/read/accept", "If-Match: \"7\"\r\n", &body).await;
        stale.problem(412, "version_changed");
        let once = "Idempotency-Key: one\r\nIf-Match: \"1\"\r\n";
        let first = seen.send("POST", "/v1/drafts/read/accept", once, &body).await;
        let again = seen.send("POST", "/v1/drafts/read/accept", once, &body).await;
        assert_eq!((first.json(200), again.field("idempotency-replayed")), (again.json(200), Some("true")));
        let expected = json!({
            "name": "read", "status": "approved", "default": "allowed", "tags": ["a", "b"],
            "annotations": serde_json::from_str::<Value>(ALL_FOUR).unwrap(), "definition_sha256": "ab".repeat(32),
        });
        assert_eq!(seen.tools().await, [expected]);
    });
}

#[test]
fn what_is_rejected_is_not_shown_again_until_it_is_forgotten() {
    on_both(async |database| {
        let seen = Seen::of(&database, ["a", "b"].map(tool).to_vec()).await;
        assert_eq!(seen.reject("a", "{}").await.json(200)["draft"]["state"], "rejected");
        let disabled = seen.reject("b", r#"{"disable":true}"#).await.json(200);
        assert_eq!((&disabled["draft"]["state"], &disabled["revision"]), (&json!("rejected"), &json!(1)));
        assert_eq!(seen.tools().await, [json!({"name": "b", "enabled": false})]);
        seen.tell(ORG, ["a", "b", "c"].map(tool).to_vec()).await;
        wait_for(&seen, &["c"]).await;
        assert_eq!(seen.list("?state=rejected").await, ["b", "a"]);
        // Somebody changes their mind about one, and the other is the policy's by now.
        seen.accept("b", &format!("{{\"annotations\":{ALL_FOUR}}}")).await.problem(409, "tool_listed");
        let forgotten = seen.send("DELETE", "/v1/drafts/a", "", "").await;
        assert_eq!((forgotten.status, seen.send("DELETE", "/v1/drafts/a", "", "").await.status), (204, 404));
        seen.tell(ORG, vec![tool("a")]).await;
        wait_for(&seen, &["a", "c"]).await;
        // What the policy lists meanwhile is no draft any more.
        let policy = r#"{"format":1,"org":"acme","tools":[{"name":"a"}]}"#;
        assert_eq!(seen.send("PUT", "/v1/policy", "If-Match: \"1\"\r\n", policy).await.status, 200);
        assert_eq!(seen.list("").await, ["c"]);
    });
}

/// Waits until these are the drafts, newest first.
async fn wait_for(seen: &Seen, names: &[&str]) {
    for _ in 0..1000 {
        if seen.list("").await == names {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{names:?}: {:?}", seen.list("").await);
}

#[test]
fn drafts_are_read_page_by_page() {
    on_both(async |database| {
        let names: Vec<String> = (0..7).map(|number| format!("tool.{number}")).collect();
        let seen = Seen::of(&database, names.iter().map(|name| tool(name)).collect()).await;
        let (mut read, mut query) = (Vec::new(), "?limit=3&backend=notes".to_owned());
        loop {
            let page = seen.send("GET", &format!("/v1/drafts{query}"), "", "").await.json(200);
            read.extend(page["items"].as_array().unwrap().iter().map(|item| item["name"].clone()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            query = format!("?limit=3&backend=notes&cursor={cursor}");
        }
        assert_eq!(read, names.iter().rev().cloned().collect::<Vec<_>>());
        assert_eq!(seen.list("?backend=other").await, [""; 0]);
        for bad in
            ["?limit=0", "?limit=201", "?state=gone", "?cursor=%21", "?cursor=MS4A", "?backend=a%00", "?x=1"]
        {
            seen.send("GET", &format!("/v1/drafts{bad}"), "", "").await.problem(400, "query_unexpected");
        }
    });
}

#[test]
fn drafts_are_as_the_description_says() {
    on_both(async |database| {
        let seen = Seen::of(&database, vec![tool("a")]).await;
        let document = send(seen.running.address, "GET", "/openapi.json", "", "").await.json(200);
        let accept = format!(r#"{{"annotations":{ALL_FOUR},"tags":["x"]}}"#);
        for (method, path, body, status) in [
            ("get", "/v1/drafts", "", 200),
            ("get", "/v1/drafts/{name}", "", 200),
            ("post", "/v1/drafts/{name}/accept", "{}", 422),
            ("post", "/v1/drafts/{name}/reject", "{}", 200),
            ("post", "/v1/drafts/{name}/accept", &accept, 200),
            ("post", "/v1/drafts/{name}/reject", "{}", 409),
            ("delete", "/v1/drafts/{name}", "", 204),
            ("get", "/v1/drafts/{name}", "", 404),
        ] {
            let answer = seen.send(&method.to_uppercase(), &path.replace("{name}", "a"), "", body).await;
            assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
            if status == 204 {
                assert!(document["paths"][path][method]["responses"]["204"].is_object());
            } else {
                openapi::check(&document, path, method, &answer);
            }
        }
    });
}
