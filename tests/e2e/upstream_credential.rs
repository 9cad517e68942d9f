//! The proxy's own credential to a backend, and what a caller can't say in the proxy's place.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::harness::{Backend, Gate, GateOptions, KEY, oakgate, wait_for};
use crate::upstream_tls::{CALL, POLICY, change, gate, refused};

const WATCHED: &str = "backend_credential:tools";

/// A proxy with `credential` in `Authorization`, and the folder with its file.
fn with_token(backend: &Backend, token: &str) -> (Gate, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token.txt");
    std::fs::write(&file, token).unwrap();
    let settings = format!(
        "credential: {{header: Authorization, prefix: 'Bearer ', file: '{}'}}",
        file.to_str().unwrap()
    );
    (gate(&backend.url, &settings), folder)
}

/// The header lines of a name in what a raw backend got.
fn lines(text: &str, name: &str) -> Vec<String> {
    let is_it = |line: &&str| {
        line.split_once(':').is_some_and(|(other, _)| other.to_ascii_lowercase().replace('_', "-") == name)
    };
    text.lines().filter(is_it).map(str::to_owned).collect()
}

#[test]
fn it_takes_the_place_of_whatever_the_caller_sent() {
    let backend = Backend::raw(&[]);
    let (gate, _folder) = with_token(&backend, "s3cret\n");
    let headers = [
        ("content-type", "application/json"),
        ("Authorization", &format!("Bearer {KEY}")),
        ("X_API_Key", "oak_agent_other"),
        ("x-unknown", "a"),
    ];
    assert_eq!(gate.send("POST", "/mcp", &headers, CALL.as_bytes()).status, 200);
    let text = backend.log_text();
    assert_eq!(lines(&text, "authorization"), ["authorization: Bearer s3cret"], "{text}");
    assert!(!text.contains("oak_agent"), "{text}");
    assert_eq!(lines(&text, "x-unknown"), ["x-unknown: a"], "{text}");
    let logs = gate.program.errors().join("\n") + &gate.program.output().join("\n");
    let records = gate.records().iter().map(Value::to_string).collect::<String>();
    assert!(!logs.contains("s3cret") && !records.contains("s3cret"));
    assert!(!gate.admin("/metrics").text().contains("s3cret"));
}

#[test]
fn it_may_change_while_calls_run() {
    let backend = Backend::raw(&[]);
    let (gate, folder) = with_token(&backend, "first");
    let file = folder.path().join("token.txt");
    let sent =
        |token: &str| backend.log_text().matches(&format!("authorization: Bearer {token}\r\n")).count();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut calls = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        assert_eq!(refused(&gate), None);
                        calls += 1;
                    }
                    calls
                })
            })
            .collect();
        wait_for("the first token", || (sent("first") > 0).then_some(()));
        // Two lines are no token: the old one stays.
        change(&gate, WATCHED, || std::fs::write(&file, "second\nthird\n").unwrap());
        assert_eq!(gate.metric(&format!("oakgate_load_errors{{file=\"{WATCHED}\"}}")), 1.0);
        change(&gate, WATCHED, || std::fs::write(&file, "second\n").unwrap());
        wait_for("the second token", || (sent("second") > 4).then_some(()));
        is_over.store(true, Ordering::Relaxed);
        let calls: usize = callers.into_iter().map(|caller| caller.join().unwrap()).sum();
        assert_eq!(sent("first") + sent("second"), calls, "every call carried one of them");
    });
    let before = sent("first");
    assert_eq!(refused(&gate), None);
    assert_eq!(sent("first"), before);
}

#[test]
fn a_caller_says_nothing_that_only_a_proxy_may_say() {
    let backend = Backend::raw(&[]);
    let gate = gate(&backend.url, "http: auto");
    let forged = [
        "Forwarded",
        "X-Forwarded-For",
        "X_Forwarded_Host",
        "X-Forwarded-Proto",
        "X-Forwarded-User",
        "X-Forwarded-Client-Cert",
        "X_FORWARDED_CLIENT_CERT",
        "X-Real-IP",
        "Client-Cert",
        "Client-Cert-Chain",
        "SSL-Client-Cert",
        "SSL_CLIENT_S_DN",
        "X-SSL-Client-Verify",
        "Remote-User",
        "X-Auth-Request-Email",
        "Proxy-Authorization",
        "Proxy_Authorization",
        "Oakgate-Tenant",
    ];
    let mut headers: Vec<(&str, &str)> = forged.iter().map(|name| (*name, "forged")).collect();
    headers.extend([("content-type", "application/json"), ("cookie", "a=b"), ("traceparent", "00-1-1-00")]);
    assert_eq!(gate.send("POST", "/mcp", &headers, CALL.as_bytes()).status, 200);
    let text = backend.log_text();
    assert!(!text.contains("forged"), "{text}");
    assert!(text.contains("cookie: a=b\r\n") && text.contains("traceparent: 00-1-1-00\r\n"), "{text}");
}

/// What `config check` says of a backend with these settings.
fn check(backend: &str) -> (i32, String) {
    let folder = Gate::folder(&GateOptions {
        backends: format!("- {{name: tools, kind: mcp, path: /mcp, {backend}}}"),
        policy: POLICY,
        ..GateOptions::default()
    });
    std::fs::write(folder.path().join("token.txt"), "secret\n").unwrap();
    let file = folder.path().join("oakgate.yaml");
    let (status, output, errors) = oakgate(&["config", "check", file.to_str().unwrap()], "");
    (status, output + &errors)
}

#[test]
fn mistakes_are_named_with_their_path() {
    let token = "file: token.txt";
    for (backend, expected) in [
        ("url: 'ftp://tools/mcp'".to_owned(), "backends[0].url: must be"),
        ("url: 'http://tools/mcp', tls: {}".to_owned(), "backends[0].tls: only"),
        ("url: 'https://tools/mcp', tls: {cert_file: a.pem}".to_owned(), "tls.key_file: missing"),
        ("url: 'https://tools/mcp', tls: {key_file: a.key}".to_owned(), "tls.cert_file: missing"),
        ("url: 'https://tools/mcp', tls: {verify: false}".to_owned(), "tls.verify: unknown key"),
        ("url: 'https://tools/mcp', tls: {server_name: 'a b'}".to_owned(), "tls.server_name: `a b`"),
        ("url: 'https://tools/mcp', tls: {spiffe_id: 'spiffe://a/b'}".to_owned(), "tls.ca_file: missing"),
        (
            "url: 'https://tools/mcp', tls: {ca_file: a.pem, spiffe_id: 'https://a/b'}".to_owned(),
            "tls.spiffe_id: must be",
        ),
        (
            "url: 'https://tools/mcp', tls: {ca_file: a.pem, spiffe_id: 'spiffe://a'}".to_owned(),
            "a workload's SPIFFE id has a path",
        ),
        ("url: 'https://tools/mcp', http: 3".to_owned(), "backends[0].http: must be one of"),
        (
            "url: 'https://tools/mcp', method: {header: X_Forwarded_Method}".to_owned(),
            "backends[0].method: policy would decide",
        ),
        (
            "url: 'https://tools/mcp', resource: {header: Host}".to_owned(),
            "backends[0].resource: policy would decide",
        ),
        (
            format!("url: 'https://tools/mcp', credential: {{header: Host, {token}}}"),
            "credential.header: must be",
        ),
        (
            format!("url: 'https://tools/mcp', credential: {{header: X_Key, {token}}}"),
            "credential.header: must be",
        ),
        (
            format!("url: 'https://tools/mcp', credential: {{header: X-Key, {token}, prefix: \"a\\n\"}}"),
            "credential.prefix: must be",
        ),
        (
            format!(
                "url: 'https://tools/mcp', method: {{header: x-key}}, credential: {{header: X-Key, {token}}}"
            ),
            "backends[0].method: policy would decide",
        ),
        (
            format!(
                "url: 'https://tools/mcp', authorization: pass, credential: {{header: authorization, {token}}}"
            ),
            "credential.header: `authorization: pass` and",
        ),
    ] {
        let (status, text) = check(&backend);
        assert_eq!(status, 64, "{backend}: {text}");
        assert!(text.contains(expected), "{backend}: {text}");
    }
}

#[test]
fn a_credential_in_the_open_is_warned_of() {
    let token = "file: token.txt";
    let (status, text) = check(&format!("url: 'http://tools/mcp', credential: {{header: X-Key, {token}}}"));
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("proxy.backends[0].credential") && text.contains("unencrypted"), "{text}");
    let (status, text) =
        check(&format!("url: 'http://127.0.0.1:1/mcp', credential: {{header: X-Key, {token}}}"));
    assert!(status == 0 && !text.contains("unencrypted"), "{text}");
    assert_eq!(json!(check("url: 'https://tools/mcp'").0), json!(0));
}
