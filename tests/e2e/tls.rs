//! TLS on listeners: real clients, files that are replaced while it is used, and clients that do not behave.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use crate::harness::certificates::{Authority, Issued};
use crate::harness::tls::{TlsClient, is_resumed, said};
use crate::harness::{
    Backend, Connection, Gate, GateOptions, KEY, PATIENCE, PY1, PY2, Program, TS2, oakgate_command, wait_for,
};

pub(crate) const CALL: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{}}}"#;
pub(crate) const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];
const POLICY: &str = "{format: 1, org: acme, unlisted_tools: trust, rules: [{id: all, permission: allowed}]}";

/// A folder for a gate that speaks TLS, with further files.
pub(crate) fn folder(
    options: &GateOptions<'_>,
    (tls, auth): (&str, &str),
    served: &Issued,
) -> tempfile::TempDir {
    let listener = format!("tls: {{cert_file: server.pem, key_file: server.key{tls}}}\n{}", options.listener);
    let folder = Gate::folder(&GateOptions {
        backends: options.backends.clone(),
        policy: options.policy,
        proxy: options.proxy,
        listener: &listener,
        approvals: options.approvals,
    });
    served.write(folder.path(), "server");
    let file = folder.path().join("oakgate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("auth: api-key", &format!("auth: {auth}"))).unwrap();
    folder
}

/// A gate that speaks TLS and takes keys, in front of one MCP backend.
pub(crate) fn gate(backend: &Backend, limits: &str, served: &Issued) -> Gate {
    gate_with(backend, limits, "", served)
}

/// The same, with further keys of the listener.
pub(crate) fn gate_with(backend: &Backend, limits: &str, listener: &str, served: &Issued) -> Gate {
    let backends = format!("- {{name: tools, kind: mcp, path: /mcp, url: '{}'}}", backend.url);
    let proxy = format!("limits: {{{limits}}}");
    let options = GateOptions { backends, policy: POLICY, proxy: &proxy, listener, approvals: false };
    Gate::start_in(folder(&options, ("", "api-key"), served), false)
}

/// A call as bytes; `close`: nothing follows it.
pub(crate) fn call(headers: &[(&str, &str)], close: bool) -> String {
    let mut head = "POST /mcp HTTP/1.1\r\ncontent-type: application/json\r\n\
                    accept: application/json, text/event-stream\r\n"
        .to_owned();
    if !headers.iter().any(|(name, _)| *name == "host") {
        head.push_str("host: localhost\r\n");
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if close {
        head.push_str("connection: close\r\n");
    }
    format!("{head}content-length: {}\r\n\r\n{CALL}", CALL.len())
}

pub(crate) fn handshakes(gate: &Gate, result: &str) -> f64 {
    gate.metric(&format!("oakgate_tls_handshakes_total{{listener=\"agents\",result=\"{result}\"}}"))
}

fn loads(gate: &Gate, result: &str) -> f64 {
    gate.metric(&format!("oakgate_loads_total{{file=\"tls:agents\",result=\"{result}\"}}"))
}

#[test]
fn real_clients_call_over_https() {
    let backend = Backend::mcp();
    let root = Authority::new("root");
    let below = root.intermediate("below");
    let gate = gate(&backend, "", &below.issue(&NAMES));
    let file = root.write(gate.folder.path(), "root");
    let url = format!("https://{}/mcp", gate.address.replace("127.0.0.1", "localhost"));
    for client in [PY1, PY2[1], TS2[0]] {
        let steps = json!([{"do": "call", "tool": "write_note", "arguments": {"path": "a", "text": "b"}}]);
        let lines = client.run_over_tls(&file, &url, KEY, &steps);
        assert_eq!(lines[1]["text"], "wrote 1 characters to a", "{client:?}: {lines:?}");
    }
    let before = handshakes(&gate, "full");
    assert!(before >= 3.0);
    for version in [["--tlsv1.2", "--tls-max", "1.2"], ["--tlsv1.3", "--tls-max", "1.3"]] {
        let headers = ["-H", &format!("x-api-key: {KEY}"), "-H", "content-type: application/json"];
        let accept = ["-H", "accept: application/json, text/event-stream"];
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--cacert"]).arg(&file).args(version);
        curl.args(headers).args(accept).args(["--data", &CALL.replace("echo", "read_note"), &url]);
        let output = curl.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("\"jsonrpc\":\"2.0\""), "{text} {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(handshakes(&gate, "full"), before + 2.0);
}

#[test]
fn host_and_origin_are_those_of_https() {
    let backend = Backend::raw(&[]);
    let root = Authority::new("root");
    let gate = gate(&backend, "", &root.issue(&NAMES));
    let client = TlsClient::new(&root, None);
    let host = gate.address.as_str();
    for (headers, status) in [
        (vec![("host", host), ("origin", &*format!("https://{host}"))], 200),
        (vec![("host", host), ("origin", &*format!("http://{host}"))], 403),
        (vec![("host", "elsewhere")], 403),
    ] {
        let headers = [vec![("x-api-key", KEY)], headers].concat();
        assert_eq!(client.status(host, &call(&headers, true)), Ok(status), "{headers:?}");
    }
    for (scheme, status) in [("https", 200), ("http", 403)] {
        let request = call(&[("x-api-key", KEY)], true).replace("/mcp", &format!("{scheme}://localhost/mcp"));
        assert_eq!(client.status(host, &request), Ok(status), "{scheme}");
    }
}

#[test]
fn a_certificate_is_replaced_under_load_and_no_call_fails() {
    let backend = Backend::raw(&[]);
    let root = Authority::new("root");
    let gate = gate(&backend, "", &root.issue(&NAMES));
    let (is_over, calls) = (AtomicBool::new(false), AtomicU32::new(0));
    let replaced = std::thread::scope(|scope| {
        for is_kept in [false, false, false, true] {
            let (gate, root, is_over, calls) = (&gate, &root, &is_over, &calls);
            scope.spawn(move || {
                let client = TlsClient::new(root, None);
                while !is_over.load(Ordering::Relaxed) {
                    let mut connection = Connection::over(client.connect(&gate.address).unwrap());
                    for _ in 0..3 {
                        let headers = [("x-api-key", KEY), ("content-type", "application/json")];
                        connection.send("POST", "/mcp", &headers, CALL.as_bytes());
                        assert_eq!(connection.answer().status, 200);
                        calls.fetch_add(1, Ordering::Relaxed);
                    }
                    while is_kept && !is_over.load(Ordering::Relaxed) {
                        connection.send("POST", "/mcp", &[("x-api-key", KEY)], CALL.as_bytes());
                        assert_eq!(connection.answer().status, 200);
                        calls.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let replacing = std::thread::Builder::new().spawn_scoped(scope, || {
            for number in 1..=5_u64 {
                let before = calls.load(Ordering::Relaxed);
                replace(&gate, &root, number);
                wait_for("calls", || (calls.load(Ordering::Relaxed) > before + 10).then_some(()));
            }
        });
        let replaced = replacing.unwrap().join();
        is_over.store(true, Ordering::Relaxed);
        replaced
    });
    replaced.unwrap();
    assert_eq!(gate.metric("oakgate_load_errors{file=\"tls:agents\"}"), 0.0);
    assert_eq!(handshakes(&gate, "broken") + handshakes(&gate, "protocol"), 0.0);
}

/// Replaces certificate and key, and waits until a new connection sees it.
fn replace(gate: &Gate, root: &Authority, number: u64) {
    let ends = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000 + number);
    root.issue_until(&NAMES, ends).write(gate.folder.path(), "server");
    let since = Instant::now();
    let expiry = "oakgate_certificate_expiry_timestamp_seconds{listener=\"agents\"}";
    wait_for("the new certificate", || {
        let stream = TlsClient::new(root, None).connect(&gate.address).unwrap();
        let shown = stream.conn.peer_certificates().unwrap()[0].clone();
        let file = std::fs::read(gate.path("server.pem")).unwrap();
        let on_disk = rustls::pki_types::pem::PemObject::from_pem_slice(&file).unwrap();
        (shown == on_disk).then_some(())
    });
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    assert_eq!(gate.metric(expiry), (4_000_000_000 + number) as f64);
}

#[test]
fn files_that_do_not_load_leave_what_is_in_force() {
    let backend = Backend::raw(&[]);
    let root = Authority::new("root");
    let good = root.issue(&NAMES);
    let gate = gate(&backend, "", &good);
    let client = TlsClient::new(&root, None);
    let is_served = || client.status(&gate.address, &call(&[("x-api-key", KEY)], true)) == Ok(200);
    assert!(is_served());
    let expired = root.issue_until(&NAMES, SystemTime::now() - Duration::from_secs(5));
    let other_key = Issued { key: root.issue(&NAMES).key, ..good.clone() };
    let garbage = Issued { chain: "-----BEGIN CERTIFICATE-----\n!\n".to_owned(), ..good.clone() };
    let no_key = Issued { key: String::new(), ..good.clone() };
    for (issued, mistake) in [
        (expired, "has a certificate that has expired"),
        (other_key, "is not the certificate of the key"),
        (garbage, "is not PEM"),
        (no_key, "has no private key in PEM"),
    ] {
        let before = loads(&gate, "refused");
        issued.write(gate.folder.path(), "server");
        wait_for(mistake, || (loads(&gate, "refused") > before).then_some(()));
        wait_for(mistake, || gate.program.errors().join("\n").contains(mistake).then_some(()));
        assert_eq!(gate.metric("oakgate_load_errors{file=\"tls:agents\"}"), 1.0);
        assert!(is_served(), "{mistake}");
        refused_at_start(&gate, mistake);
    }
    good.write(gate.folder.path(), "server");
    wait_for("the good one", || {
        (gate.metric("oakgate_load_errors{file=\"tls:agents\"}") == 0.0).then_some(())
    });
    assert!(is_served());
}

/// A proxy does not start on the files that are there now.
fn refused_at_start(gate: &Gate, mistake: &str) {
    let mut command = oakgate_command();
    let mut second = Program::start(command.arg("proxy").arg("--config").arg(gate.path("oakgate.yaml")));
    let status = wait_for("the end", || second.child.try_wait().unwrap());
    assert!(!status.success());
    wait_for("why", || second.errors().join("\n").contains(mistake).then_some(()));
}

#[test]
fn files_may_be_links_that_are_swapped() {
    let backend = Backend::raw(&[]);
    let root = Authority::new("root");
    let gate = gate(&backend, "", &root.issue(&NAMES));
    // As Kubernetes mounts secrets: `server.pem` -> `..data/server.pem`, `..data` -> a folder of this version.
    let shown = || {
        let stream = TlsClient::new(&root, None).connect(&gate.address).unwrap();
        stream.conn.peer_certificates().unwrap()[0].to_vec()
    };
    let mut last = shown();
    for version in ["v1", "v2", "v3"] {
        let folder = gate.folder.path();
        std::fs::create_dir(folder.join(version)).unwrap();
        root.issue(&NAMES).write(&folder.join(version), "server");
        link(Path::new(version), &folder.join("..data"));
        if version == "v1" {
            link(Path::new("..data/server.key"), &folder.join("server.key"));
            link(Path::new("..data/server.pem"), &folder.join("server.pem"));
        }
        last = wait_for("the new version", || Some(shown()).filter(|shown| *shown != last));
    }
}

fn link(to: &Path, at: &Path) {
    let beside = at.parent().unwrap().join("link.new");
    symlink(to, &beside).unwrap();
    std::fs::rename(beside, at).unwrap();
}

#[test]
fn a_slow_handshake_is_cut() {
    let backend = Backend::raw(&[]);
    let root = Authority::new("root");
    let gate = gate(&backend, "handshake_timeout_seconds: 1", &root.issue(&NAMES));
    let mut slow = TcpStream::connect(&gate.address).unwrap();
    let since = Instant::now();
    // A record with a `ClientHello` of 508 bytes, of which a few come.
    let mut hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3].into_iter().chain(std::iter::repeat(0));
    while slow.write_all(&[hello.next().unwrap()]).is_ok() {
        assert!(since.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(since.elapsed() >= Duration::from_secs(1));
    assert_eq!(handshakes(&gate, "timeout"), 1.0);
    assert_eq!(gate.metric("oakgate_limits_reached_total{limit=\"handshake_timeout_seconds\"}"), 1.0);
    wait_for("its place", || (gate.metric("oakgate_connections") == 0.0).then_some(()));
}

#[test]
fn each_side_may_speak_what_the_other_does_not() {
    let backend = Backend::raw(&[]);
    let root = Authority::new("root");
    let gate = gate(&backend, "", &root.issue(&NAMES));
    let mut plain = Connection::open(&gate.address);
    plain.write(call(&[("x-api-key", KEY)], true).as_bytes());
    let alert = plain.everything();
    assert!(alert.is_empty() || alert[0] == 0x15, "{alert:?}");
    wait_for("its count", || (handshakes(&gate, "not-tls") == 1.0).then_some(()));
    let stranger = TlsClient::new(&Authority::new("other"), None);
    assert!(stranger.connect(&gate.address).is_err());
    wait_for("its count", || (handshakes(&gate, "rejected") == 1.0).then_some(()));
    drop(TcpStream::connect(&gate.address).unwrap());
    wait_for("its count", || (handshakes(&gate, "broken") == 1.0).then_some(()));

    let plain = Gate::mcp(&backend.url, POLICY);
    assert!(TlsClient::new(&root, None).connect(&plain.address).is_err());
    assert_eq!(plain.post(CALL).status, 200);
}

#[test]
fn a_session_is_resumed_until_the_files_change() {
    let backend = Backend::raw(&[]);
    let root = Authority::new("root");
    let gate = gate(&backend, "", &root.issue(&NAMES));
    let client = TlsClient::new(&root, None);
    let request = call(&[("x-api-key", KEY)], true);
    wait_for("the first look", || (loads(&gate, "loaded") > 0.0).then_some(()));
    for resumed in [false, true] {
        let mut stream = client.connect(&gate.address).unwrap();
        assert_eq!(is_resumed(&stream), resumed);
        assert!(said(&mut stream, &request).unwrap().starts_with("HTTP/1.1 200"));
    }
    assert_eq!((handshakes(&gate, "full"), handshakes(&gate, "resumed")), (1.0, 1.0));
    replace(&gate, &root, 1);
    let mut stream = client.connect(&gate.address).unwrap();
    assert!(!is_resumed(&stream));
    let mut bytes = [0];
    stream.write_all(request.as_bytes()).unwrap();
    assert_eq!(stream.read(&mut bytes).unwrap(), 1);
}
