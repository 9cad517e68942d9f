//! What became of calls, through the API.

use super::receipts::{grant, redeem, signed, with_receipts};
use super::*;
use crate::fixture::AGENT;

const PATH: &str = "/v1/executions";

fn jti(number: u8) -> String {
    receipt::Nonce([number; 16]).to_string()
}

/// Redeems a grant for a tool.
async fn run(running: &Running, key: &str, number: u8, tool: &'static str) {
    let claims = receipt::Claims { tool: Some(tool.into()), ..grant(number) };
    redeem(running, key, &json!({"receipt": signed(&claims), "backend": "files"})).await.json(200);
}

#[test]
fn what_became_of_a_call_is_logged_once() {
    on_both(async |database| {
        let running = Running::with(with_receipts(&database), &[]).await;
        let key = running.key(ORG, "files-1", Tier::Standard).await;
        let agent = running.key(ORG, AGENT, Tier::Agent).await;
        let stranger = running.key("other", "files-1", Tier::Standard).await;
        let manager = running.key(ORG, "manager", Tier::Management).await;
        let body =
            json!({"jti": jti(1), "outcome": "success", "status": 200, "duration_ms": 12, "note": "fine\n"});
        running.post(&key, PATH, &body).await.problem(404, "not_found");
        run(&running, &key, 1, "write_file").await;
        running.post(&stranger, PATH, &body).await.problem(404, "not_found");
        running.post(&agent, PATH, &body).await.problem(404, "not_found");
        running.post(&manager, PATH, &body).await.problem(403, "cannot_run");
        for (field, value, code) in [
            ("jti", json!("x"), "body_unexpected"),
            ("outcome", json!("open"), "body_unexpected"),
            ("outcome", json!(null), "body_unexpected"),
            ("status", json!(-1), "body_unexpected"),
            ("duration_ms", json!(1.5), "body_unexpected"),
            ("note", json!("a\0b"), "body_unexpected"),
            ("note", json!("x".repeat(1001)), "note_too_long"),
            ("more", json!(1), "body_unexpected"),
        ] {
            let mut wrong = body.clone();
            wrong[field] = value;
            running.post(&key, PATH, &wrong).await.problem(422, code);
        }

        let repeated = format!("{key}Idempotency-Key: k1\r\n");
        let first = running.post(&repeated, PATH, &body).await;
        let logged = first.json(201);
        for (field, value) in [
            ("jti", json!(jti(1))),
            ("outcome", json!("success")),
            ("status", json!(200)),
            ("duration_ms", json!(12)),
            ("note", json!("fine\n")),
            ("tool", json!("write_file")),
            ("tenant", json!("t1")),
            ("caller", json!(AGENT)),
            ("redeemed_by", json!("files-1")),
            ("logged_by", json!("files-1")),
        ] {
            assert_eq!(logged[field], value, "{field}");
        }
        let again = running.post(&repeated, PATH, &body).await;
        assert_eq!((again.json(201), again.field("idempotency-replayed")), (logged, Some("true")));
        running.post(&key, PATH, &body).await.problem(409, "already_logged");
        let other = json!({"jti": jti(1), "outcome": "failed"});
        running.post(&key, PATH, &other).await.problem(409, "already_logged");

        run(&running, &agent, 2, "write_file").await;
        let own = json!({"jti": jti(2), "outcome": "unknown"});
        assert_eq!(running.post(&agent, PATH, &own).await.json(201)["outcome"], "unknown");
    });
}

#[test]
fn executions_are_listed_by_tool_and_outcome_within_ones_org() {
    on_both(async |database| {
        let running = Running::with(with_receipts(&database), &[approver("ada", true, false)]).await;
        let key = running.key(ORG, "files-1", Tier::Standard).await;
        let manager = running.key(ORG, "manager", Tier::Management).await;
        let stranger = running.key("other", "manager", Tier::Management).await;
        let get = async |key: &str, query: &str| {
            send(running.address, "GET", &format!("{PATH}{query}"), key, "").await
        };
        for number in 1..=5 {
            run(&running, &key, number, if number % 2 == 0 { "read_file" } else { "write_file" }).await;
        }
        for (number, outcome) in [(1, "success"), (2, "error"), (3, "success")] {
            running.post(&key, PATH, &json!({"jti": jti(number), "outcome": outcome})).await.json(201);
        }
        let listed = async |query: &str| {
            let mut found: Vec<Value> = Vec::new();
            let mut cursor = String::new();
            loop {
                let page = get(&manager, &format!("?limit=2{query}{cursor}")).await.json(200);
                found.extend(page["items"].as_array().unwrap().iter().map(|item| item["jti"].clone()));
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break found,
                }
            }
        };
        for (query, numbers) in [
            ("", &[5, 4, 3, 2, 1][..]),
            ("&tool=write_file", &[5, 3, 1]),
            ("&outcome=success", &[3, 1]),
            ("&outcome=open", &[5, 4]),
            ("&tool=read_file&outcome=error", &[2]),
            ("&tool=none", &[]),
        ] {
            let mut found = listed(query).await;
            let mut expected: Vec<_> = numbers.iter().map(|number| json!(jti(*number))).collect();
            // Two of one millisecond are in the order of their nonces.
            found.sort_by_key(Value::to_string);
            expected.sort_by_key(Value::to_string);
            assert_eq!(found, expected, "{query}");
        }
        assert_eq!(get(&stranger, "").await.json(200), json!({"items": []}));
        assert_eq!(running.get(0, PATH).await.json(200)["items"].as_array().unwrap().len(), 5);
        get(&key, "").await.problem(403, "cannot_configure");
        for query in [
            "?limit=0",
            "?limit=201",
            "?outcome=x",
            "?cursor=x",
            "?cursor=MS54",
            "?tool=",
            "?tool=%00",
            "?x=1",
        ] {
            get(&manager, query).await.problem(400, "query_unexpected");
        }
    });
}
