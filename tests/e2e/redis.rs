//! The control plane with a Redis over TLS, from its settings file.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use test_redis::Server;

use super::harness::{Authority, Program, oakgate_command, request, wait_for};

/// A control plane that trusts what one authority signed.
fn control_plane(folder: &Path, redis: &str, trusted: &Path) -> (Program, String) {
    let settings = format!(
        "control_plane:\n  address: 127.0.0.1:0\n  store: sqlite://oakgate.db\n  \
         redis: {{url: \"{redis}\", password_file: password}}\n"
    );
    let file = folder.join("settings.yaml");
    std::fs::write(&file, settings).unwrap();
    let mut command = oakgate_command();
    command
        .args(["--log-format", "json", "control-plane", "--config"])
        .arg(file)
        .env("SSL_CERT_FILE", trusted);
    let program = Program::start(&mut command);
    let address = wait_for("the control plane", || {
        let lines = program.errors().into_iter().chain(program.output());
        lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok()).find_map(|line| {
            let fields = line.get("fields").unwrap_or(&line);
            fields.get("address")?.as_str().map(str::to_owned)
        })
    });
    (program, address)
}

#[test]
fn redis_over_tls_must_be_who_it_is_said_to_be() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let (authority, stranger) = (Authority::new("ours"), Authority::new("another"));
    let (trusted, untrusted) = (authority.write(folder, "trusted"), stranger.write(folder, "untrusted"));
    let (certificate, key) = authority.issue(&["localhost"]).write(folder, "redis");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Server::start(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        certificate.to_str().unwrap(),
        "--tls-key-file",
        key.to_str().unwrap(),
        "--tls-auth-clients",
        "no",
        "--requirepass",
        "s3cret",
    ]);
    std::fs::write(folder.join("password"), "s3cret\n").unwrap();
    let by_name = format!("rediss://localhost:{port}");
    let by_address = format!("rediss://127.0.0.1:{port}");
    let in_the_open = format!("redis://127.0.0.1:{port}");
    for (url, trusted, status) in [
        (&by_name, &trusted, 200),
        (&by_name, &untrusted, 503),
        // The certificate is for another name.
        (&by_address, &trusted, 503),
        (&in_the_open, &trusted, 503),
        (&server.url(), &trusted, 200),
    ] {
        let (program, address) = control_plane(folder, url, trusted);
        let ready = request(&address, "GET", "/readyz", &[], b"");
        assert_eq!(ready.status, status, "{url} {}", trusted.display());
        let log = program.errors().join("\n") + &program.output().join("\n");
        assert_eq!(log.contains("no nonce can be burned"), status == 503, "{log}");
        assert!(!log.contains("s3cret") && !log.contains("panicked"), "{log}");
    }
}
