//! Listeners that take several kinds of credentials, and listeners that take the tokens of different issuers.

use serde_json::{Value, json};

use crate::harness::certificates::{Authority, Issued};
use crate::harness::tls::TlsClient;
use crate::harness::{Backend, Gate, GateOptions, KEY, request, wait_for};
use crate::jwt::{backends, call_of, claims, jwt, now, outcome, signed, token};
use crate::tls::{NAMES, call, folder};

const AGENT: &str = "spiffe://example.org/ns/prod/sa/agent";
const OTHER: &str = "spiffe://example.org/ns/test/sa/agent";
const POLICY: &str = "{format: 1, org: acme, unlisted_tools: trust, rules: [{id: all, permission: allowed}]}";

/// A certificate, a header, and who calls with them; or the status of the refusal, 0 where the handshake already failed.
type Case<'a> = (Option<&'a Issued>, Option<(&'a str, &'a str)>, Result<&'a str, u16>);

/// Who called, in order of the names.
fn callers(gate: &Gate) -> Vec<String> {
    let intents = gate.records().into_iter().filter(|record| record["record"] == "intent");
    let mut callers: Vec<_> = intents.map(|intent| intent["caller"].as_str().unwrap().to_owned()).collect();
    callers.sort();
    callers
}

#[test]
fn beside_a_certificate_a_token_names_the_caller_and_both_must_be_good() {
    let (issuer, backend) = (Backend::issuer(&[]), Backend::raw(&[]));
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let (good, two) = (clients.issue(&[AGENT]), clients.issue(&[AGENT, OTHER]));
    let foreign = Authority::new("other").issue(&[AGENT]);
    let mut old = claims(&issuer);
    old["exp"] = json!(now() - 120);
    let expired = format!("Bearer {}", signed(&issuer, &old, &json!({}), "ec"));
    let bearer = format!("Bearer {}", token(&issuer));
    let ann = format!("jwt:{}#ann", issuer.url);
    for (auth, with_key) in [("[mtls, jwt]", Err(401)), ("[mtls, api-key, jwt]", Ok("agent-1"))] {
        let listener = format!("mtls: {{trust_domains: [example.org]}}\n{}", jwt(&issuer, ""));
        let options = GateOptions {
            backends: backends(&backend),
            policy: POLICY,
            listener: &listener,
            ..GateOptions::default()
        };
        let folder = folder(&options, (", client_ca_file: clients.pem", auth), &servers.issue(&NAMES));
        clients.write(folder.path(), "clients");
        let gate = Gate::start_in(folder, false);
        assert_eq!(listening(&gate, "agents")["tls"], true);
        let table: [Case<'_>; 10] = [
            (Some(&good), None, Ok(AGENT)),
            (None, Some(("authorization", &bearer)), Ok(&ann)),
            (Some(&good), Some(("authorization", &bearer)), Ok(&ann)),
            (Some(&good), Some(("authorization", &expired)), Err(401)),
            (Some(&good), Some(("authorization", "Bearer x")), Err(401)),
            (Some(&two), Some(("authorization", &bearer)), Err(401)),
            (Some(&foreign), Some(("authorization", &bearer)), Err(0)),
            (Some(&good), Some(("x-api-key", KEY)), with_key),
            (None, Some(("x-api-key", KEY)), with_key),
            (None, None, Err(401)),
        ];
        for (certificate, credential, expected) in &table {
            let headers: Vec<_> = credential.iter().copied().collect();
            let client = TlsClient::new(&servers, *certificate);
            let status = client.status(&gate.address, &call(&headers, true)).unwrap_or_default();
            assert_eq!(status, expected.err().unwrap_or(200), "{auth}: {credential:?}");
        }
        let mut expected: Vec<&str> = table.iter().filter_map(|(_, _, expected)| expected.ok()).collect();
        expected.sort_unstable();
        assert_eq!(callers(&gate), expected, "{auth}");
    }
}

#[test]
fn a_token_is_good_where_its_issuer_is_taken_and_nowhere_else() {
    let (one, other, backend) = (Backend::issuer(&[]), Backend::issuer(&[]), Backend::raw(&[]));
    let listener = jwt(&one, "");
    let options = GateOptions {
        backends: backends(&backend),
        policy: POLICY,
        listener: &listener,
        ..GateOptions::default()
    };
    let folder = Gate::folder(&options);
    let file = folder.path().join("oakgate.yaml");
    // The last has the keys of the one, and takes only what the other says.
    let namesake = jwt(&other, "").replace(&format!("{}/jwks", other.url), &format!("{}/jwks", one.url));
    let more: String = [("others", jwt(&other, "")), ("namesakes", namesake)]
        .map(|(name, jwt)| format!("    - {{name: {name}, address: '127.0.0.1:0', auth: jwt, {jwt}}}\n"))
        .concat();
    let text = std::fs::read_to_string(&file).unwrap().replace("auth: api-key", "auth: jwt");
    std::fs::write(&file, text.replace("  backends:\n", &format!("{more}  backends:\n"))).unwrap();
    let gate = Gate::start_in(folder, false);
    let tokens = [token(&one), token(&other)];
    for (listener, expected) in [
        ("agents", ["ok", "token-signature"]),
        ("others", ["token-signature", "ok"]),
        ("namesakes", ["token-issuer", "token-signature"]),
    ] {
        let line = listening(&gate, listener);
        assert_eq!(line["tls"], false, "{line}");
        let address = line["address"].as_str().unwrap();
        let outcomes = tokens.each_ref().map(|token| {
            let headers = [
                ("content-type", "application/json"),
                ("accept", "application/json, text/event-stream"),
                ("authorization", &format!("Bearer {token}")),
            ];
            outcome(&request(address, "POST", "/mcp", &headers, call_of("raw").as_bytes()))
        });
        assert_eq!(outcomes, expected, "{listener}");
    }
    let mut expected = [&one, &other].map(|issuer| format!("jwt:{}#ann", issuer.url));
    expected.sort();
    assert_eq!(callers(&gate), expected);
}

/// What the log says of a listener.
fn listening(gate: &Gate, listener: &str) -> Value {
    wait_for(listener, || {
        let lines = gate.program.errors();
        let mut lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find(|line| line["message"] == "listening" && line["listener"] == listener)
    })
}
