//! Callers with tokens: real tokens of real issuers, beside API keys, from sign-in to rotated keys.

mod files;
mod jwks;

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
