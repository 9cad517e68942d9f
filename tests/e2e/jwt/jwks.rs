//! Issuers' keys: servers of them that are down, slow, huge or talk nonsense, rotation, and how often they are asked.

use super::*;

#[test]
fn a_key_set_that_can_not_be_had_changes_nothing() {
    let (issuer, backend) = (Backend::issuer(&[]), Backend::raw(&[]));
    change(&issuer, &json!({"jwks": "garbage"}));
    let gate = gate(&backend, POLICY, &jwt(&issuer, ", jwks_refresh_seconds: 1"), false);
    let good = token(&issuer);
    // Nothing was ever there: nobody can say.
    assert_eq!(call(&gate, &good), "credential-unverifiable");
    let unverifiable = send(&gate, &[("authorization", &format!("Bearer {good}"))], &call_of("raw"));
    assert_eq!(unverifiable.status, 503);
    assert!(
        unverifiable.header("retry-after").is_some() && unverifiable.header("www-authenticate").is_none()
    );
    assert!(fetches(&gate, "unreadable") > 0.0);
    change(&issuer, &json!({"jwks": "good"}));
    wait_for("the keys", || (call(&gate, &good) == "ok").then_some(()));
    for (what, result) in [
        ("garbage", "unreadable"),
        ("huge", "body"),
        ("error", "status"),
        ("redirect", "status"),
        ("slow", "too-slow"),
    ] {
        let before = fetches(&gate, result);
        change(&issuer, &json!({"jwks": what}));
        wait_for(what, || (fetches(&gate, result) > before).then_some(()));
        assert_eq!(call(&gate, &good), "ok", "{what}");
        assert_eq!(call(&gate, &token(&issuer)), "ok", "{what}: another token of a known key");
        let unknown = signed(&issuer, &claims(&issuer), &json!({"kid": "new"}), "ec");
        assert_eq!(call(&gate, &unknown), "credential-unverifiable", "{what}: nobody can say");
    }
    // A set without keys is one that says: nobody's.
    change(&issuer, &json!({"jwks": "empty"}));
    wait_for("no keys", || (call(&gate, &good) == "token-key").then_some(()));
}

#[test]
fn a_key_set_whose_server_is_down_changes_nothing() {
    let (issuer, backend) = (Backend::issuer(&[]), Backend::raw(&[]));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks");
    let jwks = request(issuer.url.strip_prefix("http://").unwrap(), "GET", "/jwks", &[], b"").text();
    std::fs::write(&file, jwks).unwrap();
    let body = ["--body-file", file.to_str().unwrap()];
    let mut server = Backend::raw(&body);
    server.stop();
    let settings = jwt(&issuer, ", jwks_refresh_seconds: 1");
    let settings =
        settings.replace(&format!("{}/jwks", issuer.url), &format!("http://{}/jwks", server.address()));
    let gate = gate(&backend, POLICY, &settings, false);
    let keys = || gate.metric("oakgate_jwks_keys{listener=\"agents\"}");
    let good = token(&issuer);
    let refused = send(&gate, &[("authorization", &format!("Bearer {good}"))], &call_of("raw"));
    assert_eq!((refused.status, outcome(&refused).as_str()), (503, "credential-unverifiable"));
    assert!(fetches(&gate, "unreachable") > 0.0);
    assert_eq!(keys(), 0.0);
    wait_for("the first cause", || logged(&gate, "Connection refused").then_some(()));
    let mut again = Backend::raw(&[&body[..], &["--port", server.port()]].concat());
    wait_for("the keys", || (call(&gate, &good) == "ok").then_some(()));
    assert_eq!(keys(), 2.0);
    again.stop();
    let before = fetches(&gate, "unreachable");
    wait_for("a fetch in vain", || (fetches(&gate, "unreachable") > before).then_some(()));
    assert_eq!(call(&gate, &good), "ok");
    assert_eq!(call(&gate, &token(&issuer)), "ok", "another token of a known key");
    let unknown = signed(&issuer, &claims(&issuer), &json!({"kid": "new"}), "ec");
    assert_eq!(call(&gate, &unknown), "credential-unverifiable", "nobody can say");
}

fn logged(gate: &Gate, text: &str) -> bool {
    gate.program.errors().iter().any(|line| line.contains(text))
}

#[test]
fn keys_are_good_for_so_long_and_no_longer() {
    let (issuer, backend) = (Backend::issuer(&[]), Backend::raw(&[]));
    let gate =
        gate(&backend, POLICY, &jwt(&issuer, ", jwks_refresh_seconds: 1, jwks_max_age_seconds: 4"), false);
    let good = token(&issuer);
    assert_eq!(call(&gate, &good), "ok");
    change(&issuer, &json!({"jwks": "error"}));
    wait_for("keys that are too old", || (call(&gate, &good) == "credential-unverifiable").then_some(()));
    change(&issuer, &json!({"jwks": "good"}));
    wait_for("keys that are not", || (call(&gate, &good) == "ok").then_some(()));
}

#[test]
fn rotated_keys_are_found_and_old_ones_stop_working() {
    let (issuer, backend) = (Backend::issuer(&[]), Backend::raw(&[]));
    // Nothing but an unknown key makes it fetch again.
    let gate = gate(&backend, POLICY, &jwt(&issuer, ", jwks_refresh_seconds: 86400"), false);
    let old = token(&issuer);
    assert_eq!(call(&gate, &old), "ok");
    change(&issuer, &json!({"rotate": true}));
    let new = token(&issuer);
    assert_eq!(call(&gate, &old), "ok", "not known yet to be gone");
    wait_for("the new key", || (call(&gate, &new) == "ok").then_some(()));
    assert_eq!(call(&gate, &old), "token-key");
    let again = signed(&issuer, &claims(&issuer), &json!({}), "ec-0");
    assert_eq!(call(&gate, &again), "token-key");
}

#[test]
fn keys_that_nobody_knows_do_not_hammer_their_issuer() {
    let (issuer, backend) = (Backend::issuer(&[]), Backend::raw(&[]));
    let listener = jwt(&issuer, "").replace("jwks_min_interval_seconds: 1", "jwks_min_interval_seconds: 2");
    let gate = gate(&backend, POLICY, &listener, false);
    assert_eq!(call(&gate, &token(&issuer)), "ok");
    let since = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (gate, issuer) = (&gate, &issuer);
            scope.spawn(move || {
                for number in 0..25 {
                    let header = json!({"kid": format!("{thread}-{number}")});
                    let unknown = signed(issuer, &claims(issuer), &header, "ec");
                    assert_eq!(call(gate, &unknown), "token-key");
                }
            });
        }
    });
    let allowed = 2 + since.elapsed().as_secs() / 2;
    let fetched = change(&issuer, &json!({}));
    assert!(fetched <= allowed, "{fetched} fetches, {allowed} allowed");
    assert_eq!(call(&gate, &token(&issuer)), "ok");
}

#[test]
fn only_so_many_wait_for_keys_and_only_so_many_tokens_are_remembered() {
    let (issuer, backend) = (Backend::issuer(&[]), Backend::raw(&[]));
    change(&issuer, &json!({"jwks": "slow"}));
    let (backends, listener) = (backends(&backend), jwt(&issuer, ""));
    let proxy = "limits: {max_waits_for_keys: 1, max_tokens: 0}";
    let options =
        GateOptions { backends, policy: POLICY, listener: &listener, proxy, ..GateOptions::default() };
    let gate = Gate::start_in(folder(&options, "[api-key, jwt]"), false);
    let good = token(&issuer);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(call(&gate, &good), "credential-unverifiable"));
        }
    });
    assert!(gate.metric("oakgate_limits_reached_total{limit=\"max_waits_for_keys\"}") > 0.0);
    change(&issuer, &json!({"jwks": "good"}));
    wait_for("the keys", || (call(&gate, &good) == "ok").then_some(()));
    assert_eq!(call(&gate, &good), "ok");
    let tokens = |result: &str| gate.metric(&format!("oakgate_tokens_total{{result=\"{result}\"}}"));
    assert_eq!((tokens("verified"), tokens("remembered")), (2.0, 0.0));
    assert_eq!(call(&gate, &"x".repeat(20_000)), "token-too-large");
    assert_eq!(gate.metric("oakgate_limits_reached_total{limit=\"max_token_bytes\"}"), 1.0);
}

#[test]
fn the_issuer_says_where_its_keys_are_and_its_certificate_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let (issuer, backend) = (Backend::issuer(&["--tls", folder.path().to_str().unwrap()]), Backend::raw(&[]));
    let (ca_file, unusable) = (folder.path().join("ca.pem"), folder.path().join("unusable.pem"));
    let good = std::fs::read_to_string(&ca_file).unwrap();
    let more = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    std::fs::write(&unusable, good + more).unwrap();
    for (more, expected, cause) in [
        (format!(", ca_file: '{}'", ca_file.display()), "ok", ""),
        (format!(", ca_file: '{}'", unusable.display()), "credential-unverifiable", "can't be used"),
        (String::new(), "credential-unverifiable", "UnknownIssuer"),
    ] {
        let listener = format!("jwt: {{issuer: '{}', audience: gate{more}}}", issuer.url);
        let gate = gate(&backend, POLICY, &listener, false);
        assert_eq!(call(&gate, &token(&issuer)), expected, "{more}");
        if expected != "ok" {
            assert!(fetches(&gate, "tls") > 0.0 && fetches(&gate, "unreachable") == 0.0);
            assert!(logged(&gate, cause), "the first cause: {cause}");
        }
    }
}
