//! Proxies: their tokens, what is seen of them, and what counts as a change of the keys that they know.

use std::sync::Arc;

use policy_sync::PolicyKey;

use super::keys::{bearer, start, text};
use super::*;
use crate::clock;
use crate::key::Key;
use crate::store::{LinkEvent, LinkNote, ProxyLink};

/// Whose link a token opens.
async fn opens(running: &Running, token: &str) -> Option<String> {
    let sha256 = Key::parse(token).unwrap().sha256();
    running.store.proxy_of_token(&sha256, clock::now()).await.unwrap().map(|holder| holder.id)
}

/// The number of changes of an org's keys.
async fn keys_revision(running: &Running) -> u64 {
    running.store.revisions_of(&[ORG.to_owned()]).await.unwrap()[0].keys
}

#[test]
fn a_token_opens_the_link_of_its_proxy_until_it_is_taken_away() {
    on_both(async |database| {
        let (running, admin) = start(&database).await;
        let body =
            json!({"id": "gate-1", "description": "in the north", "expires_at": "2999-01-01T00:00:00Z"});
        let made = running.call(&admin, "POST", "/v1/proxies", &body).await;
        assert_eq!(made.field("location"), Some("/v1/proxies/gate-1"));
        let made = made.json(201);
        let first = text(&made, "key").to_owned();
        // A token as RFC 9110, section 5.6.2, has it: it travels in `Sec-WebSocket-Protocol`.
        let random = first.strip_prefix("oak_proxy_").unwrap();
        assert!(
            random.len() == 43 && random.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
        );
        assert_eq!((text(&made, "tier"), &made["policy_public_key"]), ("proxy", &Value::Null));
        assert_eq!(opens(&running, &first).await.as_deref(), Some("gate-1"));

        let rotate = async |body: Value| {
            let rotated = running.call(&admin, "POST", "/v1/proxies/gate-1/rotate", &body).await.json(200);
            text(&rotated, "key").to_owned()
        };
        let second = rotate(json!({})).await;
        assert!(opens(&running, &first).await.is_some() && opens(&running, &second).await.is_some());
        let third = rotate(json!({"overlap_seconds": 0})).await;
        assert!(opens(&running, &first).await.is_none() && opens(&running, &second).await.is_none());
        let changed = json!({"description": "in the south"});
        let changed = running.call(&admin, "PATCH", "/v1/proxies/gate-1", &changed).await.json(200);
        assert_eq!(text(&changed, "description"), "in the south");
        running.store.run("UPDATE holders SET expires_at_unix_ms = 1 WHERE id = 'gate-1'").await;
        assert_eq!(opens(&running, &third).await, None);
        let forever = json!({"expires_at": null});
        running.call(&admin, "PATCH", "/v1/proxies/gate-1", &forever).await.json(200);
        assert!(opens(&running, &third).await.is_some());
        running.without_body(&admin, "POST", "/v1/proxies/gate-1/revoke").await.json(200);
        assert_eq!(opens(&running, &third).await, None);
        let records = ["create", "rotate", "rotate", "change", "change", "revoke"]
            .map(|deed| format!("management proxy.{deed} gate-1"));
        assert_eq!(running.store.records(ORG).await[1..], records);

        for tier in [Tier::Management, Tier::Standard, Tier::Agent] {
            let key = fixture::key(&running.store, ORG, tier.as_str(), tier).await;
            assert_eq!(opens(&running, key.expose()).await, None, "{tier:?}");
        }
    });
}

#[test]
fn a_proxys_token_asks_nothing() {
    on_both(async |database| {
        let (running, _) = start(&database).await;
        let proxy = running.key(ORG, "gate-1", Tier::Proxy).await;
        let check = json!({"backend": "payments", "tool": "refund"});
        running.without_body(&proxy, "GET", "/v1/proxies/gate-1").await.problem(403, "proxy_cannot_ask");
        running.call(&proxy, "POST", "/v1/permissions/check", &check).await.problem(403, "proxy_cannot_ask");
        running.store.run("UPDATE holders SET revoked_at_unix_ms = 1 WHERE id = 'gate-1'").await;
        running.without_body(&proxy, "GET", "/v1/proxies").await.problem(401, "unauthenticated");
        running.call(&proxy, "POST", "/v1/permissions/check", &check).await.problem(401, "unauthenticated");
    });
}

#[test]
fn what_is_seen_of_proxies_is_shown() {
    on_both(async |database| {
        let key = Arc::new(PolicyKey::generate(&[7; 32]));
        let public_key = key.public().to_string();
        let settings = Settings { policy_key: Some(key), ..settings(&database) };
        let running = Running::with(settings, &[]).await;
        let admin = running.key(ORG, "admin", Tier::Management).await;
        let mut links = Vec::new();
        let now = clock::now();
        for proxy in ["gate-1", "gate-2", "gate-3"] {
            let made = running.call(&admin, "POST", "/v1/proxies", &json!({"id": proxy})).await.json(201);
            assert_eq!(text(&made, "policy_public_key"), public_key);
            let (org, instance) = (ORG.to_owned(), "plane-1".to_owned());
            links.push(Arc::new(ProxyLink { org, proxy: proxy.to_owned(), instance, connected_at: now }));
        }
        let agent = running.call(&admin, "POST", "/v1/agents", &json!({"id": "agent-7"})).await.json(201);
        assert!(agent["policy_public_key"].is_null());
        let note = |link: usize, event| LinkNote { link: Arc::clone(&links[link]), at: now, event };
        let linked = || LinkEvent::Linked { version: "0.1.0".to_owned(), boot: 7 };
        let notes = [
            note(0, linked()),
            note(0, LinkEvent::Policy { revision: 3, sha256: "a".repeat(64) }),
            note(0, LinkEvent::Keys { revision: 4 }),
            note(1, linked()),
            note(1, LinkEvent::Refused { why: "it does not compile".to_owned() }),
            note(1, LinkEvent::Gone),
        ];
        running.store.note_links(&notes).await.unwrap();

        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/v1/proxies?limit=2{cursor}");
            let page = running.without_body(&admin, "GET", &path).await.json(200);
            items.extend(page["items"].as_array().unwrap().clone());
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        let expected = [
            ("gate-1", "connected", json!(3), json!(4), json!(null)),
            ("gate-2", "gone", json!(null), json!(null), json!("it does not compile")),
            ("gate-3", "never", json!(null), json!(null), json!(null)),
        ];
        assert_eq!(items.len(), expected.len());
        for (item, (id, link, policy, keys, refusal)) in items.iter().zip(expected) {
            assert_eq!((text(item, "id"), text(item, "link")), (id, link));
            let last = &item["last_link"];
            let told = [&last["policy_revision"], &last["keys_revision"], &last["last_refusal"]];
            assert_eq!(told, [&policy, &keys, &refusal]);
            let was_linked = link != "never";
            assert_eq!((last["seen_at"].is_string(), last["version"] == "0.1.0"), (was_linked, was_linked));
            assert_eq!(last["control_plane"] == "plane-1", was_linked);
            let age_seconds = last["age_seconds"].as_u64();
            assert_eq!(age_seconds.is_some_and(|age| age < 60), was_linked);
            let mut shown = running.without_body(&admin, "GET", &format!("/v1/proxies/{id}")).await.json(200);
            if was_linked {
                // It may be a second later.
                shown["last_link"]["age_seconds"] = last["age_seconds"].clone();
            }
            assert_eq!(shown, *item);
        }
        running.without_body(&admin, "GET", "/v1/proxies/agent-7").await.problem(404, "not_found");
        running.without_body(&admin, "GET", "/v1/proxies/unknown").await.problem(404, "not_found");
    });
}

#[test]
fn every_change_of_who_may_call_counts_and_nothing_else_does() {
    on_both(async |database| {
        let (running, admin) = start(&database).await;
        let once = format!("{admin}Idempotency-Key: once\r\n");
        let steps = [
            (&admin, "POST", "/v1/keys", json!({"id": "r", "tier": "standard"}), 201, 1),
            (&once, "POST", "/v1/agents", json!({"id": "a"}), 201, 1),
            (&once, "POST", "/v1/agents", json!({"id": "a"}), 201, 0),
            (&admin, "POST", "/v1/agents", json!({"id": "a"}), 409, 0),
            (&admin, "PATCH", "/v1/keys/r", json!({"tenant": "north"}), 200, 1),
            (&admin, "PATCH", "/v1/keys/r", json!({"may_name_tenant": true}), 200, 1),
            (&admin, "PATCH", "/v1/agents/a", json!({"expires_at": "2999-01-01T00:00:00Z"}), 200, 1),
            (&admin, "PATCH", "/v1/agents/a", json!({"expires_at": "2000-01-01T00:00:00Z"}), 422, 0),
            (&admin, "POST", "/v1/keys/r/rotate", json!({}), 200, 1),
            (&admin, "POST", "/v1/keys/r/rotate", json!({"overlap_seconds": 0}), 200, 1),
            (&admin, "POST", "/v1/agents/a/rotate", json!({}), 200, 1),
            (&admin, "POST", "/v1/keys/r/revoke", json!(null), 200, 1),
            (&admin, "POST", "/v1/keys/r/revoke", json!(null), 409, 0),
            (&admin, "POST", "/v1/agents/a/revoke", json!(null), 200, 1),
            (&admin, "POST", "/v1/keys", json!({"id": "m", "tier": "management"}), 201, 0),
            (&admin, "POST", "/v1/keys/m/rotate", json!({}), 200, 0),
            (&admin, "POST", "/v1/keys/m/revoke", json!(null), 200, 0),
            (&admin, "POST", "/v1/proxies", json!({"id": "p"}), 201, 0),
            (&admin, "POST", "/v1/proxies/p/rotate", json!({}), 200, 0),
            (&admin, "POST", "/v1/proxies/p/revoke", json!(null), 200, 0),
            (&admin, "PUT", "/v1/tenants/north", json!({}), 201, 0),
        ];
        for (who, method, path, body, status, counted) in steps {
            let was = keys_revision(&running).await;
            let answer = match &body {
                Value::Null => running.without_body(who, method, path).await,
                body => running.call(who, method, path, body).await,
            };
            assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.body);
            let now = keys_revision(&running).await;
            assert_eq!(now - was, counted, "{method} {path} {body} {status}");
            let (told, _) = running.store.keys_document(ORG).await.unwrap().unwrap();
            assert_eq!(told, now);
        }
    });
}

#[test]
fn a_proxys_name_can_be_in_its_settings() {
    on_both(async |database| {
        let (running, admin) = start(&database).await;
        running.call(&admin, "POST", "/v1/agents", &json!({"id": "taken"})).await.json(201);
        running.call(&admin, "POST", "/v1/proxies", &json!({"id": "gate-1"})).await.json(201);
        let cases = [
            ("POST", "/v1/proxies", json!({"id": "gate 1"}), 422, "name_unexpected"),
            ("POST", "/v1/proxies", json!({"id": "x".repeat(65)}), 422, "name_unexpected"),
            ("POST", "/v1/proxies", json!({"id": ".."}), 422, "name_unexpected"),
            ("POST", "/v1/proxies", json!({"id": "host"}), 422, "id_reserved"),
            ("POST", "/v1/proxies", json!({"id": "a", "tenant": "north"}), 422, "body_unexpected"),
            (
                "POST",
                "/v1/proxies",
                json!({"id": "a", "expires_at": "2000-01-01T00:00:00Z"}),
                422,
                "expiry_past",
            ),
            ("POST", "/v1/proxies", json!({"id": "taken"}), 409, "id_taken"),
            ("PATCH", "/v1/proxies/gate-1", json!({"tenant": "north"}), 422, "tier_has_no_tenant"),
            ("PATCH", "/v1/proxies/taken", json!({}), 404, "not_found"),
            ("PATCH", "/v1/keys/gate-1", json!({}), 404, "not_found"),
        ];
        for (method, path, body, status, code) in cases {
            running.call(&admin, method, path, &body).await.problem(status, code);
        }
        let proxy = running.call(&admin, "POST", "/v1/keys", &json!({"id": "b", "tier": "proxy"})).await;
        proxy.problem(422, "body_unexpected");
        // A good token says no more than that somebody has it.
        let gate = fixture::key(&running.store, ORG, "gate-2", Tier::Proxy).await;
        running
            .without_body(&bearer(gate.expose()), "GET", "/v1/keys")
            .await
            .problem(403, "proxy_cannot_ask");
    });
}
