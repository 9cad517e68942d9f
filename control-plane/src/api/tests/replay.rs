//! What a candidate for the policy would make of calls that were recorded.

use super::checks::{CHECK, put_policy, runtime};
use super::receipts::with_receipts;
use super::*;

const MINT: &str = "/v1/tokens/mint";

/// Refunds wait for people but for small ones; `wipe` is off.
const POLICY: &str = r#"{"format":1,"org":"acme",
"tools":[{"name":"refund"},{"name":"read","status":"approved"}],
"rules":[{"id":"small","tool":"refund","permission":"allowed","when":"args.amount <= 100"},
         {"id":"refunds","tool":"refund","permission":"requires_approval"},
         {"id":"agents","tool":"note","permission":"allowed","when":"caller.kind == 'agent'"},
         {"id":"wipe","tool":"wipe","permission":"disabled"}]}"#;

impl Running {
    async fn diff(&self, key: &str, query: &str, candidate: &str) -> Value {
        let fields = format!("{key}Content-Type: application/json\r\n");
        let path = format!("/v1/policy/diff{query}");
        let mut answer = send(self.address, "POST", &path, &fields, candidate).await.json(200);
        let mut recorded = answer["recorded"].take();
        for list in ["changes", "not_decided"] {
            for item in recorded[list].as_array_mut().unwrap() {
                let newest_at = item.as_object_mut().unwrap().remove("newest_at_unix_ms").unwrap();
                assert!(newest_at.as_u64().unwrap() > 1_700_000_000_000, "{newest_at}");
            }
        }
        recorded
    }
}

/// Two control planes' worth of calls: checked, minted, held, and another organisation's.
async fn start(database: &Database) -> (Running, String) {
    let mut running = Running::with(with_receipts(database), &[approver("ada", true, false)]).await;
    let manager = running.key(ORG, "ops", Tier::Management).await;
    assert_eq!(
        running.diff(&manager, "", POLICY).await["lines"],
        json!(["no recorded calls"]),
        "nothing is recorded yet"
    );
    put_policy(&running, &manager, POLICY, 0).await;
    let runtime = runtime(&running, &manager, "runtime").await;
    let agent = running.key(ORG, "agent-7", Tier::Agent).await;
    running.open(1, r#"{"amount":5}"#).await;
    for (key, path, body, status) in [
        (&runtime, CHECK, json!({"backend": "b", "tool": "refund", "args": {"amount": 50}}), 200),
        (&runtime, CHECK, json!({"backend": "b", "tool": "refund", "args": {"amount": 500}}), 200),
        (&runtime, MINT, json!({"backend": "b", "tool": "refund", "args": {"amount": 501}}), 403),
        (&runtime, CHECK, json!({"backend": "b", "tool": "wipe\nall", "tenant": "t2"}), 200),
        (&agent, CHECK, json!({"backend": "b", "tool": "note", "resource": "n/1", "method": "put"}), 200),
        (&agent, MINT, json!({"backend": "b", "tool": "read"}), 201),
    ] {
        assert_eq!(running.post(key, path, &body).await.status, status, "{body}");
    }
    let other = running.key("other", "ops", Tier::Management).await;
    put_policy(&running, &other, &POLICY.replace("acme", "other"), 0).await;
    let other = running.key("other", "runtime", Tier::Standard).await;
    running.post(&other, CHECK, &json!({"backend": "b", "tool": "wipe"})).await.json(200);
    (running, manager)
}

#[test]
fn recorded_calls_are_decided_again_and_nothing_is_guessed() {
    on_both(async |database| {
        let (running, manager) = start(&database).await;
        let same = running.diff(&manager, "", POLICY).await;
        let expected = json!({"calls": 7, "complete": true, "looser": 0, "stricter": 0, "undecided": 0, "changes": [],
            "not_decided": [], "lines": ["last 7 recorded calls: 0 looser, 0 stricter, 0 not decidable"]});
        assert_eq!(same, expected);

        // The record says what the condition said; of a held call it does not.
        let open = POLICY
            .replace(
                r#""tool":"refund","permission":"requires_approval""#,
                r#""tool":"refund","permission":"allowed""#,
            )
            .replace(r#","when":"caller.kind == 'agent'""#, r#","when":"caller.kind == 'standard'""#);
        let answer = running.diff(&manager, "?recorded=1000", &open).await;
        let expected = json!({
            "calls": 7, "complete": true, "looser": 2, "stricter": 1, "undecided": 1,
            "changes": [
                {"direction": "looser", "calls": 2, "tool": "refund", "tenant": "t1",
                 "old": {"permission": "requires_approval", "level": "org/tool", "rule": "refunds"},
                 "new": {"permission": "allowed", "level": "org/tool", "rule": "refunds"}},
                {"direction": "stricter", "calls": 1, "tool": "note", "resource": "n/1", "method": "put",
                 "old": {"permission": "allowed", "level": "org/tool", "rule": "agents"},
                 "new": {"permission": "requires_approval", "level": "fail-safe"}},
            ],
            "not_decided": [{"calls": 1, "tool": "refund", "resource": "ledger", "depends_on": ["args"]}],
            "lines": [
                "last 7 recorded calls: 2 looser, 1 stricter, 1 not decidable",
                "  tool `refund`; tenant `t1`: requires_approval (org/tool, rule `refunds`) -> allowed (org/tool, rule \
                 `refunds`), 2 of the last 7",
                "  tool `note`; resource `n/1`; method `put`: allowed (org/tool, rule `agents`) -> requires_approval \
                 (fail-safe), 1 of the last 7",
                "  tool `refund`; resource `ledger`: not decidable: depends on arguments, 1 of the last 7",
            ],
        });
        assert_eq!(answer, expected);

        // The two newest alone.
        let two = running.diff(&manager, "?recorded=2", &open).await;
        assert_eq!((&two["calls"], &two["looser"], &two["stricter"]), (&json!(2), &json!(0), &json!(1)));
        let none = running.diff(&manager, "?recorded=0", &open).await;
        assert_eq!(none["lines"], json!(["no recorded calls"]));

        // Another revision than the one that decided: what its conditions said is not known.
        put_policy(&running, &manager, &open, 1).await;
        let closed = POLICY.replace(r#""permission":"allowed""#, r#""permission":"disabled""#);
        let answer = running.diff(&manager, "", &closed).await;
        assert_eq!((&answer["stricter"], &answer["undecided"]), (&json!(1), &json!(4)), "{answer}");
        let before = running.diff(&manager, "?against=1", &closed).await;
        assert_eq!((&before["stricter"], &before["undecided"]), (&json!(2), &json!(1)), "{before}");

        // A name is one line, whatever is in it.
        let wiped = POLICY.replace(r#""tool":"wipe""#, r#""tool":"wipe*""#);
        let answer = running.diff(&manager, "?against=1", &wiped).await;
        let line = r"  tool `wipe\nall`; tenant `t2`: requires_approval (fail-safe) -> disabled (org/tool, rule `wipe`), 1 of the last 7";
        assert_eq!(answer["lines"][1], line);
        for query in ["?recorded=1001", "?recorded=-1", "?recorded=x"] {
            let fields = format!("{manager}Content-Type: application/json\r\n");
            let path = format!("/v1/policy/diff{query}");
            send(running.address, "POST", &path, &fields, POLICY).await.problem(400, "query_unexpected");
        }
    });
}
