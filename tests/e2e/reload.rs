//! Files that change while the proxy runs, for better and for worse.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Backend, Gate, GateOptions, wait_for};

const CALL: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{}}}"#;
const ALLOWED: &str = "{format: 1, org: acme, tools: [{name: echo, default: allowed}]}";
const DISABLED: &str = "{format: 1, org: acme, tools: [{name: echo, default: disabled}]}";

fn is_allowed(gate: &Gate) -> bool {
    let message = gate.post(CALL).message();
    message.get("error").is_none() && message["result"]["isError"] != json!(true)
}

#[test]
fn a_changed_policy_is_in_force_within_a_moment() {
    let backend = Backend::raw(&[]);
    let gate = Gate::mcp(&backend.url, ALLOWED);
    assert!(is_allowed(&gate));
    let before = gate.admin("/policy").json();
    gate.change_policy(DISABLED);
    assert!(!is_allowed(&gate));
    let after = gate.admin("/policy").json();
    assert!(after["revision"].as_u64() > before["revision"].as_u64(), "{before} {after}");
    assert_ne!(before["sha256"], after["sha256"]);
    assert!(gate.metric("oakgate_policy_revision") > before["revision"].as_f64().unwrap());
    gate.change_policy(ALLOWED);
    assert!(is_allowed(&gate));
}

#[test]
fn a_policy_that_does_not_load_leaves_the_old_one_in_force() {
    let backend = Backend::raw(&[]);
    let gate = Gate::mcp(&backend.url, DISABLED);
    let bad = "
format: 1
org: acme
rules:
  - {id: one, permission: allow}
  - {id: two, tool: e*o, permission: allowed}
  - {id: three, permission: allowed, colour: green}
";
    gate.change_policy(bad);
    assert!(!is_allowed(&gate));
    assert_eq!(gate.metric("oakgate_load_errors{file=\"policy\"}"), 3.0);
    let errors = gate.program.errors().join("\n");
    for rule in ["one", "two", "three"] {
        assert!(errors.contains(&format!("rule `{rule}`")), "{rule}: {errors}");
    }
    assert_eq!(gate.admin("/readyz").status, 200, "the old policy decides");
    wait_for("the policy to age", || (gate.metric("oakgate_policy_age_seconds") > 1.0).then_some(()));
    gate.change_policy(ALLOWED);
    assert!(is_allowed(&gate));
    assert_eq!(gate.metric("oakgate_load_errors{file=\"policy\"}"), 0.0);
    assert!(gate.metric("oakgate_policy_age_seconds") < 1.0);
}

#[test]
fn without_a_policy_nothing_goes_through() {
    let backend = Backend::raw(&[]);
    let gate = Gate::mcp(&backend.url, "{format: 2, org: acme}");
    let ready = gate.admin("/readyz");
    assert_eq!((ready.status, &ready.json()["reasons"][0]), (503, &json!("no policy is in force")));
    assert_eq!(gate.admin("/healthz").status, 200);
    assert_eq!(gate.metric("oakgate_policy_loaded"), 0.0);
    let call = gate.post(CALL).message();
    assert_eq!(call["result"]["_meta"]["oakgate.dev/verdict"]["reason"], "no-policy", "{call}");
    let list = gate.post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
    assert_eq!(list.status, 503, "{}", list.text());
    assert_eq!(backend.log_text(), "");
    gate.change_policy(ALLOWED);
    assert!(is_allowed(&gate));
    assert_eq!(gate.admin("/readyz").status, 200);
}

#[test]
fn keys_come_and_go_while_it_runs() {
    let backend = Backend::raw(&[]);
    let gate = Gate::mcp(&backend.url, ALLOWED);
    assert!(is_allowed(&gate));
    let file = gate.path("keys.yaml");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "[{id: x}]").unwrap();
    wait_for("the refusal", || (gate.metric("oakgate_load_errors{file=\"keys\"}") > 0.0).then_some(()));
    assert!(is_allowed(&gate), "the old keys stay");
    std::fs::write(&file, "[]").unwrap();
    wait_for("the keys to go", || (gate.post(CALL).status == 401).then_some(()));
    std::fs::write(&file, good).unwrap();
    gate.program.signal("-HUP");
    wait_for("the key to come back", || (gate.post(CALL).status == 200).then_some(()));
}

#[test]
fn receipt_keys_rotate_while_it_runs() {
    let folder = Gate::folder(&GateOptions {
        policy: "{format: 1, org: acme, tools: [{name: refund, default: allowed}]}",
        ..GateOptions::default()
    });
    let keys = folder.path().join("receipts.jwks");
    // The backend knows both keys from the start, as a rotation asks for.
    let second = crate::harness::oakgate(&["keys", "receipts", "--id", "receipts-2"], "").1;
    let old = std::fs::read_to_string(&keys).unwrap();
    let both = |signing: usize| {
        let mut set = vec![];
        for (place, text) in [&old, &second].into_iter().enumerate() {
            let mut key = serde_json::from_str::<serde_json::Value>(text).unwrap()["keys"][0].clone();
            key["state"] = json!(if place == signing { "signing" } else { "verifying" });
            set.push(key);
        }
        json!({"keys": set}).to_string()
    };
    std::fs::write(&keys, both(0)).unwrap();
    let backend = Backend::rest(&keys, "pay");
    let file = folder.path().join("oakgate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let backends = format!(
        "  backends:\n    - {{name: pay, kind: rest, path: /pay, url: '{}', routes: [{{match: 'POST /v1/refunds/{{x}}', tool: refund}}]}}\n",
        backend.url
    );
    std::fs::write(&file, text.replace("  backends:\n", &backends)).unwrap();
    let gate = Gate::start_in(folder, false);
    let refund = || {
        gate.send("POST", "/pay/v1/refunds/us", &[("content-type", "application/json")], br#"{"amount":1}"#)
            .status
    };
    assert_eq!(refund(), 201);
    std::fs::write(&keys, both(1)).unwrap();
    wait_for("the second key", || {
        assert_eq!(refund(), 201);
        let last = backend.log().last().unwrap()["headers"]["oakgate-receipt"].as_str().unwrap().to_owned();
        let (_, output, _) = crate::harness::oakgate(&["receipt", "inspect"], &last);
        output.contains("receipts-2").then_some(())
    });
}

#[test]
fn a_candidate_policy_is_compared_and_never_obeyed() {
    let backend = Backend::raw(&[]);
    let folder = Gate::folder(&GateOptions {
        backends: format!("- {{name: tools, kind: mcp, path: /mcp, url: '{}'}}", backend.url),
        policy: ALLOWED,
        ..GateOptions::default()
    });
    let candidate = folder.path().join("candidate.yaml");
    std::fs::write(&candidate, DISABLED).unwrap();
    let file = folder.path().join("oakgate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let with = text.replace(
        "policy: {file: policy.yaml}",
        "policy: {file: policy.yaml, candidate_file: candidate.yaml}",
    );
    std::fs::write(&file, with).unwrap();
    let gate = Gate::start_in(folder, false);
    let changes = |change: &str| gate.metric(&format!("oakgate_candidate_total{{change=\"{change}\"}}"));
    wait_for("the candidate", || {
        assert!(is_allowed(&gate), "what is in force decides");
        (changes("would_deny") > 0.0).then_some(())
    });
    let logged = || gate.program.errors().join("\n");
    wait_for("a sample", || logged().contains("the candidate policy would decide otherwise").then_some(()));
    assert!(logged().contains("tool-default"), "both explanations are in it: {}", logged());
    std::fs::write(&candidate, "{format: 1, org: acme, tools: [{name: echo, default: requires_approval}]}")
        .unwrap();
    wait_for("would_hold", || {
        assert!(is_allowed(&gate));
        (changes("would_hold") > 0.0).then_some(())
    });
    gate.change_policy(DISABLED);
    wait_for("would_hold again", || {
        assert!(!is_allowed(&gate));
        (changes("would_hold") > 1.0).then_some(())
    });
    std::fs::write(&candidate, ALLOWED).unwrap();
    wait_for("would_allow", || {
        assert!(!is_allowed(&gate));
        (changes("would_allow") > 0.0).then_some(())
    });
    std::fs::write(&candidate, "nonsense").unwrap();
    wait_for("its mistake", || (gate.metric("oakgate_load_errors{file=\"candidate\"}") > 0.0).then_some(()));
    assert!(!is_allowed(&gate));
    assert_eq!(gate.admin("/readyz").status, 200, "a candidate that does not load stops nothing");
}

#[test]
fn an_observing_policy_forwards_and_says_so() {
    let backend = Backend::raw(&[]);
    let policy = "{format: 1, org: acme, mode: observe, tools: [{name: echo, default: disabled}]}";
    let gate = Gate::mcp(&backend.url, policy);
    assert!(is_allowed(&gate));
    assert_eq!(gate.metric("oakgate_observed_total{verdict=\"disabled\"}"), 1.0);
    let intent = gate.records().into_iter().find(|record| record["record"] == "intent").unwrap();
    assert_eq!((&intent["permission"], &intent["observed"]), (&json!("disabled"), &json!(true)), "{intent}");
    let log = backend.log_text();
    let receipt = log.lines().find_map(|line| line.strip_prefix("oakgate-receipt: ")).unwrap();
    let (_, claims, _) = crate::harness::oakgate(&["receipt", "inspect"], receipt);
    assert!(claims.contains(r#""observed":true"#) && claims.contains(r#""verdict":"disabled""#), "{claims}");
}

#[test]
fn a_file_that_is_being_written_is_not_loaded_even_when_asked_to() {
    let backend = Backend::raw(&[]);
    let gate = Gate::mcp(&backend.url, DISABLED);
    wait_for("the start", || {
        (gate.metric("oakgate_loads_total{file=\"policy\",result=\"loaded\"}") > 0.0).then_some(())
    });
    'writing: for written in 0..12 {
        // Each is a whole, looser policy; what counts is that the writer is not done.
        std::fs::write(gate.path("policy.yaml"), format!("{ALLOWED}\n{}", "\n".repeat(written))).unwrap();
        let since = Instant::now();
        for _ in 0..3 {
            gate.program.signal("-HUP");
            let allowed = is_allowed(&gate);
            if since.elapsed() > Duration::from_millis(200) {
                // This machine was too slow to keep the file moving.
                break 'writing;
            }
            assert!(!allowed, "loaded after {:?}", since.elapsed());
        }
    }
    wait_for("the policy that stands still", || is_allowed(&gate).then_some(()));
}
