//! Permissions checked over a real port, each verdict with a receipt that the receipt crate verifies.

use receipt::{Claims, Coordinates, Expected, KeySet, Use, verify};
use tokio::task::JoinSet;

use super::receipts::{vectors, with_receipts};
use super::*;
use crate::clock;

const CASCADE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/cascade.json"));

pub(super) const CHECK: &str = "/v1/permissions/check";
const VALIDATE: &str = "/v1/params/validate";

/// Every kind of verdict, and a tool with a schema.
const POLICY: &str = r#"{"format":1,"org":"acme",
"tools":[{"name":"read","status":"approved"},
         {"name":"refund","input_schema":{"type":"object","properties":{"amount":{"type":"number","maximum":100}},"required":["amount"]}},
         {"name":"drop","enabled":false},
         {"name":"seen","status":"draft"}],
"rules":[{"id":"refunds","tool":"refund","permission":"requires_approval","reason":"ask first"},
         {"id":"theirs","tenant":"t2","tool":"refund","permission":"disabled"},
         {"id":"why","tool":"why","permission":"allowed","when":"reasoning == 'because' && caller.kind == 'standard'"},
         {"id":"broken","tool":"broken","permission":"disabled","when":"args.a.b.c"},
         {"id":"wild","resource":"open/*","permission":"allowed"}]}"#;

pub(super) async fn put_policy(running: &Running, manager: &str, policy: &str, revision: u64) {
    let fields = format!("{manager}Content-Type: application/json\r\nIf-Match: \"{revision}\"\r\n");
    send(running.address, "PUT", "/v1/policy", &fields, policy).await.json(200);
}

/// A key of the organisation that may name its tenant with each call, made through the API.
pub(super) async fn runtime(running: &Running, manager: &str, id: &str) -> String {
    let body = json!({"id": id, "tier": "standard", "tenant": "t1", "may_name_tenant": true});
    let made = running.post(manager, "/v1/keys", &body).await.json(201);
    format!("Authorization: Bearer {}\r\n", made["key"].as_str().unwrap_or_else(|| panic!("{made}")))
}

/// A control plane with receipts and the policy, its management key, and the key of a program.
pub(super) async fn start(database: &Database) -> (Running, String, String) {
    let running = Running::with(with_receipts(database), &[approver("ada", true, false)]).await;
    let manager = running.key(ORG, "ops", Tier::Management).await;
    put_policy(&running, &manager, POLICY, 0).await;
    let runtime = runtime(&running, &manager, "runtime").await;
    (running, manager, runtime)
}

/// The claims of an answer's receipt, which must be good for exactly that call and nothing else.
fn claims(answer: &Value, caller: &str, body: &Value, tenant: Option<&str>) -> Claims<'static> {
    let keys = KeySet::from_jwks(vectors()["keys"].to_string().as_bytes()).unwrap();
    let is_allowed = answer["permission"] == "allowed";
    assert_eq!(answer["use"], if is_allowed { "grant" } else { "verdict" });
    let args = body.get("args").map_or_else(|| "{}".to_owned(), Value::to_string);
    let coordinates = Coordinates {
        org: Some(ORG),
        tenant,
        resource: body["resource"].as_str(),
        tool: body["tool"].as_str(),
        method: body["method"].as_str(),
    };
    let expected = Expected {
        use_: Some(if is_allowed { Use::Grant } else { Use::Verdict }),
        ..Expected::grant(body["backend"].as_str().unwrap(), caller, coordinates, &args)
    };
    let token = answer["receipt"].as_str().unwrap();
    let claims = verify(&keys, token, &expected, clock::now().seconds()).unwrap();
    let said = json!({"permission": claims.verdict, "level": claims.level, "rule": claims.rule, "policy": claims.policy, "jti": claims.jti});
    for (field, value) in said.as_object().unwrap() {
        assert_eq!(value, &answer[field], "{field} of {answer}");
    }
    assert_eq!((claims.iss.as_ref(), claims.exp), ("control", claims.iat + 300));
    claims
}

#[test]
fn every_verdict_agrees_and_its_receipt_is_genuine() {
    on_both(async |database| {
        let running = Running::with(with_receipts(&database), &[]).await;
        let manager = running.key(ORG, "ops", Tier::Management).await;
        let body = json!({"id": "runtime", "tier": "standard", "may_name_tenant": true});
        let made = running.post(&manager, "/v1/keys", &body).await.json(201);
        let key = format!("Authorization: Bearer {}\r\n", made["key"].as_str().unwrap());
        let cases: Vec<Value> = serde_json::from_str(CASCADE).unwrap();
        let mut checked = 0;
        for (number, case) in cases.iter().enumerate() {
            let revision = u64::try_from(number).unwrap();
            put_policy(&running, &manager, &case["policy"].to_string(), revision).await;
            let mut asked = JoinSet::new();
            for query in case["queries"].as_array().unwrap().clone() {
                let mut body = query["query"].clone();
                body["backend"] = json!("files");
                let fields = format!("{key}Content-Type: application/json\r\n");
                let address = running.address;
                asked.spawn(async move {
                    (send(address, "POST", CHECK, &fields, &body.to_string()).await, body, query)
                });
            }
            while let Some(answered) = asked.join_next().await {
                let (answer, body, query) = answered.unwrap();
                let answer = answer.json(200);
                claims(&answer, "runtime", &body, body["tenant"].as_str());
                assert_eq!(answer["policy"], revision + 1);
                for field in ["permission", "level", "rule", "clamped"] {
                    assert_eq!(answer[field], query["verdict"][field], "policy {number}, {query}: {field}");
                }
                checked += 1;
            }
        }
        assert_eq!(checked, 2400);
        let metrics = send(running.address, "GET", "/metrics", "", "").await.body;
        let number = |name: &str| {
            let line =
                metrics.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}"));
            line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
        };
        assert_eq!(number("oakgate_activity_group_records_sum"), 2400.0);
        let groups = number("oakgate_activity_group_records_count");
        assert!(groups < 2400.0, "each of {groups} records was committed by itself");
    });
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn a_check_says_why_and_for_whom() {
    on_both(async |database| {
        let (running, manager, runtime) = start(&database).await;
        let agent = running.key(ORG, "agent-7", Tier::Agent).await;
        let plain = running.key(ORG, "plain", Tier::Standard).await;
        let cases = [
            (
                &runtime,
                "runtime",
                json!({"tool": "read"}),
                Some("t1"),
                json!({"permission": "allowed", "level": "tool-approved"}),
            ),
            (
                &agent,
                "agent-7",
                json!({"tool": "read"}),
                None,
                json!({"permission": "allowed", "level": "tool-approved"}),
            ),
            (
                &runtime,
                "runtime",
                json!({"tool": "refund", "args": {"amount": 1e3}, "method": "post"}),
                Some("t1"),
                json!({"permission": "requires_approval", "level": "org/tool", "rule": "refunds", "reason": "ask first"}),
            ),
            (
                &runtime,
                "runtime",
                json!({"tool": "refund", "tenant": "t2"}),
                Some("t2"),
                json!({"permission": "disabled", "level": "tenant/tool", "rule": "theirs"}),
            ),
            (
                &runtime,
                "runtime",
                json!({"tool": "drop"}),
                Some("t1"),
                json!({"permission": "disabled", "level": "gate/tool-disabled"}),
            ),
            (
                &runtime,
                "runtime",
                json!({"tool": "seen", "resource": "open/1"}),
                Some("t1"),
                json!({"permission": "requires_approval", "level": "org/resource", "rule": "wild", "clamped": true}),
            ),
            (
                &runtime,
                "runtime",
                json!({"tool": "why", "reasoning": "because"}),
                Some("t1"),
                json!({"permission": "allowed", "level": "org/tool", "rule": "why"}),
            ),
            (
                &agent,
                "agent-7",
                json!({"tool": "why", "reasoning": "because"}),
                None,
                json!({"permission": "requires_approval", "level": "fail-safe"}),
            ),
            (
                &plain,
                "plain",
                json!({"tool": "broken", "args": {"a": 1}}),
                None,
                json!({"permission": "disabled", "level": "org/tool", "rule": "broken", "faults": ["broken"]}),
            ),
        ];
        for (key, caller, mut body, tenant, expected) in cases {
            body["backend"] = json!("files");
            let answer = running.post(key, CHECK, &body).await.json(200);
            for field in ["permission", "level", "rule", "reason", "clamped", "faults"] {
                assert_eq!(answer[field], expected[field], "{body}: {field}");
            }
            let claims = claims(&answer, caller, &body, tenant);
            assert_eq!(
                answer["expires_at"],
                json!(super::super::moment::Moment(::policy::UnixMillis(claims.exp * 1000)))
            );
        }

        // Where verdicts are only observed, no call may run for that.
        put_policy(&running, &manager, &POLICY.replacen("\"org\"", "\"mode\":\"observe\",\"org\"", 1), 1)
            .await;
        for (tool, permission) in [("refund", "requires_approval"), ("drop", "disabled"), ("read", "allowed")]
        {
            let body = json!({"tool": tool, "backend": "files"});
            let answer = running.post(&runtime, CHECK, &body).await.json(200);
            assert_eq!(answer["permission"], permission);
            assert!(!claims(&answer, "runtime", &body, Some("t1")).observed);
        }
    });
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn calls_that_cannot_be_decided_are_refused_by_name() {
    on_both(async |database| {
        let (running, manager, runtime) = start(&database).await;
        let plain = running.key(ORG, "plain", Tier::Standard).await;
        let stranger = running.key("other", "plain", Tier::Standard).await;
        let session = format!("Authorization: Bearer {}\r\n", running.sessions[0].expose());
        let unknown =
            "Authorization: Bearer oak_live_0123456789012345678901234567890123456789012\r\n".to_owned();
        let call = |more: Value| {
            let mut body = json!({"backend": "files", "tool": "read"});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            body.to_string()
        };
        let long = |length: usize| "x".repeat(length);
        let cases = [
            (&manager, call(json!({})), 403, "cannot_run"),
            (&session, call(json!({})), 403, "cannot_run"),
            (&unknown, call(json!({})), 401, "unauthenticated"),
            (&stranger, call(json!({})), 409, "no_policy"),
            (&plain, call(json!({"tenant": "t1"})), 403, "cannot_name_tenant"),
            (&runtime, "{".to_owned(), 400, "body_not_json"),
            (&runtime, r#"{"tool":"read"}"#.to_owned(), 422, "body_unexpected"),
            (
                &runtime,
                r#"{"backend":"files","tool":"read","tool":"drop"}"#.to_owned(),
                422,
                "body_unexpected",
            ),
            (&runtime, call(json!({"org": "other"})), 422, "body_unexpected"),
            (&runtime, call(json!({"tool": 1})), 422, "body_unexpected"),
            (&runtime, call(json!({"backend": ""})), 422, "call_unexpected"),
            (&runtime, call(json!({"backend": long(257)})), 422, "call_unexpected"),
            (&runtime, call(json!({"tool": long(257)})), 422, "call_unexpected"),
            (&runtime, call(json!({"tool": "a\u{0}b"})), 422, "call_unexpected"),
            (&runtime, call(json!({"tenant": "a\u{0}b"})), 422, "call_unexpected"),
            (&runtime, call(json!({"resource": long(2049)})), 422, "call_unexpected"),
            (&runtime, call(json!({"resource": "\"".repeat(513)})), 422, "call_unexpected"),
            (&runtime, call(json!({"reasoning": long(2049)})), 422, "call_unexpected"),
            (&runtime, call(json!({"args": []})), 422, "args_unexpected"),
            (&runtime, call(json!({"args": "{}"})), 422, "args_unexpected"),
            (&runtime, call(json!({"args": 9_007_199_254_740_992_u64})), 422, "args_unexpected"),
            (
                &runtime,
                r#"{"backend":"files","tool":"read","args":{"n":9007199254740992}}"#.to_owned(),
                422,
                "args_unexpected",
            ),
            (
                &runtime,
                r#"{"backend":"files","tool":"read","args":{"n":1,"n":2}}"#.to_owned(),
                422,
                "args_unexpected",
            ),
            (&runtime, call(json!({"args": {"x": long(256 * 1024)}})), 413, "body_too_large"),
        ];
        for (key, body, status, code) in cases {
            let fields = format!("{key}Content-Type: application/json\r\n");
            let answer = send(running.address, "POST", CHECK, &fields, &body).await;
            assert_eq!(
                answer.status,
                status,
                "{}: {}",
                body.chars().take(80).collect::<String>(),
                answer.body
            );
            answer.problem(status, code);
        }
        send(running.address, "POST", CHECK, &runtime, "{}").await.problem(415, "content_type");
        let list = running.get(0, "/v1/activity?action=permission.check").await.json(200);
        assert_eq!(list, json!({"items": []}), "what is not answered with a verdict is no check");

        let largest = call(json!({"args": {"n": 9_007_199_254_740_991_u64}}));
        let fields = format!("{runtime}Content-Type: application/json\r\n");
        send(running.address, "POST", CHECK, &fields, &largest).await.json(200);
        let bare = Running::start(&database, &[]).await;
        bare.post(&runtime, CHECK, &json!({"backend": "files", "tool": "read"}))
            .await
            .problem(503, "receipts_off");
    });
}

#[test]
fn a_check_answers_for_the_policy_and_the_key_of_the_moment() {
    on_both(async |database| {
        let (running, manager, runtime) = start(&database).await;
        let other = Running::with(with_receipts(&database), &[]).await;
        let body = json!({"backend": "files", "tool": "read"});
        for running in [&running, &other] {
            assert_eq!(running.post(&runtime, CHECK, &body).await.json(200)["permission"], "allowed");
        }
        put_policy(&other, &manager, &POLICY.replace(r#""status":"approved""#, r#""enabled":false"#), 1)
            .await;
        for running in [&running, &other] {
            let answer = running.post(&runtime, CHECK, &body).await.json(200);
            assert_eq!((&answer["permission"], &answer["policy"]), (&json!("disabled"), &json!(2)));
        }
        let fields = format!("{manager}Content-Type: application/json\r\n");
        send(other.address, "POST", "/v1/keys/runtime/revoke", &fields, "").await.json(200);
        running.post(&runtime, CHECK, &body).await.problem(401, "unauthenticated");
    });
}

#[test]
fn arguments_are_held_against_the_schema() {
    on_both(async |database| {
        let (running, manager, runtime) = start(&database).await;
        let agent = running.key(ORG, "agent-7", Tier::Agent).await;
        let wrong = |path: &str, message: &str| json!([{"path": path, "message": message}]);
        for (body, valid, checked, errors) in [
            (json!({"tool": "refund", "args": {"amount": 1}}), true, true, json!([])),
            (
                json!({"tool": "refund", "args": {"amount": 101}}),
                false,
                true,
                wrong("/amount", "must be at most 100"),
            ),
            (
                json!({"tool": "refund", "args": {"amount": "1"}}),
                false,
                true,
                wrong("/amount", "must be of type number"),
            ),
            (json!({"tool": "refund"}), false, true, wrong("", "must have \"amount\"")),
            (json!({"tool": "read", "args": {"any": ["thing"]}}), true, false, json!([])),
        ] {
            for key in [&runtime, &agent] {
                let answer = running.post(key, VALIDATE, &body).await.json(200);
                assert_eq!(answer, json!({"valid": valid, "checked": checked, "errors": errors}), "{body}");
            }
        }
        for (key, body, status, code) in [
            (&runtime, json!({"tool": "unknown", "args": {}}), 404, "tool_unknown"),
            (&runtime, json!({"tool": "read", "args": 1}), 422, "args_unexpected"),
            (&runtime, json!({"args": {}}), 422, "body_unexpected"),
            (&manager, json!({"tool": "read"}), 403, "cannot_run"),
        ] {
            running.post(key, VALIDATE, &body).await.problem(status, code);
        }
    });
}

#[test]
fn arguments_that_cannot_be_checked_are_not_valid_either() {
    on_both(async |database| {
        let (running, _, runtime) = start(&database).await;
        let json = format!("{runtime}Content-Type: application/json\r\n");
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(5000), "]".repeat(5000));
        for (args, status) in [
            (r#"{"amount":1}"#, 200),
            (r#"{"amount":9007199254740991}"#, 200),
            (r#"{"amount":9007199254740993}"#, 422),
            (r#"{"amount":99999999999999999999999999}"#, 422),
            (r#"{"amount":1e999}"#, 422),
            (r#"{"amount":500,"amount":50}"#, 422),
            (r#"{"\u0061mount":500,"amount":1}"#, 422),
            (r#"{"x":"\ud800"}"#, 422),
            ("[]", 422),
            ("null", 200),
            (&deep, 422),
        ] {
            for (path, more) in [(CHECK, r#","backend":"files""#), (VALIDATE, "")] {
                let body = format!(r#"{{"tool":"read","args":{args}{more}}}"#);
                let answer = send(running.address, "POST", path, &json, &body).await;
                assert_eq!(answer.status, status, "{path} {args:.50}: {}", answer.body);
            }
        }
    });
}

#[test]
fn what_cannot_be_recorded_is_not_answered() {
    on_both(async |database| {
        let (running, _, runtime) = start(&database).await;
        let body = json!({"backend": "files", "tool": "read"});
        database.sql("ALTER TABLE activity RENAME TO elsewhere").await;
        for _ in 0..3 {
            running.post(&runtime, CHECK, &body).await.problem(503, "store_failed");
        }
        database.sql("ALTER TABLE elsewhere RENAME TO activity").await;
        running.post(&runtime, CHECK, &body).await.json(200);
        let list = running.get(0, "/v1/activity?action=permission.check").await.json(200);
        assert_eq!(list["items"].as_array().unwrap().len(), 1, "{list}");
        let metrics = send(running.address, "GET", "/metrics", "", "").await.body;
        for line in [
            "oakgate_activity_failures_total 3",
            "oakgate_activity_queued 0",
            "oakgate_activity_group_records_count 1",
            "oakgate_permission_checks_total{permission=\"allowed\"} 1",
        ] {
            assert!(metrics.lines().any(|found| found == line), "{line} is missing in\n{metrics}");
        }
    });
}
