//! Callers with tokens: real tokens of real issuers, beside API keys, from sign-in to rotated keys.

mod files;

use std::net::TcpListener;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{
    Answer, Backend, Connection, Gate, GateOptions, KEY, SIGN_IN, oakgate, request, wait_for,
};

const POLICY: &str = "
format: 1
org: acme
tools: [{name: echo, default: disabled}, {name: raw, default: disabled}]
rules:
  - {id: echo, tool: echo, permission: allowed, when: 'caller.claims.?team.orValue(\"\") == \"ops\"'}
  - {id: raw, tool: raw, permission: allowed, when: 'caller.claims.?team.orValue(\"\") == \"ops\"'}
";
const RESOURCE: &str = "/.well-known/oauth-protected-resource";

/// A proxy whose listener takes keys and tokens.
fn gate(backend: &Backend, policy: &str, listener: &str, approvals: bool) -> Gate {
    let backends = backends(backend);
    let options = GateOptions { backends, policy, listener, approvals, ..GateOptions::default() };
    Gate::start_in(folder(&options, "[api-key, jwt]"), approvals)
}

pub(crate) fn backends(backend: &Backend) -> String {
    format!("- {{name: tools, kind: mcp, path: /mcp, url: '{}'}}", backend.url)
}

fn folder(options: &GateOptions<'_>, auth: &str) -> TempDir {
    let folder = Gate::folder(options);
    let file = folder.path().join("oakgate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("auth: api-key", &format!("auth: {auth}"))).unwrap();
    folder
}

/// `jwt` of a listener for an issuer whose keys are fetched; `more` are further keys of it.
pub(crate) fn jwt(issuer: &Backend, more: &str) -> String {
    let url = &issuer.url;
    format!(
        "jwt: {{issuer: '{url}', jwks_url: '{url}/jwks', audience: gate, jwks_min_interval_seconds: 1{more}}}"
    )
}

fn at(issuer: &Backend, path: &str, body: &Value) -> Answer {
    request(issuer.url.strip_prefix("http://").unwrap(), "POST", path, &[], body.to_string().as_bytes())
}

/// Changes what the issuer's key set does; says how often it was fetched.
fn change(issuer: &Backend, what: &Value) -> u64 {
    at(issuer, "/do", what).json()["fetches"].as_u64().unwrap()
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) fn claims(issuer: &Backend) -> Value {
    json!({"iss": issuer.url, "aud": "gate", "sub": "ann", "team": "ops", "scope": "tools", "exp": now() + 600})
}

pub(crate) fn signed(issuer: &Backend, claims: &Value, header: &Value, key: &str) -> String {
    at(issuer, "/token", &json!({"claims": claims, "header": header, "key": key})).text()
}

pub(crate) fn token(issuer: &Backend) -> String {
    signed(issuer, &claims(issuer), &json!({}), "ec")
}

pub(crate) fn call_of(tool: &str) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": tool, "arguments": {"payload": "a"}}})
    .to_string()
}

fn send(gate: &Gate, credential: &[(&str, &str)], body: &str) -> Answer {
    let mut headers =
        vec![("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
    headers.extend_from_slice(credential);
    request(&gate.address, "POST", "/mcp", &headers, body.as_bytes())
}

/// What becomes of a call with a token: `ok`, or the reason of its refusal.
fn call(gate: &Gate, token: &str) -> String {
    let bearer = format!("Bearer {token}");
    outcome(&send(gate, &[("authorization", &bearer)], &call_of("raw")))
}

pub(crate) fn outcome(answer: &Answer) -> String {
    match answer.status {
        200 if answer.message()["result"]["isError"] == json!(false) => "ok".to_owned(),
        200 => answer.message().to_string(),
        _ => answer.json()["code"].as_str().unwrap().to_owned(),
    }
}

fn fetches(gate: &Gate, result: &str) -> f64 {
    gate.metric(&format!("oakgate_jwks_fetches_total{{listener=\"agents\",result=\"{result}\"}}"))
}

#[test]
fn keys_and_tokens_side_by_side() {
    let (issuer, backend) = (Backend::issuer(&[]), Backend::raw(&[]));
    let gate = gate(&backend, POLICY, &jwt(&issuer, ", required_scopes: [tools]"), false);
    let good = token(&issuer);
    let bearer = format!("Bearer {good}");
    let with = |changes: Value| {
        let mut all = claims(&issuer);
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        format!("Bearer {}", signed(&issuer, &all, &json!({}), "rsa"))
    };
    let (expired, foreign) = (with(json!({"exp": now() - 120})), with(json!({"aud": "other"})));
    let (unscoped, other_team) = (with(json!({"scope": "x"})), with(json!({"team": "sales"})));
    for (credential, status, expected) in [
        (vec![("authorization", bearer.as_str())], 200, "ok"),
        (vec![("authorization", &bearer)], 200, "ok"),
        (vec![("authorization", &other_team)], 200, "policy does not allow it"),
        (vec![("x-api-key", KEY)], 200, "policy does not allow it"),
        (vec![("x-api-key", &good)], 401, "credential-unknown"),
        (vec![("x-api-key", KEY), ("authorization", &bearer)], 401, "credential-unknown"),
        (vec![("authorization", &bearer), ("authorization", &expired)], 401, "credential-unknown"),
        (vec![], 401, "credential-missing"),
        (vec![("authorization", "Bearer oak_agent_x")], 401, "credential-unknown"),
        (vec![("authorization", "Bearer x")], 401, "token-malformed"),
        (vec![("authorization", &expired)], 401, "credential-expired"),
        (vec![("authorization", &foreign)], 401, "token-audience"),
        (vec![("authorization", &unscoped)], 403, "insufficient-scope"),
    ] {
        let answer = send(&gate, &credential, &call_of("raw"));
        assert_eq!(answer.status, status, "{credential:?}: {}", answer.text());
        assert!(outcome(&answer).contains(expected), "{credential:?}: {}", answer.text());
        let challenge = answer.header("www-authenticate").map(str::to_owned);
        assert_eq!(challenge, expected_challenge(&gate, &answer), "{credential:?}");
    }
    // The token is for the proxy, and goes no further.
    let text = backend.log_text().to_ascii_lowercase();
    assert_eq!(text.matches("post /mcp").count(), 2);
    assert!(!text.contains("authorization") && !text.contains(&good.to_ascii_lowercase()), "{text}");
    // Who called is in the record: the issuer's name for it, not the token.
    let records = format!("{:?}", gate.records());
    assert!(records.contains(&format!("jwt:{}#ann", issuer.url)) && !records.contains(&good), "{records}");
    let tokens = |result: &str| gate.metric(&format!("oakgate_tokens_total{{result=\"{result}\"}}"));
    assert_eq!((tokens("verified"), tokens("remembered"), tokens("token-audience")), (2.0, 1.0, 1.0));
    assert_eq!(gate.metric("oakgate_jwks_keys{listener=\"agents\"}"), 2.0);
}

/// What RFC 6750 and RFC 9728 want a refused caller to be told.
fn expected_challenge(gate: &Gate, answer: &Answer) -> Option<String> {
    let place = gate.url(&format!("{RESOURCE}/mcp"));
    let code = if answer.status == 200 { Value::Null } else { answer.json()["code"].clone() };
    let error = match (answer.status, code.as_str()) {
        (200, _) => return None,
        (403, _) => {
            ", error=\"insufficient_scope\", error_description=\"the token lacks a scope that is required here\""
        }
        (_, Some("credential-missing")) => "",
        (_, Some("credential-unknown")) => {
            ", error=\"invalid_token\", error_description=\"that key is not known here\""
        }
        (_, Some("credential-expired")) => {
            ", error=\"invalid_token\", error_description=\"that key or token has expired\""
        }
        (_, Some("token-audience")) => {
            ", error=\"invalid_token\", error_description=\"the token is for another resource\""
        }
        (_, Some("token-malformed")) => {
            ", error=\"invalid_token\", error_description=\"the token is not a signed JSON Web Token that can be read\""
        }
        (_, other) => panic!("{other:?}"),
    };
    Some(format!("Bearer resource_metadata=\"{place}\"{error}, scope=\"tools\""))
}

#[test]
fn callers_learn_where_tokens_come_from() {
    let (issuer, backend) = (Backend::issuer(&[]), Backend::raw(&[]));
    let more = ", required_scopes: [tools], scopes_supported: [more, tools]";
    let gate = gate(&backend, POLICY, &jwt(&issuer, more), false);
    let get = |path: &str| request(&gate.address, "GET", path, &[], b"");
    for path in [RESOURCE.to_owned(), format!("{RESOURCE}/mcp")] {
        let answer = get(&path);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        let expected = json!({
            "resource": gate.url("/mcp"),
            "authorization_servers": [issuer.url],
            "bearer_methods_supported": ["header"],
            "scopes_supported": ["more", "tools"],
        });
        assert_eq!(answer.json(), expected);
        assert_eq!(request(&gate.address, "POST", &path, &[], b"").status, 405);
    }
    assert_eq!(get(&format!("{RESOURCE}/other")).status, 404);
    let foreign = request(&gate.address, "GET", RESOURCE, &[("host", "evil.example.com")], b"");
    assert_eq!(foreign.json()["code"], "bad-host", "nobody makes the proxy say another name");
}

#[test]
fn settings_that_would_trust_too_much_are_refused() {
    let options = |listener: &str| {
        let listener = format!("jwt: {{{listener}}}");
        let backends = "- {name: tools, kind: mcp, path: /mcp, url: 'http://127.0.0.1:1/mcp'}".to_owned();
        let folder = folder(&GateOptions { backends, listener: &listener, ..GateOptions::default() }, "jwt");
        let file = folder.path().join("oakgate.yaml");
        let (status, output, errors) = oakgate(&["config", "check", file.to_str().unwrap()], "");
        (status, output + &errors)
    };
    let good = "issuer: 'https://idp.example.com', audience: a";
    assert_eq!(options(good).0, 0, "{}", options(good).1);
    for (listener, mistake) in [
        ("issuer: 'https://idp.example.com'", "jwt.audience"),
        ("issuer: 'http://idp.example.com', audience: a", "jwt.issuer"),
        ("issuer: 'https://idp.example.com/#a', audience: a", "jwt.issuer"),
        ("issuer: 'https://idp.example.com/?a', audience: a", "jwt.issuer"),
        (&format!("{good}, jwks_url: 'http://idp.example.com/jwks'"), "jwt.jwks_url"),
        (&format!("{good}, jwks_url: 'https://a@idp.example.com/jwks'"), "jwt.jwks_url"),
        (&format!("{good}, jwks_url: 'https://idp.example.com/jwks', jwks_file: f"), "jwt.jwks_file"),
        (&format!("{good}, algorithms: []"), "jwt.algorithms"),
        (&format!("{good}, algorithms: [HS256]"), "HS256"),
        (&format!("{good}, algorithms: [none]"), "none"),
        (&format!("{good}, clock_skew_seconds: 301"), "clock_skew_seconds"),
        (&format!("{good}, required_scopes: ['a b']"), "jwt.required_scopes[0]"),
        (&format!("{good}, required_scopes: ['']"), "jwt.required_scopes[0]"),
        ("issuer: 'https://idp.example.com', audience: ''", "jwt.audience: must not be empty text"),
        ("issuer: 'https://idp.example.com', audience: [a, '']", "jwt.audience: must not be empty text"),
        (&format!("{good}, agent_when: {{claim: '', values: a}}"), "jwt.agent_when.claim"),
        (&format!("{good}, agent_when: {{claim: a, values: ['']}}"), "jwt.agent_when.values"),
        (&format!("{good}, agent_when: {{claim: a, values: []}}"), "jwt.agent_when.values"),
    ] {
        let (status, output) = options(listener);
        assert_eq!(status, 64, "{listener}: {output}");
        assert!(output.contains(mistake), "{listener}: {output}");
    }
}

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
    assert!(logged(&gate, "Connection refused"), "the first cause");
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
    for (more, expected) in [
        (format!(", ca_file: '{}'", ca_file.display()), "ok"),
        (format!(", ca_file: '{}'", unusable.display()), "credential-unverifiable"),
        (String::new(), "credential-unverifiable"),
    ] {
        let listener = format!("jwt: {{issuer: '{}', audience: gate{more}}}", issuer.url);
        let gate = gate(&backend, POLICY, &listener, false);
        assert_eq!(call(&gate, &token(&issuer)), expected, "{more}");
        if expected != "ok" {
            assert!(fetches(&gate, "tls") > 0.0 && fetches(&gate, "unreachable") == 0.0);
            assert!(logged(&gate, "UnknownIssuer"), "the first cause");
        }
    }
}

#[test]
fn a_token_that_expires_while_its_call_is_held_runs_nothing() {
    let (issuer, backend) = (Backend::issuer(&[]), Backend::raw(&[]));
    let policy = "{format: 1, org: acme, tools: [{name: raw, default: requires_approval}]}";
    let gate = gate(&backend, policy, &jwt(&issuer, ", clock_skew_seconds: 0"), true);
    let expires = now() + 8;
    let mut claims = claims(&issuer);
    claims["exp"] = json!(expires);
    let bearer = format!("Bearer {}", signed(&issuer, &claims, &json!({}), "ec"));
    let mut waiting = Connection::open(&gate.address);
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/json"),
        ("authorization", bearer.as_str()),
    ];
    waiting.send("POST", "/mcp", &headers, call_of("raw").as_bytes());
    let reference = gate.pending();
    wait_for("the token's end", || (now() > expires).then_some(()));
    gate.approvals(&["approve", &reference]);
    let answer = waiting.answer();
    assert_eq!((answer.status, &answer.json()["code"]), (401, &json!("credential-expired")));
    assert!(answer.header("www-authenticate").unwrap().contains("resource_metadata="));
    assert!(!backend.log_text().contains("tools/call"));
}

#[test]
fn a_stream_ends_with_its_token() {
    let (issuer, backend) = (Backend::issuer(&[]), Backend::everything());
    let gate = gate(&backend, POLICY, &jwt(&issuer, ", clock_skew_seconds: 0"), false);
    let mut claims = claims(&issuer);
    claims["exp"] = json!(now() + 6);
    let bearer = format!("Bearer {}", signed(&issuer, &claims, &json!({}), "ec"));
    let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let begun = send(&gate, &[("authorization", &bearer)], &initialize.to_string());
    let session = begun.header("mcp-session-id").unwrap().to_owned();
    let mut stream = Connection::open(&gate.address);
    let headers =
        [("authorization", bearer.as_str()), ("accept", "text/event-stream"), ("mcp-session-id", &session)];
    stream.send("GET", "/mcp", &headers, b"");
    assert_eq!(stream.head().status, 200);
    // It is read to its end: that is when the token ends, not half a minute later.
    let since = Instant::now();
    while stream.chunk().is_some() {}
    assert!(since.elapsed().as_secs() < 15, "{:?}", since.elapsed());
    assert_eq!(send(&gate, &[("authorization", &bearer)], &call_of("raw")).status, 401);
}

/// Clients that know nothing but the proxy's URL: they find the authorization server by its 401, register, sign in with
/// PKCE, and get a token for this very resource.
#[test]
fn clients_sign_in() {
    let backend = Backend::mcp();
    for algorithm in ["ES256", "RS256"] {
        let server = Backend::authorization_server(&["--algorithm", algorithm]);
        // The URL that tokens are for has the port in it, so that is chosen first.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let listener = format!(
            "public_url: 'http://127.0.0.1:{port}'\njwt: {{issuer: '{}', required_scopes: [tools]}}",
            server.url
        );
        let backends = backends(&backend);
        let options = GateOptions { backends, policy: POLICY, listener: &listener, ..GateOptions::default() };
        let folder = folder(&options, "jwt");
        let file = folder.path().join("oakgate.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        let text =
            text.replacen("      address: 127.0.0.1:0", &format!("      address: 127.0.0.1:{port}"), 1);
        std::fs::write(&file, text).unwrap();
        let gate = Gate::start_in(folder, false);
        let steps = json!([
            {"do": "list"},
            {"do": "call", "tool": "echo", "arguments": {"payload": "a"}},
            {"do": "call", "tool": "write_note", "arguments": {"path": "a", "text": "a"}},
        ]);
        for client in SIGN_IN {
            let lines = client.run_with_key(&gate, "/mcp", "", &steps);
            assert_eq!(lines[0], json!({"negotiated": client.revision}), "{client:?}: {lines:?}");
            let listed = lines[1]["tools"].as_array();
            assert!(listed.is_some_and(|tools| tools.contains(&json!("echo"))), "{client:?}: {lines:?}");
            let answer = (&lines[2]["is_error"], &lines[2]["text"]);
            assert_eq!(answer, (&json!(false), &json!("a")), "{client:?}: by a claim of the token");
            assert_eq!(lines[3]["is_error"], true, "{client:?}: policy still decides: {}", lines[3]);
        }
        let records = format!("{:?}", gate.records());
        assert!(records.contains(&format!("jwt:{}#ann", server.url)), "{records}");
    }
    let log = backend.log();
    assert_eq!(log.len(), 2 * SIGN_IN.len());
    assert!(!format!("{log:?}").contains("authorization"), "{log:?}");
}
