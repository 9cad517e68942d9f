//! Backends over HTTP/2: many calls on one connection, each on its own; and backends that break off or talk nonsense in it.

use serde_json::{Value, json};

use crate::harness::{Backend, Gate, TS1, TS2, wait_for};
use crate::upstream_tls::{CALL, Site, gate, refused, words};

fn opened(gate: &Gate) -> f64 {
    gate.metric("oakgate_backend_connections_total{backend=\"tools\"}")
}

fn unknown_outcomes(gate: &Gate) -> usize {
    let outcomes = gate.records().into_iter().filter(|record| record["record"] == "outcome");
    outcomes.filter(|record| record["outcome"] == "unknown").count()
}

#[test]
fn real_clients_reach_a_real_server_over_http2() {
    let site = Site::new();
    let serving = site.serving(&site.authority.issue(&["127.0.0.1"]));
    let secure: Vec<&str> = words(&serving).into_iter().chain(["--http2"]).collect();
    let ca = format!("tls: {{ca_file: '{}'}}", site.file("ca.pem"));
    for (arguments, settings) in
        [(secure.as_slice(), ca.as_str()), (&secure, &format!("{ca}, http: 2")), (&["--http2"], "http: 2")]
    {
        let backend = Backend::features_typescript(arguments);
        let gate = gate(&backend.url, settings);
        for client in [TS1, TS2[0]] {
            let steps = json!([
                {"do": "call", "tool": "echo", "arguments": {"payload": "zwei"}},
                {"do": "call", "tool": "slow_count", "arguments": {"n": 4, "delay_ms": 250}},
                {"do": "call_parallel", "calls": [
                    {"tool": "echo", "arguments": {"payload": 1}},
                    {"tool": "echo", "arguments": {"payload": 2}}
                ]},
            ]);
            let lines = client.run(&gate, "/mcp", &steps);
            assert!(lines[1]["text"].as_str().unwrap().contains("zwei"), "{settings} {client:?}: {lines:?}");
            // Each step is heard of when it is taken: nothing is kept back.
            let times: Vec<f64> =
                lines[2]["progress_ms"].as_array().unwrap().iter().map(|ms| ms.as_f64().unwrap()).collect();
            let elapsed = lines[2]["elapsed_ms"].as_f64().unwrap();
            assert!(times.len() == 4 && elapsed - times[0] > 500.0, "{settings} {client:?}: {lines:?}");
            assert_eq!(lines[3]["results"].as_array().unwrap().len(), 2, "{settings} {client:?}: {lines:?}");
        }
        let versions: Vec<Value> = backend.log().iter().map(|line| line["version"].clone()).collect();
        assert!(versions.iter().filter(|version| !version.is_null()).all(|version| version == "2.0"));
        assert!(versions.contains(&json!("2.0")), "{versions:?}");
        // Two workers, with one connection each, or a second one while the first was being opened.
        assert!(opened(&gate) <= 4.0, "{}", opened(&gate));
    }
}

#[test]
fn calls_share_connections_as_far_as_the_backend_lets_them() {
    const CALLS: usize = 40;
    const STREAMS: u64 = 8;
    let backend = Backend::raw_http2(&["--streams", &STREAMS.to_string(), "--delay-ms", "300"]);
    let gate = gate(&backend.url, "http: 2");
    assert_eq!(refused(&gate), None);
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..CALLS).map(|_| scope.spawn(|| refused(&gate))).collect();
        for call in calls {
            assert_eq!(call.join().unwrap(), None);
        }
    });
    let log = backend.log();
    assert_eq!(log.len(), CALLS + 1);
    assert!(log.iter().all(|line| line["open"].as_u64().unwrap() <= STREAMS), "{log:?}");
    assert!(opened(&gate) < CALLS as f64 / 2.0, "{}", opened(&gate));
}

#[test]
fn what_could_end_a_connection_has_one_of_its_own() {
    let backend = Backend::raw_http2(&[]);
    let gate = gate(&backend.url, "http: 2");
    let headers = |large: &str| {
        let all = [("content-type", "application/json"), ("x-large", large)];
        gate.send("POST", "/mcp", &all, CALL.as_bytes()).status
    };
    // One worker's connection is the other's stranger: so many calls that both have one.
    for _ in 0..10 {
        assert_eq!(headers("small"), 200);
    }
    let shared = opened(&gate);
    for count in 1..=3 {
        assert_eq!(headers(&"a".repeat(4096)), 200);
        assert_eq!(opened(&gate), shared + f64::from(count));
        assert_eq!(headers("small"), 200);
    }
    assert_eq!(opened(&gate), shared + 3.0, "nobody else came to use them");
}

#[test]
fn what_a_backend_breaks_off_is_never_sent_twice() {
    for (misbehaviour, reason) in [
        ("goaway-before", "backend-broken"),
        ("refuse", "backend-broken"),
        ("bad-frame", "backend-broken"),
        ("bad-field", "backend-broken"),
        ("big-head", "backend-broken"),
    ] {
        let backend = Backend::raw_http2(&["--misbehave", misbehaviour]);
        let gate = gate(&backend.url, "http: 2");
        assert_eq!(refused(&gate).as_deref(), Some(reason), "{misbehaviour}");
        assert_eq!(refused(&gate).as_deref(), Some(reason), "{misbehaviour}");
        let log = backend.log();
        assert_eq!(log.len(), 2, "{misbehaviour}: {log:?}");
        wait_for("the outcomes", || (unknown_outcomes(&gate) == 2).then_some(()));
    }
}

#[test]
fn an_answer_that_breaks_off_is_cut_off_for_the_caller_too() {
    for misbehaviour in ["reset", "bad-length"] {
        let backend = Backend::raw_http2(&["--misbehave", misbehaviour]);
        let gate = gate(&backend.url, "http: 2");
        let mut connection = crate::harness::Connection::open(&gate.address);
        let headers = [("x-api-key", crate::harness::KEY), ("content-type", "application/json")];
        connection.send("POST", "/mcp", &headers, CALL.as_bytes());
        let answer = String::from_utf8_lossy(&connection.everything()).into_owned();
        // Whatever of it got through, it does not pass for a whole one.
        assert!(!answer.contains("isError") && !answer.ends_with("0\r\n\r\n"), "{misbehaviour}: {answer}");
        wait_for("the outcome", || (unknown_outcomes(&gate) == 1).then_some(()));
        assert_eq!(backend.log().len(), 1, "{misbehaviour}");
    }
}

#[test]
fn a_caller_that_leaves_takes_nobody_with_it() {
    let backend = Backend::raw_http2(&["--delay-ms", "1000"]);
    let gate = gate(&backend.url, "http: 2");
    std::thread::scope(|scope| {
        let staying = scope.spawn(|| refused(&gate));
        wait_for("the call", || (backend.log().len() == 1).then_some(()));
        for calls in 2..6 {
            let mut leaving = crate::harness::Connection::open(&gate.address);
            let headers = [("x-api-key", crate::harness::KEY), ("content-type", "application/json")];
            leaving.send("POST", "/mcp", &headers, CALL.as_bytes());
            wait_for("the call", || (backend.log().len() == calls).then_some(()));
        }
        assert_eq!(staying.join().unwrap(), None);
    });
    assert_eq!(refused(&gate), None);
}

#[test]
fn a_backend_that_goes_away_after_an_answer_gets_the_next_call_on_another_connection() {
    let backend = Backend::raw_http2(&["--misbehave", "goaway-after"]);
    let gate = gate(&backend.url, "http: 2");
    for _ in 0..6 {
        assert_eq!(refused(&gate), None);
    }
    let log = backend.log();
    assert_eq!(log.len(), 6);
    assert!(log.iter().all(|line| line["stream"] == 1), "{log:?}");
}

#[test]
fn a_backend_that_speaks_no_http2_gets_no_second_try() {
    let site = Site::new();
    let serving = site.serving(&site.authority.issue(&["127.0.0.1"]));
    let backend = Backend::raw(&words(&serving));
    let gate = gate(&backend.url, &format!("http: 2, tls: {{ca_file: '{}'}}", site.file("ca.pem")));
    assert_eq!(refused(&gate).as_deref(), Some("backend-unreachable"));
    assert_eq!(backend.log_text(), "", "it did not agree to HTTP/2, so it gets nothing");
}
