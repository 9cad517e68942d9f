//! Issuers' keys in files: replaced while the proxy runs, each listener's by itself.

use serde_json::json;

use super::{POLICY, backends, call, change, folder, gate, token};
use crate::harness::{Backend, Gate, GateOptions, request, wait_for};

#[test]
fn keys_come_from_a_file_too() {
    let (issuer, backend) = (Backend::issuer(&[]), Backend::raw(&[]));
    let jwks = |issuer: &Backend| {
        request(issuer.url.strip_prefix("http://").unwrap(), "GET", "/jwks", &[], b"").text()
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.jwks");
    std::fs::write(&file, jwks(&issuer)).unwrap();
    let listener =
        format!("jwt: {{issuer: '{}', jwks_file: '{}', audience: [x, gate]}}", issuer.url, file.display());
    let gate = gate(&backend, POLICY, &listener, false);
    let old = token(&issuer);
    assert_eq!(call(&gate, &old), "ok");
    let loads = |result: &str| {
        gate.metric(&format!("oakgate_loads_total{{file=\"jwks:agents\",result=\"{result}\"}}"))
    };
    std::fs::write(&file, "{\"keys\": 5}").unwrap();
    wait_for("a refused file", || (loads("refused") > 0.0).then_some(()));
    assert_eq!(call(&gate, &old), "ok");
    change(&issuer, &json!({"rotate": true}));
    std::fs::write(&file, jwks(&issuer)).unwrap();
    wait_for("the new file", || (call(&gate, &token(&issuer)) == "ok").then_some(()));
    assert_eq!(call(&gate, &old), "token-key");
}

#[test]
fn a_broken_file_of_one_listener_does_not_keep_another_ones_keys_in_force() {
    let (issuer, backend) = (Backend::issuer(&[]), Backend::raw(&[]));
    let jwks = || request(issuer.url.strip_prefix("http://").unwrap(), "GET", "/jwks", &[], b"").text();
    let (files, keys) = (tempfile::tempdir().unwrap(), jwks());
    let file = |name: &str| files.path().join(name);
    let jwt = |name: &str| {
        std::fs::write(file(name), &keys).unwrap();
        format!("jwt: {{issuer: '{}', jwks_file: '{}', audience: gate}}", issuer.url, file(name).display())
    };
    let (listener, other) = (jwt("agents.jwks"), jwt("other.jwks"));
    let options = GateOptions {
        backends: backends(&backend),
        policy: POLICY,
        listener: &listener,
        ..GateOptions::default()
    };
    let folder = folder(&options, "jwt");
    let settings = folder.path().join("oakgate.yaml");
    let other = format!("    - {{name: other, address: '127.0.0.1:0', auth: jwt, {other}}}\n  backends:\n");
    let text = std::fs::read_to_string(&settings).unwrap().replace("  backends:\n", &other);
    std::fs::write(&settings, text).unwrap();
    let gate = Gate::start_in(folder, false);
    let old = token(&issuer);
    assert_eq!(call(&gate, &old), "ok");
    std::fs::write(file("other.jwks"), "{\"keys\": 5}").unwrap();
    let refused = "oakgate_loads_total{file=\"jwks:other\",result=\"refused\"}";
    wait_for("a refused file", || (gate.metric(refused) > 0.0).then_some(()));
    change(&issuer, &json!({"rotate": true}));
    std::fs::write(file("agents.jwks"), jwks()).unwrap();
    wait_for("the new keys", || (call(&gate, &token(&issuer)) == "ok").then_some(()));
    assert_eq!(call(&gate, &old), "token-key");
    assert_eq!(gate.metric("oakgate_load_errors{file=\"jwks:agents\"}"), 0.0);
}
