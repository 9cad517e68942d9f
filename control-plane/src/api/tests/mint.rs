//! The older flow as a whole: a grant is minted, burned by the backend, and what became of the call is logged.

use super::checks::start;
use super::receipts::{grant, redeem, signed};
use super::*;

const PATH: &str = "/v1/tokens/mint";

#[test]
fn a_grant_is_minted_burned_and_logged() {
    on_both(async |database| {
        let (running, manager, runtime) = start(&database).await;
        let backend = running.key(ORG, "files-1", Tier::Standard).await;
        let call = json!({"backend": "files", "tool": "read", "args": {"path": "/srv/a"}, "resource": "r1"});
        let minted = running.post(&runtime, PATH, &call).await.json(201);
        assert_eq!((&minted["permission"], &minted["use"]), (&json!("allowed"), &json!("grant")));

        let mut shown = call.clone();
        shown["receipt"] = minted["receipt"].clone();
        for (field, value) in [("args", json!({"path": "/srv/b"})), ("resource", json!("r2"))] {
            let mut other = shown.clone();
            other[field] = value;
            redeem(&running, &backend, &other).await.problem(422, "receipt_refused");
        }
        let claims = redeem(&running, &backend, &shown).await.json(200)["claims"].clone();
        assert_eq!((&claims["jti"], &claims["sub"]), (&minted["jti"], &json!("runtime")));
        redeem(&running, &backend, &shown).await.problem(409, "receipt_refused");
        let outcome = json!({"jti": claims["jti"], "outcome": "success", "status": 200});
        running.post(&backend, "/v1/executions", &outcome).await.json(201);

        let activity = send(running.address, "GET", "/v1/activity?limit=200", &manager, "").await.json(200);
        let items = activity["items"].as_array().unwrap();
        let done: Vec<_> = items.iter().rev().filter_map(|item| item["action"].as_str()).collect();
        let flow = [
            "token.mint",
            "receipt.refuse",
            "receipt.refuse",
            "receipt.redeem",
            "receipt.refuse",
            "execution.log",
        ];
        assert!(done.ends_with(&flow), "{done:?}");
    });
}

#[test]
fn what_is_not_allowed_gets_no_grant_and_is_told_what_was_found() {
    on_both(async |database| {
        let (running, manager, runtime) = start(&database).await;
        let mint = async |key: &str, call: &Value| running.post(key, PATH, call).await;
        for (tool, permission) in
            [("refund", "requires_approval"), ("drop", "disabled"), ("seen", "requires_approval")]
        {
            let answer = mint(&runtime, &json!({"backend": "files", "tool": tool})).await;
            answer.problem(403, "not_allowed");
            let problem: Value = serde_json::from_str(&answer.body).unwrap();
            let verdict = &problem["verdict"];
            assert_eq!(
                (&verdict["permission"], &verdict["use"]),
                (&json!(permission), &json!("verdict")),
                "{tool}"
            );
            assert!(verdict["level"].is_string(), "{problem}");
            // The receipt in it is evidence, and lets nothing run.
            let shown = json!({"receipt": verdict["receipt"], "backend": "files"});
            redeem(&running, &runtime, &shown).await.problem(422, "receipt_refused");
        }
        mint(&manager, &json!({"backend": "files", "tool": "read"})).await.problem(403, "cannot_run");
        mint(&runtime, &json!({"tool": "read"})).await.problem(422, "body_unexpected");
        let other = running.key("other", "runtime", Tier::Standard).await;
        mint(&other, &json!({"backend": "files", "tool": "read"})).await.problem(409, "no_policy");

        // A grant of one organisation is nothing in another.
        let theirs = json!({"receipt": signed(&grant(1)), "backend": "files"});
        redeem(&running, &other, &theirs).await.problem(422, "receipt_refused");
    });
}
