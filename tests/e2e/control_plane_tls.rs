//! The control plane's API over TLS: who believes it, certificates that change while it runs, and clients that only wait.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant, SystemTime};

use crate::harness::tls::{TlsClient, said};
use crate::harness::{Authority, ControlPlane, PATIENCE, oakgate, wait_for};

const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];
const READY: &str = "GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
const METRICS: &str = "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

fn address(plane: &ControlPlane) -> &str {
    plane.url.trim_start_matches("https://")
}

/// The value of a metric.
fn metric(plane: &ControlPlane, client: &TlsClient, name: &str) -> Option<f64> {
    let text = said(&mut client.connect(address(plane)).unwrap(), METRICS).unwrap();
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[test]
fn commands_believe_whom_they_are_told_to_and_nobody_else() {
    let (authority, other) = (Authority::new("ours"), Authority::new("other"));
    let plane = ControlPlane::over_tls(&authority.issue(&NAMES));
    let (ours, others) = (plane.file("ours.pem", &authority.pem()), plane.file("others.pem", &other.pem()));
    let own = plane.url.clone();
    let port = own.rsplit(':').next().unwrap();
    let (named, plain) = (format!("https://localhost:{port}"), own.replace("https", "http"));
    let unnamed = format!("https://127.0.0.2:{port}");
    for (url, environment, status, says) in [
        (&own, format!("OAKGATE_CA_FILE={ours}"), 0, "no rules"),
        (&named, format!("OAKGATE_CA_FILE={ours}"), 0, "no rules"),
        (&own, format!("OAKGATE_CA_FILE={others}"), 70, "UnknownIssuer"),
        (&own, String::new(), 70, "UnknownIssuer"),
        (&plain, String::new(), 70, "is the control plane running?"),
        (&unnamed, format!("OAKGATE_CA_FILE={ours}"), 70, "is the control plane running?"),
    ] {
        let (ended, output, errors) = plane.shell(url, &format!("{environment} oakgate rules list"));
        assert_eq!(ended, status, "{url} {environment}: {output}{errors}");
        assert!(format!("{output}{errors}").contains(says), "{url} {environment}: {output}{errors}");
    }
    let (status, _, errors) = plane.run(&["tenants", "put", "north", "--ca-file", &ours]);
    assert_eq!(status, 0, "{errors}");
    // HTTP/1.1 is spoken, and nothing else.
    let client = TlsClient::new(&authority, None);
    assert_eq!(client.clone().offering(&["h2", "http/1.1"]).status(address(&plane), READY), Ok(200));
    assert!(client.clone().offering(&["h2"]).status(address(&plane), READY).is_err());
    let failed = metric(&plane, &client, "oakgate_control_tls_handshakes_total{result=\"failed\"}");
    assert!(failed.is_some_and(|count| count >= 3.0), "{failed:?}");
}

#[test]
fn a_new_certificate_is_served_and_one_that_does_not_load_is_not() {
    let (before, after) = (Authority::new("before"), Authority::new("after"));
    let plane = ControlPlane::over_tls(&before.issue(&NAMES));
    let (old, new) = (TlsClient::new(&before, None), TlsClient::new(&after, None));
    let mut open = old.connect(address(&plane)).unwrap();
    let keep = READY.replace("connection: close\r\n", "");
    open.write_all(keep.as_bytes()).unwrap();
    let mut head = [0; 15];
    open.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    assert!(new.status(address(&plane), READY).is_err());

    after.issue(&NAMES).write(plane.path("").as_path(), "api");
    wait_for("the new certificate", || new.status(address(&plane), READY).ok());
    assert!(old.status(address(&plane), READY).is_err(), "the certificate before");
    let rest = said(&mut open, READY).unwrap();
    assert!(rest.contains("HTTP/1.1 200 OK"), "what was open goes on: {rest}");

    let refused = "oakgate_control_tls_loads_total{result=\"refused\"}";
    let old_end = SystemTime::now() - Duration::from_secs(60);
    let expired = after.issue_until(&NAMES, old_end);
    for (name, chain, key, says) in [
        ("no PEM", "nonsense".to_owned(), expired.key.clone(), "has no certificate in PEM"),
        ("an expired one", expired.chain.clone(), expired.key.clone(), "has expired"),
        ("the key of another", after.issue(&NAMES).chain, expired.key, "is not the certificate of the key"),
    ] {
        let count = metric(&plane, &new, refused).unwrap();
        plane.file("api.pem", &chain);
        plane.file("api.key", &key);
        wait_for(name, || (metric(&plane, &new, refused)? > count).then_some(()));
        wait_for(says, || plane.program.errors().iter().any(|line| line.contains(says)).then_some(()));
        assert_eq!(new.status(address(&plane), READY), Ok(200), "{name}");
    }
    let end = metric(&plane, &new, "oakgate_control_certificate_expiry_timestamp_seconds").unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((now..now + 7200.0).contains(&end), "{end}");
}

#[test]
fn who_does_not_shake_hands_is_cut_off_and_keeps_nobody_waiting() {
    let authority = Authority::new("ours");
    let plane = ControlPlane::over_tls(&authority.issue(&NAMES));
    let client = TlsClient::new(&authority, None);
    let began = Instant::now();
    let silent: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(address(&plane)).unwrap()).collect();
    assert_eq!(client.status(address(&plane), READY), Ok(200));
    assert!(began.elapsed() < Duration::from_secs(8), "it waited for the silent ones");
    for mut stream in silent {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
    let cut = metric(&plane, &client, "oakgate_control_tls_handshakes_total{result=\"timeout\"}");
    assert_eq!(cut, Some(20.0));
}

#[test]
fn without_good_files_it_does_not_start_and_without_tls_it_warns() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("control-plane.yaml");
    let write = |address: &str, tls: &str| {
        let settings =
            format!("control_plane: {{address: '{address}', store: 'sqlite://oakgate.db'{tls}}}\n");
        std::fs::write(&config, settings).unwrap();
    };
    let config = config.to_str().unwrap();
    let own = ", tls: {cert_file: api.pem, key_file: api.key}";
    write("0.0.0.0:0", own);
    let (status, _, errors) = oakgate(&["config", "check", config], "");
    assert_eq!(status, 64, "{errors}");
    for name in ["control_plane.tls.cert_file", "control_plane.tls.key_file"] {
        assert!(errors.contains(&format!("{name}: `")), "{errors}");
    }
    let (status, _, errors) = oakgate(&["control-plane", "--config", config], "");
    assert_eq!(status, 64, "{errors}");
    assert!(errors.contains("api.pem: can't be read"), "{errors}");

    Authority::new("ours").issue(&NAMES).write(folder.path(), "api");
    for (address, tls, warns) in
        [("0.0.0.0:8081", own, false), ("0.0.0.0:8081", "", true), ("127.0.0.1:8081", "", false)]
    {
        write(address, tls);
        let (status, output, errors) = oakgate(&["config", "check", config], "");
        assert_eq!(status, 0, "{errors}");
        assert_eq!(output.contains("warning: control_plane.tls: missing"), warns, "{address}{tls}: {output}");
    }
    write("127.0.0.1:8081", ", tls: {cert_file: api.pem}");
    let (status, _, errors) = oakgate(&["config", "check", config], "");
    assert_eq!(status, 64, "{errors}");
    assert!(errors.contains("control_plane.tls.key_file: missing"), "{errors}");
}
