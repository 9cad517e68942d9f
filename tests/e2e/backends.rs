//! Backends that stall, break off, and close connections at the worst moment: the call fails by name, is never sent twice,
//! and calls to other backends never notice.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Answer, Backend, Connection, Gate, GateOptions, KEY, wait_for};

const POLICY: &str = "{format: 1, org: acme, unlisted_tools: trust, rules: [{id: all, permission: allowed}]}";

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"raw","arguments":{}}}"#;

fn gate(backend: &Backend, proxy: &str) -> Gate {
    let backends = format!("- {{name: tools, kind: mcp, path: /mcp, url: '{}'}}", backend.url);
    Gate::start(&GateOptions { backends, policy: POLICY, proxy, ..GateOptions::default() })
}

/// One call over a connection that is open already.
fn send(connection: &mut Connection, path: &str) {
    let headers = [
        ("x-api-key", KEY),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ];
    connection.send("POST", path, &headers, CALL.as_bytes());
}

fn reason(answer: &Answer) -> Value {
    answer.message()["result"]["_meta"]["oakgate.dev/verdict"]["reason"].clone()
}

/// The outcomes recorded, as soon as there are so many.
fn outcomes(gate: &Gate, count: usize) -> Vec<Value> {
    wait_for("the outcomes", || {
        let records = gate.records();
        let outcomes: Vec<Value> =
            records.iter().map(|record| record["outcome"].clone()).filter(Value::is_string).collect();
        (outcomes.len() == count).then_some(outcomes)
    })
}

fn errors(gate: &Gate, error: &str) -> f64 {
    gate.metric(&format!("oakgate_backend_errors_total{{backend=\"tools\",error=\"{error}\"}}"))
}

#[test]
fn an_answer_that_breaks_off_in_the_middle_is_cut_for_the_client_too() {
    for (arguments, proxy, error) in [
        (&["--half", "close"][..], "", "cut"),
        (&["--half", "reset"], "", "cut"),
        (&["--half", "reset", "--sse"], "", "cut"),
        (&["--half", "stall"], "limits: {response_idle_seconds: 1}", "stalled"),
    ] {
        let backend = Backend::raw(arguments);
        let gate = gate(&backend, proxy);
        let mut connection = Connection::open(&gate.address);
        send(&mut connection, "/mcp");
        let head = connection.head();
        assert_eq!(head.status, 200);
        let body = connection.everything();
        let text = String::from_utf8(body.clone()).unwrap();
        match head.header("content-length") {
            Some(length) => assert!(body.len() < length.parse().unwrap(), "{arguments:?}: {text}"),
            None => assert!(!text.contains("\r\n0\r\n"), "{arguments:?}: {text}"),
        }
        assert_eq!(outcomes(&gate, 1), ["unknown"], "{arguments:?}");
        assert_eq!(errors(&gate, error), 1.0, "{arguments:?}");
        assert_eq!(backend.log_text().matches("tools/call").count(), 1, "{arguments:?}");
        assert_eq!(gate.metric("oakgate_backend_calls{backend=\"tools\"}"), 0.0, "{arguments:?}");
    }
}

#[test]
fn a_stream_of_events_may_be_silent_for_longer_than_an_answer() {
    let backend = Backend::raw(&["--sse", "--events", "1", "--interval-ms", "2500"]);
    let answer = gate(&backend, "limits: {response_idle_seconds: 1}").post(CALL);
    assert_eq!(answer.message()["result"]["content"][0]["text"], "raw");
}

#[test]
fn a_connection_that_was_closed_meanwhile_is_replaced() {
    let backend = Backend::raw(&["--close-idle"]);
    let gate = gate(&backend, "");
    let mut connection = Connection::open(&gate.address);
    let mut answered = 0;
    for _ in 0..20 {
        send(&mut connection, "/mcp");
        let answer = connection.answer();
        // It may close just as the next request goes out: then nobody knows, and nobody sends it again.
        let text = answer.text();
        let is_answered = text.contains("\"raw\"");
        assert!(is_answered || reason(&answer) == "backend-broken", "{text}");
        answered += u32::from(is_answered);
    }
    assert!(answered >= 15, "{answered} of 20");
    // Each answer came over a connection of its own.
    let opened = gate.metric("oakgate_backend_connections_total{backend=\"tools\"}");
    assert!(opened >= f64::from(answered), "{opened} connections, {answered} answers");
    assert!(backend.log_text().matches("tools/call").count() <= 20);
}

#[test]
fn a_call_that_went_out_on_a_dying_connection_is_not_sent_again() {
    let backend = Backend::raw(&["--reset-kept"]);
    let gate = gate(&backend, "");
    let mut connection = Connection::open(&gate.address);
    for number in 0..6 {
        send(&mut connection, "/mcp");
        let answer = connection.answer();
        if number % 2 == 0 {
            assert_eq!(answer.message()["result"]["content"][0]["text"], "raw", "on a connection of its own");
        } else {
            assert_eq!(reason(&answer), "backend-broken", "on the kept one");
            assert!(answer.text().contains("It is not known whether this was executed"), "{}", answer.text());
        }
        assert_eq!(backend.log_text().matches("tools/call").count(), number + 1);
    }
    let expected = ["success", "unknown"].repeat(3);
    assert_eq!(outcomes(&gate, 6), expected);
}

#[test]
fn a_backend_is_believed_how_long_it_keeps_a_connection() {
    for (arguments, opened) in [
        (&[][..], 1.0),
        (&["--header", "keep-alive: timeout=60"], 1.0),
        (&["--header", "keep-alive: timeout=1"], 2.0),
    ] {
        let backend = Backend::raw(arguments);
        let gate = gate(&backend, "limits: {backend_idle_seconds: 60}");
        let mut connection = Connection::open(&gate.address);
        for _ in 0..2 {
            send(&mut connection, "/mcp");
            assert_eq!(connection.answer().status, 200);
            // Longer than our part of the second, and as long as the backend's.
            std::thread::sleep(Duration::from_millis(1000));
        }
        assert_eq!(
            gate.metric("oakgate_backend_connections_total{backend=\"tools\"}"),
            opened,
            "{arguments:?}"
        );
    }
}

#[test]
fn idle_connections_are_closed_in_time() {
    let backend = Backend::raw(&[]);
    let gate = gate(&backend, "limits: {backend_idle_seconds: 1}");
    assert_eq!(gate.post(CALL).status, 200);
    let idle = || gate.metric("oakgate_backend_idle_connections{backend=\"tools\"}");
    wait_for("no idle connection", || (idle() == 0.0).then_some(()));
}

#[test]
fn a_backend_that_never_answers_slows_no_other() {
    let (hung, well) = (Backend::raw(&["--hang"]), Backend::raw(&[]));
    let backends = format!(
        "- {{name: hung, kind: mcp, path: /hung, url: '{}', response_timeout_seconds: 3}}\n\
         - {{name: well, kind: mcp, path: /mcp, url: '{}'}}",
        hung.url, well.url
    );
    let proxy = "limits: {max_calls_per_backend: 20}";
    let gate = Gate::start(&GateOptions { backends, policy: POLICY, proxy, ..GateOptions::default() });
    let mut waiting: Vec<Connection> = (0..20).map(|_| Connection::open(&gate.address)).collect();
    let since = Instant::now();
    waiting.iter_mut().for_each(|connection| send(connection, "/hung"));
    wait_for("all of them", || {
        (gate.metric("oakgate_backend_calls{backend=\"hung\"}") == 20.0).then_some(())
    });
    let mut one_more = Connection::open(&gate.address);
    send(&mut one_more, "/hung");
    let refused = one_more.answer();
    assert_eq!(reason(&refused), "backend-overloaded", "{}", refused.text());
    assert!(
        refused.text().contains("not executed") || refused.text().contains("Not executed"),
        "{}",
        refused.text()
    );
    let limit = "oakgate_limits_reached_total{limit=\"max_calls_per_backend\"}";
    assert_eq!(gate.metric(limit), 1.0);
    for _ in 0..50 {
        assert_eq!(gate.post(CALL).message()["result"]["content"][0]["text"], "raw");
    }
    assert!(since.elapsed() < Duration::from_secs(3), "50 calls beside it took {:?}", since.elapsed());
    for connection in &mut waiting {
        assert_eq!(reason(&connection.answer()), "backend-timeout");
    }
    assert_eq!(hung.log_text().matches("tools/call").count(), 20);
}
