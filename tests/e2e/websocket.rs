//! WebSockets: the handshake is decided like any call; what is allowed passes both ways, until it may no longer.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::tls::TlsClient;
use crate::harness::{
    Authority, Backend, Connection, Gate, GateOptions, KEY, Program, repository, tools, wait_for,
};
use crate::tls::{NAMES, folder};

const POLICY: &str = "
format: 1
org: acme
tools:
  - {name: chat.open, default: allowed}
  - {name: chat.leave, default: allowed}
  - {name: chat.refuse, default: allowed}
  - {name: chat.secret, default: disabled}
  - {name: chat.ask, default: requires_approval}
rules:
  - {id: quiet, tool: chat.open, resource: quiet, permission: disabled}
";
const ROUTES: &str = "
  routes:
    - {match: 'GET /echo/{room}', tool: chat.open, resource: '{room}'}
    - {match: 'GET /leave', tool: chat.leave}
    - {match: 'GET /refuse', tool: chat.refuse}
    - {match: 'GET /secret', tool: chat.secret}
    - {match: 'GET /ask', tool: chat.ask}";
const SOCKET_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn gate(url: &str, proxy: &str, approvals: bool) -> Gate {
    let backends = format!("- name: chat\n  kind: rest\n  path: /chat\n  url: '{}'{ROUTES}", url);
    Gate::start(&GateOptions { backends, policy: POLICY, proxy, approvals, ..GateOptions::default() })
}

/// A client that opens a WebSocket and runs steps, a line each.
fn client(gate: &Gate, path: &str, steps: &Value) -> Program {
    Program::start(&mut client_at(&format!("ws://{}/chat{path}", gate.address), steps))
}

fn client_at(url: &str, steps: &Value) -> Command {
    let mut command = Command::new(tools().join("py2/bin/python"));
    command.arg(repository().join("tests/clients/websocket_client.py"));
    command.args(["--key", KEY, "--url", url, "--steps", &steps.to_string()]);
    command
}

/// A client's line, by its place.
fn line(program: &mut Program, place: usize) -> Value {
    let line = wait_for("a client's line", || {
        let line = program.output().get(place).cloned();
        if line.is_none() {
            program.assert_running("its line");
        }
        line
    });
    serde_json::from_str(&line).unwrap()
}

fn run(gate: &Gate, path: &str, steps: &Value) -> Vec<Value> {
    finished(client(gate, path, steps))
}

fn finished(mut program: Program) -> Vec<Value> {
    let status = wait_for("the client's end", || program.child.try_wait().unwrap());
    assert!(status.success(), "{}", program.errors().join("\n"));
    program.output().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ended(gate: &Gate, how: &str) -> f64 {
    gate.metric(&format!("oakgate_websockets_ended_total{{how=\"{how}\"}}"))
}

fn outcomes(gate: &Gate) -> Vec<Value> {
    gate.records().into_iter().filter(|record| record["record"] == "outcome").collect()
}

#[test]
fn what_is_allowed_passes_both_ways() {
    let backend = Backend::websocket();
    let gate = gate(&backend.url, "", false);
    const LARGE_BYTES: usize = 1 << 20;
    let steps = json!([
        {"send_text": "hällo"}, {"send_hex": "00ff"}, {"ping": true}, {"send_large": LARGE_BYTES},
        {"send_text": ""}, {"close": true},
    ]);
    let lines = run(&gate, "/echo/main?a=b", &steps);
    assert_eq!((&lines[0]["opened"], &lines[0]["subprotocol"]), (&json!(true), &json!("chat")));
    let expected = [
        json!({"text": "hällo"}),
        json!({"hex": "00ff"}),
        json!({"pong": true}),
        json!({"bytes": LARGE_BYTES, "intact": true}),
        json!({"text": ""}),
        json!({"closed": 1000, "reason": ""}),
    ];
    assert_eq!(lines[1..], expected);
    // The handshake reached the backend with a receipt, and without the caller's key.
    let log = backend.log();
    assert_eq!((log.len(), &log[0]["path"]), (1, &json!("/echo/main?a=b")));
    let headers = &log[0]["headers"];
    assert!(headers["oakgate-receipt"].is_string() && headers.get("x-api-key").is_none(), "{headers}");
    // One call, with one outcome, once it is over.
    let outcome = wait_for("the outcome", || outcomes(&gate).pop());
    assert_eq!((&outcome["outcome"], &outcome["status"]), (&json!("success"), &json!(101)));
    assert_eq!(outcome["call"], lines[0]["call"]);
    let intent = gate.records().into_iter().find(|record| record["record"] == "intent").unwrap();
    assert_eq!((&intent["tool"], &intent["resource"]), (&json!("chat.open"), &json!("main")));
    assert!(gate.metric("oakgate_websocket_bytes_total{to=\"backend\"}") > LARGE_BYTES as f64);
    assert!(gate.metric("oakgate_websocket_bytes_total{to=\"caller\"}") > LARGE_BYTES as f64);
    wait_for("its end", || (ended(&gate, "closed") == 1.0).then_some(()));
    assert_eq!(gate.metric("oakgate_websockets"), 0.0);
    // The backend may be the one that leaves, with words of its own.
    let steps = json!([{"send_text": "bye"}]);
    assert_eq!(run(&gate, "/leave", &steps)[1], json!({"closed": 4001, "reason": "goodbye"}));
}

#[test]
fn a_client_may_come_over_tls() {
    let (backend, root) = (Backend::websocket(), Authority::new("root"));
    let backends = format!("- name: chat\n  kind: rest\n  path: /chat\n  url: '{}'{ROUTES}", backend.url);
    let options = GateOptions { backends, policy: POLICY, ..GateOptions::default() };
    let gate = Gate::start_in(folder(&options, ("", "api-key"), &root.issue(&NAMES)), false);
    let authority = root.write(gate.folder.path(), "root");
    let run = |path: &str, steps: &Value| {
        let mut command = client_at(&format!("wss://{}/chat{path}", gate.address), steps);
        finished(Program::start(command.env("SSL_CERT_FILE", &authority)))
    };
    let steps = json!([{"send_text": "hällo"}, {"send_large": 1 << 20}, {"close": true}]);
    let expected = [
        json!({"text": "hällo"}),
        json!({"bytes": 1 << 20, "intact": true}),
        json!({"closed": 1000, "reason": ""}),
    ];
    assert_eq!(run("/echo/main", &steps)[1..], expected);
    assert_eq!(run("/secret", &json!([]))[0]["refused"], 403);
    assert_eq!(backend.log().len(), 1);
}

#[test]
fn a_certificate_beside_a_key_is_a_condition_for_as_long_as_it_is_open() {
    let (backend, servers, clients) =
        (Backend::websocket(), Authority::new("servers"), Authority::new("clients"));
    let backends = format!("- name: chat\n  kind: rest\n  path: /chat\n  url: '{}'{ROUTES}", backend.url);
    let options = GateOptions { backends, policy: POLICY, ..GateOptions::default() };
    let tls = (", client_ca_file: clients.pem", "api-key");
    let folder = folder(&options, tls, &servers.issue(&NAMES));
    clients.write(folder.path(), "clients");
    let gate = Gate::start_in(folder, false);
    let loads = || gate.metric("oakgate_loads_total{file=\"tls:agents\",result=\"loaded\"}");
    let before = wait_for("the first look", || Some(loads()).filter(|loads| *loads > 0.0));
    let client = TlsClient::new(&servers, Some(&clients.issue(&["spiffe://example.org/agent"])));
    let mut socket = Connection::over(client.connect(&gate.address).unwrap());
    let head = format!(
        "GET /chat/echo/main HTTP/1.1\r\nhost: {}\r\nx-api-key: {KEY}\r\nconnection: Upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: {SOCKET_KEY}\r\n\
         sec-websocket-protocol: chat\r\n\r\n",
        gate.address
    );
    socket.write(head.as_bytes());
    assert_eq!(socket.head().status, 101);
    Authority::new("successor").write(gate.folder.path(), "clients");
    wait_for("the new authority", || (loads() > before).then_some(()));
    socket.everything();
    wait_for("its end", || {
        (gate.metric("oakgate_websockets_ended_total{how=\"revoked\"}") == 1.0).then_some(())
    });
}

#[test]
fn what_is_refused_never_reaches_the_backend() {
    let backend = Backend::websocket();
    let gate = gate(&backend.url, "", false);
    for path in ["/secret", "/echo/quiet"] {
        let lines = run(&gate, path, &json!([]));
        assert_eq!(lines[0]["refused"], 403, "{path}");
        let problem: Value = serde_json::from_str(lines[0]["body"].as_str().unwrap()).unwrap();
        assert_eq!(problem["code"], "denied");
    }
    assert_eq!(run(&gate, "/unknown", &json!([]))[0]["refused"], 503, "what no route names needs approval");
    let mut foreign = Connection::open(&gate.address);
    let origin = ("origin", "https://elsewhere.example");
    send_handshake(&mut foreign, "/echo/main", &[], &[origin]);
    assert_eq!(foreign.answer().json()["code"], "bad-origin");
    assert_eq!(backend.log(), Vec::<Value>::new());
    assert!(outcomes(&gate).is_empty());
}

#[test]
fn one_that_needs_approval_opens_once_a_person_says_yes() {
    let backend = Backend::websocket();
    let gate = gate(&backend.url, "", true);
    let mut waiting =
        client(&gate, "/ask", &json!([{"send_text": "a"}, {"pause_ms": 2500}, {"send_text": "b"}]));
    let reference = gate.pending();
    assert_eq!(backend.log(), Vec::<Value>::new());
    assert_eq!(gate.approvals(&["approve", &reference]).0, 0);
    assert_eq!(line(&mut waiting, 0)["opened"], true);
    // That policy asks for approval, which it has, does not end it.
    assert_eq!(line(&mut waiting, 1), json!({"text": "a"}));
    assert_eq!(line(&mut waiting, 3), json!({"text": "b"}));
    assert_eq!(backend.log().len(), 1);
    // Until policy says no.
    let mut waiting = client(&gate, "/ask", &json!([{"wait": true}]));
    let reference = gate.pending();
    assert_eq!(gate.approvals(&["approve", &reference]).0, 0);
    assert_eq!(line(&mut waiting, 0)["opened"], true);
    gate.change_policy(
        &POLICY.replace("chat.ask, default: requires_approval", "chat.ask, default: disabled"),
    );
    assert_eq!(line(&mut waiting, 1)["closed"], 1006);
}

#[test]
fn a_backend_that_does_not_open_is_heard() {
    let backend = Backend::websocket();
    let gate = gate(&backend.url, "", false);
    let lines = run(&gate, "/refuse", &json!([]));
    assert_eq!(lines, [json!({"refused": 403, "body": "not here\n"})]);
    let outcome = wait_for("the outcome", || outcomes(&gate).pop());
    assert_eq!((&outcome["outcome"], &outcome["status"]), (&json!("failed"), &json!(403)));
}

/// Answers one connection's request with these bytes, whatever it asks for; its address.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
        lines.take_while(|line| !line.is_empty()).for_each(drop);
        stream.write_all(answer.as_bytes()).unwrap();
    });
    format!("http://{address}")
}

#[test]
fn a_backend_that_switches_to_something_else_is_broken() {
    const OTHER_KEY: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
                             sec-websocket-accept: xxxxMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    const OTHER_PROTOCOL: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\
                                  sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    for (answer, without, error) in [
        (OTHER_KEY, &[][..], "handshake"),
        (OTHER_PROTOCOL, &[], "handshake"),
        // Nobody asked for it.
        (OTHER_KEY, &["connection", "upgrade"], "upgraded"),
    ] {
        let gate = gate(&answering(answer), "", false);
        let mut connection = Connection::open(&gate.address);
        send_handshake(&mut connection, "/echo/main", without, &[]);
        assert_eq!(connection.answer().json()["code"], "backend-broken", "{answer}");
        let metric = format!("oakgate_backend_errors_total{{backend=\"chat\",error=\"{error}\"}}");
        assert_eq!(gate.metric(&metric), 1.0, "{answer}");
        assert_eq!(gate.metric("oakgate_websockets"), 0.0);
    }
}

#[test]
fn it_ends_when_nothing_moves() {
    let backend = Backend::websocket();
    let gate = gate(&backend.url, "limits: {websocket_idle_seconds: 5}", false);
    // Whatever moves keeps it open.
    let steps = json!([{"pause_ms": 2000}, {"ping": true}, {"pause_ms": 2000}, {"ping": true}, {"pause_ms": 2000}, {"send_text": "a"}, {"wait": true}]);
    let lines = run(&gate, "/echo/main", &steps);
    assert_eq!(lines[6], json!({"text": "a"}));
    assert_eq!(lines[7]["closed"], 1006);
    let after_ms = lines[7]["after_ms"].as_u64().unwrap();
    assert!(after_ms > 2500, "{after_ms}");
    wait_for("its end", || (ended(&gate, "idle") == 1.0).then_some(()));
    assert_eq!(wait_for("the outcome", || outcomes(&gate).pop())["outcome"], "unknown");
}

#[test]
fn it_ends_with_the_key_or_the_policy_that_opened_it() {
    let backend = Backend::websocket();
    let gate = gate(&backend.url, "", false);
    let stays = json!([{"send_text": "a"}, {"wait": true}]);
    let (mut main, mut other) = (client(&gate, "/echo/main", &stays), client(&gate, "/echo/other", &stays));
    for program in [&mut main, &mut other] {
        assert_eq!(line(program, 1), json!({"text": "a"}));
    }
    assert_eq!(gate.metric("oakgate_websockets"), 2.0);
    gate.change_policy(&POLICY.replace("resource: quiet", "resource: other"));
    assert_eq!(line(&mut other, 2)["closed"], 1006);
    wait_for("an end", || (ended(&gate, "revoked") == 1.0).then_some(()));
    assert_eq!(gate.metric("oakgate_websockets"), 1.0);
    std::fs::write(gate.path("keys.yaml"), "[]\n").unwrap();
    assert_eq!(line(&mut main, 2)["closed"], 1006);
    wait_for("the end", || (ended(&gate, "revoked") == 2.0).then_some(()));
}

#[test]
fn there_are_only_so_many() {
    let backend = Backend::websocket();
    let gate = gate(&backend.url, "limits: {max_websockets: 1}", false);
    let mut first = client(&gate, "/echo/main", &json!([{"send_text": "a"}, {"wait": true}]));
    assert_eq!(line(&mut first, 1), json!({"text": "a"}));
    let lines = run(&gate, "/echo/main", &json!([]));
    assert_eq!(lines[0]["refused"], 503);
    assert!(lines[0]["body"].as_str().unwrap().contains("too-many-websockets"), "{lines:?}");
    assert_eq!(gate.metric("oakgate_limits_reached_total{limit=\"max_websockets\"}"), 1.0);
    drop(first);
    wait_for("a free place", || (run(&gate, "/echo/main", &json!([]))[0]["opened"] == true).then_some(()));
}

#[test]
fn a_proxy_that_stops_does_not_wait_for_it() {
    let backend = Backend::websocket();
    let mut gate = gate(&backend.url, "", false);
    let mut open = client(&gate, "/echo/main", &json!([{"send_text": "a"}, {"wait": true}]));
    assert_eq!(line(&mut open, 1), json!({"text": "a"}));
    assert_eq!(gate.metric("oakgate_connections"), 1.0);
    let since = Instant::now();
    gate.program.signal("-TERM");
    assert_eq!(line(&mut open, 2)["closed"], 1006);
    let status = wait_for("the end", || gate.program.child.try_wait().unwrap());
    assert!(status.success() && since.elapsed() < Duration::from_secs(5));
    assert_eq!(outcomes(&gate).len(), 1);
}

/// Sends a handshake with header lines taken out by name, and others put in.
fn send_handshake(connection: &mut Connection, path: &str, without: &[&str], with: &[(&str, &str)]) {
    let lines = [
        ("x-api-key", KEY),
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", SOCKET_KEY),
    ];
    let kept = lines.iter().filter(|(name, _)| !without.contains(name));
    let headers: Vec<(&str, &str)> = kept.chain(with).copied().collect();
    connection.send("GET", &format!("/chat{path}"), &headers, b"");
}

#[test]
fn half_a_handshake_is_refused_and_other_upgrades_go_no_further() {
    let raw = Backend::raw(&[]);
    let gate = gate(raw.url.strip_suffix("/mcp").unwrap(), "", false);
    for (without, with, reason) in [
        (&["connection"][..], &[][..], "websocket-handshake"),
        (&["sec-websocket-key"], &[], "websocket-handshake"),
        (&["upgrade"], &[("upgrade", "h2c, websocket")], "websocket-handshake"),
        (&[], &[("upgrade", "h2c")], "websocket-handshake"),
        (&["sec-websocket-version"], &[("sec-websocket-version", "12")], "websocket-version"),
    ] {
        let mut connection = Connection::open(&gate.address);
        send_handshake(&mut connection, "/echo/main", without, with);
        let answer = connection.answer();
        assert_eq!(answer.json()["code"], reason, "without {without:?}, with {with:?}");
        let is_version = reason == "websocket-version";
        assert_eq!(answer.header("sec-websocket-version"), is_version.then_some("13"));
    }
    let mut connection = Connection::open(&gate.address);
    connection.send(
        "POST",
        "/chat/echo/main",
        &[("x-api-key", KEY), ("connection", "upgrade"), ("upgrade", "websocket")],
        b"",
    );
    assert_eq!(connection.answer().json()["code"], "websocket-handshake");
    assert_eq!(raw.log_text(), "");
    // An upgrade that nothing here speaks is not passed on: the call is a plain GET.
    let mut connection = Connection::open(&gate.address);
    let h2c = [
        ("connection", "Upgrade, HTTP2-Settings"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABkAAQAAP__"),
    ];
    send_handshake(&mut connection, "/echo/main", &["connection", "upgrade"], &h2c);
    assert_eq!(connection.answer().status, 405, "the backend's own answer to a GET");
    let text = raw.log_text().to_ascii_lowercase();
    assert!(text.starts_with("get /echo/main "), "{text}");
    assert!(!text.contains("upgrade") && !text.contains("http2-settings"), "{text}");
}
