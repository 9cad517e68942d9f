//! Callers that are known by the SPIFFE id in their certificate, for as long as that certificate is good.

use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::harness::certificates::{Authority, Issued};
use crate::harness::tls::{TlsClient, is_resumed, said};
use crate::harness::{Backend, Connection, Gate, GateOptions, KEY, oakgate, wait_for};
use crate::tls::{NAMES, call, folder, handshakes};

pub(crate) const AGENT: &str = "spiffe://example.org/ns/prod/sa/agent";
const OTHER: &str = "spiffe://example.org/ns/test/sa/agent";
/// Only one caller may, and any that is known by a key.
const POLICY: &str = "
format: 1
org: acme
unlisted_tools: trust
rules:
  - id: keys
    permission: allowed
    when: caller.id == 'agent-1'
  - id: prod
    tenant: payments
    permission: allowed
    when: caller.kind == 'agent' && caller.claims.trust_domain == 'example.org' && caller.claims.spiffe_id.contains('/ns/prod/')
  - {id: rest, permission: disabled}
";
const LOADS: &str = "oakgate_loads_total{file=\"tls:agents\",result=\"loaded\"}";
const MTLS: &str = "mtls: {trust_domains: [example.org], tenant: payments}";

/// A gate with an authority of servers, and one of clients.
pub(crate) struct Mtls {
    pub(crate) gate: Gate,
    servers: Authority,
    pub(crate) clients: Authority,
    _backend: Backend,
}

impl Mtls {
    pub(crate) fn start(auth: &str) -> Self {
        Self::before(Backend::raw(&[]), auth)
    }

    fn before(backend: Backend, auth: &str) -> Self {
        let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
        let backends = format!("- {{name: tools, kind: mcp, path: /mcp, url: '{}'}}", backend.url);
        let options = GateOptions { backends, policy: POLICY, listener: MTLS, ..GateOptions::default() };
        let folder = folder(&options, (", client_ca_file: clients.pem", auth), &servers.issue(&NAMES));
        clients.write(folder.path(), "clients");
        let gate = Gate::start_in(folder, false);
        Self { gate, servers, clients, _backend: backend }
    }

    pub(crate) fn client(&self, certificate: Option<&Issued>) -> TlsClient {
        TlsClient::new(&self.servers, certificate)
    }

    /// What one call on a connection of its own is answered.
    fn answer(&self, certificate: Option<&Issued>, headers: &[(&str, &str)]) -> Result<u16, String> {
        self.client(certificate).status(&self.gate.address, &call(headers, true))
    }

    /// The watcher's first look loads the files again, and with that no session can be resumed.
    pub(crate) fn wait_for_first_look(&self) {
        wait_for("the first look", || (self.gate.metric(LOADS) > 0.0).then_some(()));
    }

    /// Who called, and under which rule, by the records; in the order of the calls.
    pub(crate) fn callers(&self) -> Vec<(String, String)> {
        let mut intents: Vec<_> =
            self.gate.records().into_iter().filter(|record| record["record"] == "intent").collect();
        intents.sort_by_key(|intent| intent["at"].to_string());
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        intents.iter().map(|intent| (text(&intent["caller"]), text(&intent["rule"]))).collect()
    }
}

#[test]
fn policy_decides_on_the_id_of_a_workload() {
    let mtls = Mtls::start("mtls");
    for id in [AGENT, OTHER] {
        assert_eq!(mtls.answer(Some(&mtls.clients.issue(&[id, "agent.internal"])), &[]), Ok(200));
    }
    let below = mtls.clients.intermediate("below");
    assert_eq!(mtls.answer(Some(&below.issue(&[AGENT])), &[]), Ok(200));
    let mut callers = mtls.callers();
    callers.sort();
    let expected = [(AGENT, "prod"), (AGENT, "prod"), (OTHER, "rest")];
    assert_eq!(callers, expected.map(|(caller, rule)| (caller.to_owned(), rule.to_owned())));
}

#[test]
fn a_certificate_that_is_not_good_is_no_way_in() {
    let mtls = Mtls::start("mtls");
    let expired = mtls.clients.issue_until(&[AGENT], SystemTime::now() - Duration::from_secs(5));
    for (certificate, alert, result) in [
        (Some(Authority::new("clients").issue(&[AGENT])), "alert", "certificate-refused"),
        (Some(Authority::new("other").issue(&[AGENT])), "alert", "certificate-refused"),
        (Some(expired), "CertificateExpired", "certificate-refused"),
        (None, "CertificateRequired", "no-certificate"),
    ] {
        let before = handshakes(&mtls.gate, result);
        let refused = mtls.answer(certificate.as_ref(), &[("x-api-key", KEY)]).unwrap_err();
        assert!(refused.contains(alert), "{refused}");
        wait_for("its count", || (handshakes(&mtls.gate, result) == before + 1.0).then_some(()));
    }
    for names in [
        &[AGENT, OTHER][..],
        &[AGENT, "https://example.org/agent"],
        &["agent.internal"],
        &["spiffe://example.com/ns/prod/sa/agent"],
        &["spiffe://example.org"],
        &["spiffe://example.org/ns//prod/"],
        &["spiffe://Example.org/ns/prod/sa/agent"],
    ] {
        let issued = mtls.clients.issue(names);
        assert_eq!(mtls.answer(Some(&issued), &[("x-api-key", KEY)]), Ok(401), "{names:?}");
    }
    assert_eq!(mtls.gate.metric("oakgate_refusals_total{reason=\"certificate-refused\"}"), 7.0);
    assert_eq!(mtls.callers(), []);
}

#[test]
fn beside_a_certificate_a_key_names_the_caller_and_both_must_be_good() {
    let mtls = Mtls::start("[mtls, api-key]");
    let good = mtls.clients.issue(&[AGENT]);
    let two = mtls.clients.issue(&[AGENT, OTHER]);
    let foreign = Authority::new("other").issue(&[AGENT]);
    let unknown = "oak_agent_1111111111111111111111111111111111111111111";
    for (certificate, key, expected) in [
        (Some(&good), None, Ok(200)),
        (None, Some(KEY), Ok(200)),
        (Some(&good), Some(KEY), Ok(200)),
        (Some(&good), Some(unknown), Ok(401)),
        (Some(&two), Some(KEY), Ok(401)),
        (None, None, Ok(401)),
        (Some(&foreign), Some(KEY), Err(())),
    ] {
        let headers: Vec<_> = key.map(|key| ("x-api-key", key)).into_iter().collect();
        let answer = mtls.answer(certificate, &headers).map_err(|_| ());
        assert_eq!(answer, expected, "{key:?}");
    }
    let mut callers: Vec<_> = mtls.callers().into_iter().map(|(caller, _)| caller).collect();
    callers.sort();
    assert_eq!(callers, ["agent-1", "agent-1", AGENT]);
    for reason in ["certificate-refused", "credential-unknown", "credential-missing"] {
        let refused = format!("oakgate_refusals_total{{reason=\"{reason}\"}}");
        assert_eq!(mtls.gate.metric(&refused), 1.0, "{reason}");
    }
}

#[test]
fn without_mtls_an_authority_of_clients_is_a_condition_of_its_own() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let backend = Backend::raw(&[]);
    let backends = format!("- {{name: tools, kind: mcp, path: /mcp, url: '{}'}}", backend.url);
    let options = GateOptions { backends, policy: POLICY, ..GateOptions::default() };
    let folder = folder(&options, (", client_ca_file: clients.pem", "api-key"), &servers.issue(&NAMES));
    clients.write(folder.path(), "clients");
    let gate = Gate::start_in(folder, false);
    let issued = clients.issue(&["agent.internal"]);
    for (certificate, key, expected) in
        [(Some(&issued), KEY, Some(200)), (Some(&issued), "oak_agent_1", Some(401)), (None, KEY, None)]
    {
        let request = call(&[("x-api-key", key)], true);
        let status = TlsClient::new(&servers, certificate).status(&gate.address, &request);
        assert_eq!(status.ok(), expected);
    }
}

#[test]
fn everything_ends_with_the_authority() {
    let mtls = Mtls::before(Backend::everything(), "mtls");
    let address = &mtls.gate.address;
    let client = mtls.client(Some(&mtls.clients.issue(&[AGENT])));
    mtls.wait_for_first_look();

    // A session that could be resumed, a connection that is kept, and a stream without an end.
    for resumed in [false, true] {
        let stream = client.connect(address).unwrap();
        assert_eq!(is_resumed(&stream), resumed);
        initialize(&mut Connection::over(stream));
    }
    let mut kept = Connection::over(client.connect(address).unwrap());
    let session = initialize(&mut kept);
    let mut stream = Connection::over(client.connect(address).unwrap());
    stream.send("GET", "/mcp", &[("accept", "text/event-stream"), ("mcp-session-id", &session)], b"");
    assert_eq!(stream.head().status, 200);

    // Another certificate of the listener, and the same authority of clients: nobody is disturbed.
    let before = mtls.gate.metric(LOADS);
    mtls.servers.issue(&NAMES).write(mtls.gate.folder.path(), "server");
    wait_for("the new certificate", || (mtls.gate.metric(LOADS) > before).then_some(()));
    initialize(&mut kept);

    let successor = Authority::new("successor");
    successor.write(mtls.gate.folder.path(), "clients");
    assert!(
        String::from_utf8(stream.everything()).unwrap().ends_with("0\r\n\r\n"),
        "the stream ends in order"
    );
    assert!(kept.closes_within(Duration::from_secs(10)));
    let refused = client.status(address, &call(&[], true)).unwrap_err();
    assert!(refused.contains("alert"), "{refused}");
    let of_successor = mtls.client(Some(&successor.issue(&[AGENT])));
    initialize(&mut Connection::over(of_successor.connect(address).unwrap()));
}

#[test]
fn a_certificate_beside_a_key_is_a_condition_also_while_a_call_is_held() {
    let backend = Backend::raw(&[]);
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let options = GateOptions {
        backends: format!("- {{name: tools, kind: mcp, path: /mcp, url: '{}'}}", backend.url),
        policy: "{format: 1, org: acme, unlisted_tools: trust, rules: [{id: ask, permission: requires_approval}]}",
        approvals: true,
        ..GateOptions::default()
    };
    let folder = folder(&options, (", client_ca_file: clients.pem", "api-key"), &servers.issue(&NAMES));
    clients.write(folder.path(), "clients");
    let gate = Gate::start_in(folder, true);
    let client = TlsClient::new(&servers, Some(&clients.issue(&[AGENT])));
    wait_for("the first look", || (gate.metric(LOADS) > 0.0).then_some(()));
    std::thread::scope(|scope| {
        let held = scope.spawn(|| {
            let mut stream = client.connect(&gate.address).unwrap();
            let one = call(&[("x-api-key", KEY), ("prefer", "wait=30")], true);
            said(&mut stream, &one).unwrap_or_else(|error| error.to_string())
        });
        let reference = gate.pending();
        let before = gate.metric(LOADS);
        Authority::new("successor").write(gate.folder.path(), "clients");
        wait_for("the new authority", || (gate.metric(LOADS) > before).then_some(()));
        let (status, output) = gate.approvals(&["approve", &reference]);
        assert_eq!(status, 0, "{output}");
        let answer = held.join().unwrap();
        assert!(answer.contains("certificate-refused"), "{answer}");
    });
    assert_eq!(backend.log_text(), "");
}

/// Opens an MCP session on a connection that stays.
fn initialize(connection: &mut Connection) -> String {
    let message = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let headers = [("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
    connection.send("POST", "/mcp", &headers, message.to_string().as_bytes());
    let answer = connection.answer();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("mcp-session-id").unwrap().to_owned()
}

#[test]
fn a_connection_ends_with_its_certificate_and_its_session_is_no_way_back() {
    let mtls = Mtls::before(Backend::everything(), "mtls");
    let address = &mtls.gate.address;
    mtls.wait_for_first_look();
    let ends = SystemTime::now() + Duration::from_secs(6);
    let client = mtls.client(Some(&mtls.clients.issue_until(&[AGENT], ends)));
    let mut kept = Connection::over(client.connect(address).unwrap());
    initialize(&mut kept);
    assert!(SystemTime::now() < ends, "this machine was too slow");

    assert!(kept.closes_within(Duration::from_secs(20)));
    assert!(SystemTime::now() >= ends, "not before its end");
    // TLS itself lets the session be resumed. The certificate that it stands for has ended.
    let mut resumed = client.connect(address).unwrap();
    assert!(is_resumed(&resumed));
    let text = said(&mut resumed, &call(&[], true)).unwrap_or_default();
    assert_eq!(text, "");
    wait_for("its count", || (handshakes(&mtls.gate, "certificate-refused") == 1.0).then_some(()));
}

#[test]
fn settings_that_make_no_sense_are_mistakes() {
    let folder = Gate::folder(&GateOptions {
        backends: "- {name: tools, kind: mcp, path: /mcp, url: 'http://127.0.0.1:1/mcp'}".to_owned(),
        ..GateOptions::default()
    });
    let file = folder.path().join("oakgate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let tls = "tls: {cert_file: a, key_file: b, client_ca_file: c}";
    for (listener, mistake) in [
        (format!("auth: mtls\n      {MTLS}"), "listeners[0].tls.client_ca_file: missing"),
        (
            format!("auth: [mtls, api-key]\n      {MTLS}\n      tls: {{cert_file: a, key_file: b}}"),
            "listeners[0].tls.client_ca_file: missing",
        ),
        (format!("auth: mtls\n      {tls}"), "listeners[0].mtls.trust_domains: missing"),
        (
            format!("auth: mtls\n      {tls}\n      mtls: {{trust_domains: [Example.org]}}"),
            "listeners[0].mtls.trust_domains[0]: a trust domain has",
        ),
        (format!("auth: api-key\n      {tls}\n      {MTLS}"), "listeners[0].mtls: needs `mtls` in `auth`"),
        (format!("auth: [none, mtls]\n      {tls}\n      {MTLS}"), "listeners[0].auth: `none` beside"),
    ] {
        std::fs::write(&file, text.replace("auth: api-key", &listener)).unwrap();
        let (status, _, errors) = oakgate(&["config", "check", file.to_str().unwrap()], "");
        assert_eq!(status, 64, "{listener}");
        assert!(errors.contains(mistake) && errors.lines().count() == 1, "{listener}: {errors}");
    }
}
