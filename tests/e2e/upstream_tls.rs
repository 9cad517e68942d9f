//! Backends over TLS: verified before a byte of a call goes out, shown a certificate where they ask for one, and all of it
//! from files that may change.

use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{CustomExtension, KeyUsagePurpose};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Authority, Backend, Gate, GateOptions, Issued, PY2, TS1, oakgate_command, wait_for};

pub(crate) const POLICY: &str = "
format: 1
org: acme
tools: [{name: echo, default: allowed}, {name: slow_count, default: allowed}, {name: chat.open, default: allowed}]
";
pub(crate) const CALL: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{}}}"#;
const SPIFFE_ID: &str = "spiffe://example.org/tools";

/// An authority, and a folder for what it issues.
pub(crate) struct Site {
    pub(crate) authority: Authority,
    pub(crate) folder: TempDir,
}

impl Site {
    pub(crate) fn new() -> Self {
        let (authority, folder) = (Authority::new("tools"), tempfile::tempdir().unwrap());
        authority.write(folder.path(), "ca");
        Self { authority, folder }
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// The options of a backend with a certificate.
    pub(crate) fn serving(&self, issued: &Issued) -> [String; 4] {
        let (certificate, key) = issued.write(self.folder.path(), "backend");
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        ["--certificate".to_owned(), text(&certificate), "--private-key".to_owned(), text(&key)]
    }
}

pub(crate) fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// A proxy in front of one MCP backend, with further settings of it.
pub(crate) fn gate(url: &str, settings: &str) -> Gate {
    let backends = format!("- {{name: tools, kind: mcp, path: /mcp, url: '{url}', {settings}}}");
    Gate::start(&GateOptions { backends, policy: POLICY, ..GateOptions::default() })
}

/// Why a call was refused; `None` if it was not.
pub(crate) fn refused(gate: &Gate) -> Option<String> {
    let message = gate.post(CALL).message();
    let reason = &message["result"]["_meta"]["oakgate.dev/verdict"]["reason"];
    assert!(reason.is_string() || message["result"]["isError"] != json!(true), "{message}");
    reason.as_str().map(str::to_owned)
}

/// Replaces a file's contents in one go, and waits for it to be loaded, or refused.
pub(crate) fn change(gate: &Gate, what: &str, write: impl FnOnce()) {
    let loads = || {
        ["loaded", "refused"]
            .map(|result| gate.metric(&format!("oakgate_loads_total{{file=\"{what}\",result=\"{result}\"}}")))
    };
    let before = wait_for("the first look", || Some(loads()).filter(|[loaded, _]| *loaded > 0.0));
    write();
    wait_for("the new version", || (loads() != before).then_some(()));
}

fn logged(gate: &Gate, text: &str) -> bool {
    gate.program.errors().iter().any(|line| line.contains(text))
}

#[test]
fn real_clients_reach_a_backend_over_tls() {
    let site = Site::new();
    let backend = Backend::mcp_with(&words(&site.serving(&site.authority.issue(&["127.0.0.1"]))));
    assert!(backend.url.starts_with("https://"), "{}", backend.url);
    let gate = gate(&backend.url, &format!("tls: {{ca_file: '{}'}}", site.file("ca.pem")));
    for client in [PY2[0], PY2[1], TS1] {
        let steps = json!([
            {"do": "call", "tool": "echo", "arguments": {"payload": "zwei"}},
            {"do": "call", "tool": "slow_count", "arguments": {"n": 3, "delay_ms": 100}},
        ]);
        let lines = client.run(&gate, "/mcp", &steps);
        assert!(lines[1]["text"].as_str().unwrap().contains("zwei"), "{client:?}: {lines:?}");
        assert_eq!(lines[2]["progress"].as_array().unwrap().len(), 3, "{client:?}: {lines:?}");
    }
    let log = backend.log();
    assert_eq!(log.len(), 6);
    assert!(log.iter().all(|call| call["headers"]["oakgate-receipt"].is_string()), "{log:?}");
    // Connections are kept like others.
    let opened = gate.metric("oakgate_backend_connections_total{backend=\"tools\"}");
    assert!(opened < 12.0, "{opened}");
}

#[test]
fn who_is_not_the_backend_gets_not_one_byte() {
    let site = Site::new();
    let past = SystemTime::now() - Duration::from_secs(60);
    let other = Authority::new("other");
    let ca = format!("ca_file: '{}'", site.file("ca.pem"));
    let spiffe = format!("{ca}, spiffe_id: '{SPIFFE_ID}'");
    let from_us = |names: &[&str]| site.authority.issue(names);
    let table = [
        (other.issue(&["127.0.0.1"]), ca.clone(), "unknown-issuer"),
        (site.authority.issue_until(&["127.0.0.1"], past), ca.clone(), "expired"),
        (from_us(&["localhost"]), ca.clone(), "name-mismatch"),
        (from_us(&["127.0.0.1"]), format!("{ca}, server_name: files.internal"), "name-mismatch"),
        // Without a `ca_file` the system's authorities count, and ours is none of them.
        (from_us(&["127.0.0.1"]), String::new(), "unknown-issuer"),
        (from_us(&["127.0.0.1"]), spiffe.clone(), "spiffe-id-mismatch"),
        (from_us(&["spiffe://example.org/tool"]), spiffe.clone(), "spiffe-id-mismatch"),
        (from_us(&["spiffe://example.org/tools/x"]), spiffe.clone(), "spiffe-id-mismatch"),
        (from_us(&["spiffe://Example.org/tools"]), spiffe.clone(), "spiffe-id-mismatch"),
        (from_us(&[SPIFFE_ID, "spiffe://example.org/more"]), spiffe.clone(), "spiffe-id-mismatch"),
        (with_two_uris(&site.authority), spiffe.clone(), "spiffe-id-mismatch"),
        (that_may_sign(&site.authority), spiffe.clone(), "spiffe-id-mismatch"),
        (other.issue(&[SPIFFE_ID]), spiffe.clone(), "unknown-issuer"),
        (site.authority.issue_until(&[SPIFFE_ID], past), spiffe, "expired"),
    ];
    for (issued, settings, why) in table {
        let backend = Backend::raw(&words(&site.serving(&issued)));
        let gate = gate(&backend.url, &format!("tls: {{{settings}}}"));
        assert_eq!(refused(&gate).as_deref(), Some("backend-untrusted"), "{settings} {why}");
        assert_eq!(backend.log_text(), "", "{settings} {why}");
        let counted = gate.metric("oakgate_backend_errors_total{backend=\"tools\",error=\"untrusted\"}");
        assert_eq!(counted, 1.0, "{settings} {why}");
        wait_for(why, || logged(&gate, why).then_some(()));
    }
}

/// The right id, and beside it a URI that is not text.
fn with_two_uris(authority: &Authority) -> Issued {
    const SUBJECT_ALTERNATIVE_NAME: [u64; 4] = [2, 5, 29, 17];
    let short = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
    let uris = [SPIFFE_ID.as_bytes(), b"spiffe://\xff/a"].map(|uri| short(0x86, uri)).concat();
    let names = CustomExtension::from_oid_content(&SUBJECT_ALTERNATIVE_NAME, short(0x30, &uris));
    authority.issue_with(&[], |params| params.custom_extensions.push(names))
}

/// The right id, of a certificate with which others can be signed.
fn that_may_sign(authority: &Authority) -> Issued {
    authority.issue_with(&[SPIFFE_ID], |params| params.key_usages.push(KeyUsagePurpose::KeyCertSign))
}

#[test]
fn a_backend_that_speaks_no_tls_gets_no_call() {
    let (site, backend) = (Site::new(), Backend::raw(&[]));
    let (url, ca) = (backend.url.replace("http:", "https:"), site.file("ca.pem"));
    let backends =
        format!("- {{name: tools, kind: mcp, path: /mcp, url: '{url}', tls: {{ca_file: '{ca}'}}}}");
    let proxy = "limits: {connect_timeout_seconds: 1}";
    let gate = Gate::start(&GateOptions { backends, policy: POLICY, proxy, ..GateOptions::default() });
    // It waits for the end of a request's head, and the hello of TLS has none.
    assert_eq!(refused(&gate).as_deref(), Some("backend-unreachable"));
    assert!(!backend.log_text().is_empty(), "the hello");
    assert!(!backend.log_text().contains("tools/call"));
}

#[test]
fn a_backend_is_known_by_name_by_id_and_by_the_systems_authorities() {
    let site = Site::new();
    let ca = format!("ca_file: '{}'", site.file("ca.pem"));
    for (names, settings) in [
        (vec!["files.internal"], format!("{ca}, server_name: files.internal")),
        // No name is in it, and none need be.
        (vec![SPIFFE_ID], format!("{ca}, spiffe_id: '{SPIFFE_ID}'")),
        (vec![SPIFFE_ID, "files.internal"], format!("{ca}, spiffe_id: '{SPIFFE_ID}'")),
    ] {
        let backend = Backend::raw(&words(&site.serving(&site.authority.issue(&names))));
        let gate = gate(&backend.url, &format!("tls: {{{settings}}}"));
        assert_eq!(refused(&gate), None, "{settings}");
    }
    let intermediate = site.authority.intermediate("tools 2");
    let backend = Backend::raw(&words(&site.serving(&intermediate.issue(&["127.0.0.1"]))));
    let backends = format!("- {{name: tools, kind: mcp, path: /mcp, url: '{}'}}", backend.url);
    let folder = Gate::folder(&GateOptions { backends, policy: POLICY, ..GateOptions::default() });
    let mut command = oakgate_command();
    command.arg("proxy").arg("--config").arg(folder.path().join("oakgate.yaml"));
    command.env("SSL_CERT_FILE", site.file("ca.pem"));
    assert_eq!(refused(&Gate::started(&mut command, folder, false)), None);
}

#[test]
fn a_backend_that_asks_for_a_certificate_is_shown_one_that_may_change() {
    let site = Site::new();
    let theirs = Authority::new("agents");
    theirs.write(site.folder.path(), "clients");
    let mut arguments = site.serving(&site.authority.issue(&["127.0.0.1"])).to_vec();
    arguments.extend(["--client-ca".to_owned(), site.file("clients.pem")]);
    let backend = Backend::raw(&words(&arguments));
    let ca = format!("ca_file: '{}'", site.file("ca.pem"));
    let without = gate(&backend.url, &format!("tls: {{{ca}}}"));
    // In TLS 1.3 a client is done before the server has seen its certificate: what came of the call is not known.
    assert!(refused(&without).is_some());
    assert_eq!(backend.log_text(), "");

    let good = theirs.issue(&["spiffe://example.org/gate"]);
    good.write(site.folder.path(), "gate");
    let files =
        format!("{ca}, cert_file: '{}', key_file: '{}'", site.file("gate.pem"), site.file("gate.key"));
    let gate = gate(&backend.url, &format!("tls: {{{files}}}"));
    assert_eq!(refused(&gate), None);
    let write = |issued: &Issued| {
        issued.write(site.folder.path(), "gate");
    };
    // A key that is not the certificate's: what was in force stays.
    let torn = Issued { key: theirs.issue(&["x"]).key, ..good };
    change(&gate, "backend_tls:tools", || write(&torn));
    assert_eq!(gate.metric("oakgate_load_errors{file=\"backend_tls:tools\"}"), 1.0);
    assert_eq!(refused(&gate), None);
    // A connection that was opened with the old certificate is not used with another.
    change(&gate, "backend_tls:tools", || write(&Authority::new("strangers").issue(&["x"])));
    let before = backend.log_text().len();
    assert!(refused(&gate).is_some());
    assert_eq!(backend.log_text().len(), before);
    change(&gate, "backend_tls:tools", || write(&theirs.issue(&["y"])));
    assert_eq!(refused(&gate), None);
    assert_eq!(gate.metric("oakgate_load_errors{file=\"backend_tls:tools\"}"), 0.0);
}

#[test]
fn authorities_may_change_and_what_was_opened_under_others_is_not_used() {
    let site = Site::new();
    let backend = Backend::raw(&words(&site.serving(&site.authority.issue(&["127.0.0.1"]))));
    let gate = gate(&backend.url, &format!("tls: {{ca_file: '{}'}}, http: 1", site.file("ca.pem")));
    assert_eq!(refused(&gate), None);
    let other = Authority::new("other");
    change(&gate, "backend_tls:tools", || {
        other.write(site.folder.path(), "ca");
    });
    let before = backend.log_text().len();
    assert_eq!(refused(&gate).as_deref(), Some("backend-untrusted"));
    change(&gate, "backend_tls:tools", || std::fs::write(site.file("ca.pem"), "no certificate").unwrap());
    assert_eq!(refused(&gate).as_deref(), Some("backend-untrusted"), "the one that loaded last stays");
    assert_eq!(backend.log_text().len(), before);
    change(&gate, "backend_tls:tools", || {
        std::fs::write(site.file("ca.pem"), other.pem() + &site.authority.pem()).unwrap();
    });
    assert_eq!(refused(&gate), None);
}

#[test]
fn files_that_do_not_load_stop_the_start() {
    let site = Site::new();
    let missing = site.file("missing.pem");
    for settings in [
        format!("tls: {{ca_file: '{missing}'}}"),
        format!("tls: {{ca_file: '{}'}}", site.file("ca.key")),
        format!("credential: {{header: Authorization, file: '{missing}'}}"),
    ] {
        std::fs::write(site.file("ca.key"), "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n")
            .unwrap();
        let backends =
            format!("- {{name: tools, kind: mcp, path: /mcp, url: 'https://127.0.0.1:9/mcp', {settings}}}");
        let folder = Gate::folder(&GateOptions { backends, policy: POLICY, ..GateOptions::default() });
        let config = folder.path().join("oakgate.yaml");
        let (status, _, errors) =
            crate::harness::oakgate(&["proxy", "--config", config.to_str().unwrap()], "");
        assert_eq!(status, 64, "{settings}: {errors}");
        assert!(errors.contains(site.folder.path().to_str().unwrap()), "{settings}: {errors}");
    }
}

#[test]
fn a_websocket_goes_over_tls_too() {
    let site = Site::new();
    let backend = Backend::websocket_with(&words(&site.serving(&site.authority.issue(&["127.0.0.1"]))));
    let backends = format!(
        "- {{name: chat, kind: rest, path: /chat, url: '{}', tls: {{ca_file: '{}'}}, \
         routes: [{{match: 'GET /echo', tool: chat.open}}]}}",
        backend.url,
        site.file("ca.pem")
    );
    let gate = Gate::start(&GateOptions { backends, policy: POLICY, ..GateOptions::default() });
    let opened = gate.send(
        "GET",
        "/chat/echo",
        &[
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-protocol", "chat"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ],
        b"",
    );
    assert_eq!((opened.status, opened.header("upgrade")), (101, Some("websocket")), "{opened:?}");
    let log: Vec<Value> = backend.log();
    assert!(log[0]["headers"]["oakgate-receipt"].is_string(), "{log:?}");
}
