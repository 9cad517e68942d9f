//! Several endpoints of one backend: calls in turn, sessions at home, endpoints that fail, come back, and move.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::{
    Answer, Backend, Client, Connection, Gate, GateOptions, KEY, PY1, TS1, oakgate, request, wait_for,
};

const POLICY: &str = "{format: 1, org: acme, unlisted_tools: trust, rules: [{id: all, permission: allowed}]}";
/// The name of a backend that is only reached by its endpoints.
const HOST: &str = "tools.internal:80";
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;
const ECHO: &str =
    r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","arguments":{"payload":1}}}"#;

/// A gate in front of one backend with these endpoints. `further` are keys of the backend.
fn gate(kind: &str, endpoints: &[&Backend], further: &str) -> Gate {
    let addresses: Vec<&str> = endpoints.iter().map(|endpoint| endpoint.address()).collect();
    let path = endpoints[0].url.trim_start_matches("http://").trim_start_matches(addresses[0]);
    // Servers of the SDKs answer to loopback names only.
    let url = if kind == "rest" { HOST.to_owned() } else { format!("127.0.0.1:80{path}") };
    let backends = format!(
        "- {{name: tools, kind: {kind}, path: /mcp, url: 'http://{url}', \
         endpoints: ['{}']{further}}}",
        addresses.join("', '")
    );
    Gate::start(&GateOptions { backends, policy: POLICY, ..GateOptions::default() })
}

/// The same proxy with nothing but its files.
fn restarted(gate: Gate) -> Gate {
    let Gate { program, folder, .. } = gate;
    drop(program);
    Gate::start_in(folder, false)
}

fn rest(gate: &Gate, number: usize) -> Answer {
    let body = json!({"order": format!("<{number}>")}).to_string();
    gate.send("POST", "/mcp/v1/orders", &[("content-type", "application/json")], body.as_bytes())
}

fn requests(backend: &Backend) -> usize {
    backend.log_text().matches("POST ").count()
}

/// What the admin address says of an endpoint.
fn state(gate: &Gate, endpoint: &Backend) -> Value {
    let report = gate.admin("/backends").json();
    let endpoints = report["backends"][0]["endpoints"].as_array().unwrap();
    endpoints.iter().find(|one| one["address"] == endpoint.address()).cloned().unwrap()
}

fn is_up(gate: &Gate, endpoint: &Backend) -> bool {
    let address = endpoint.address();
    gate.metric(&format!("oakgate_backend_endpoint_up{{backend=\"tools\",endpoint=\"{address}\"}}")) == 1.0
}

/// A message in a session; without one, outside of any.
fn post(gate: &Gate, message: &str, session: Option<&str>) -> Answer {
    let mut headers =
        vec![("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
    headers.extend(session.map(|session| ("mcp-session-id", session)));
    gate.send("POST", "/mcp", &headers, message.as_bytes())
}

fn begin(gate: &Gate) -> String {
    let answer = post(gate, INITIALIZE, None);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let session = answer.header("mcp-session-id").unwrap().to_owned();
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(post(gate, initialized, Some(&session)).status, 202);
    session
}

fn calls(backend: &Backend) -> usize {
    backend.log().iter().filter(|line| line["tool"] == "echo").count()
}

#[test]
fn calls_go_in_turn() {
    let backends = [Backend::raw(&[]), Backend::raw(&[]), Backend::raw(&[])];
    let gate = gate("rest", &backends.each_ref(), "");
    (0..30).for_each(|number| assert_eq!(rest(&gate, number).status, 200));
    assert_eq!(backends.each_ref().map(requests), [10, 10, 10]);
    for backend in &backends {
        assert!(backend.log_text().contains(&format!("host: {HOST}")), "the name is the backend's");
        assert!(is_up(&gate, backend));
    }
}

#[test]
fn an_endpoint_dies_under_load_and_comes_back() {
    let mut backends = ["20", "21", "22"].map(|delay| Backend::raw(&["--delay-ms", delay]));
    let gate = gate("rest", &backends.each_ref(), ", ejection: {failures: 2, seconds: 1}");
    let answered = AtomicUsize::new(0);
    let failed: HashMap<usize, String> = std::thread::scope(|scope| {
        let caller = |thread: usize| {
            let (gate, answered) = (&gate, &answered);
            move || {
                let mut failed = HashMap::new();
                for number in thread * 40..(thread + 1) * 40 {
                    let answer = rest(gate, number);
                    answered.fetch_add(1, Ordering::Relaxed);
                    if answer.status != 200 {
                        failed.insert(number, answer.json()["code"].as_str().unwrap().to_owned());
                    }
                }
                failed
            }
        };
        let callers: Vec<_> = (0..8).map(|thread| scope.spawn(caller(thread))).collect();
        wait_for("some answers", || (answered.load(Ordering::Relaxed) >= 60).then_some(()));
        backends[0].stop();
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    // Those that were under way there; nobody else notices.
    assert!(failed.len() <= 8, "{failed:?}");
    assert!(failed.values().all(|code| code == "backend-broken"), "{failed:?}");
    let logs = backends.each_ref().map(Backend::log_text).concat();
    for number in 0..320 {
        let times = logs.matches(&format!("<{number}>")).count();
        let is_known = !failed.contains_key(&number);
        assert!(times == 1 || times == 0 && !is_known, "order {number} ran {times} times");
    }
    assert!(gate.metric("oakgate_backend_ejections_total{backend=\"tools\"}") >= 1.0);
    let dead = state(&gate, &backends[0]);
    assert!(matches!(dead["why"].as_str(), Some("unreachable" | "broken")), "{dead}");
    // It comes back by itself, when its time is up.
    let again = Backend::raw(&["--port", backends[0].port()]);
    wait_for("calls to it", || {
        assert_eq!(rest(&gate, 1000).status, 200);
        (requests(&again) >= 3).then_some(())
    });
    assert!(is_up(&gate, &again));
    assert_eq!(state(&gate, &again)["state"], "up");
}

#[test]
fn a_call_that_an_endpoint_does_not_take_goes_to_another() {
    let mut backends = [Backend::raw(&[]), Backend::raw(&[])];
    let gate = gate("rest", &backends.each_ref(), ", ejection: {failures: 100}");
    backends[0].stop();
    (0..10).for_each(|number| assert_eq!(rest(&gate, number).status, 200));
    assert_eq!(requests(&backends[1]), 10);
    // Every second call began at the one that is down.
    assert_eq!(gate.metric("oakgate_backend_failovers_total{backend=\"tools\"}"), 5.0);
}

#[test]
fn nobody_there_is_left_out_for_ever() {
    let mut backends = [Backend::raw(&[]), Backend::raw(&[])];
    let gate = gate("rest", &backends.each_ref(), ", ejection: {failures: 1, seconds: 3600}");
    backends.iter_mut().for_each(Backend::stop);
    for number in 0..4 {
        let answer = rest(&gate, number);
        assert_eq!((answer.status, &answer.json()["code"]), (502, &json!("backend-unreachable")));
    }
    // One of them at most is left out, and the other is asked each time.
    assert_eq!(gate.metric("oakgate_backend_ejections_total{backend=\"tools\"}"), 1.0);
    let again = backends.each_ref().map(|backend| Backend::raw(&["--port", backend.port()]));
    (0..4).for_each(|number| assert_eq!(rest(&gate, number).status, 200));
    assert_eq!(again.iter().map(requests).sum::<usize>(), 4);
}

#[test]
fn active_checks_leave_out_who_is_not_well() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body");
    std::fs::write(&file, "{}").unwrap();
    let file = file.to_str().unwrap();
    let well = Backend::raw(&["--body-file", file]);
    let ill = Backend::raw(&["--body-file", file, "--status", "503"]);
    let health = ", health: {path: /healthz, interval_seconds: 1, healthy_after: 1, unhealthy_after: 2}";
    let gate = gate("rest", &[&well, &ill], health);
    wait_for("the check", || (!is_up(&gate, &ill)).then_some(()));
    let (before, shown) = (requests(&ill), state(&gate, &ill));
    assert_eq!(
        (&shown["state"], &shown["why"]),
        (&json!("unhealthy"), &json!("a check was answered with status 503 Service Unavailable"))
    );
    (0..10).for_each(|number| assert_eq!(rest(&gate, number).status, 200));
    assert_eq!((requests(&well), requests(&ill)), (10, before));
    assert!(well.log_text().contains("GET /healthz HTTP/1.1\r\n"));
    assert!(gate.metric("oakgate_backend_checks_total{backend=\"tools\",result=\"failed\"}") >= 2.0);
    let address = ill.address().to_owned();
    drop(ill);
    let cured = Backend::raw(&["--body-file", file, "--port", address.rsplit(':').next().unwrap()]);
    wait_for("it to be well", || is_up(&gate, &cured).then_some(()));
    (0..10).for_each(|number| assert_eq!(rest(&gate, number).status, 200));
    assert!(requests(&cured) >= 4);
}

#[test]
fn all_of_them_are_used_when_none_is_well() {
    let (one, other) = (Backend::raw(&["--status", "200"]), Backend::raw(&[]));
    // They answer 405 to a GET.
    let gate = gate("rest", &[&one, &other], ", health: {path: /, interval_seconds: 1, unhealthy_after: 1}");
    wait_for("the checks", || (!is_up(&gate, &one) && !is_up(&gate, &other)).then_some(()));
    (0..10).for_each(|number| assert_eq!(rest(&gate, number).status, 200));
    assert_eq!((requests(&one), requests(&other)), (5, 5));
    assert_eq!(gate.metric("oakgate_backend_panics_total{backend=\"tools\"}"), 10.0);
}

#[test]
fn a_session_stays_where_it_began() {
    let mut backends = [Backend::features_typescript(&[]), Backend::features_typescript(&[])];
    let gate = gate("mcp", &backends.each_ref(), "");
    // At the caller's home, and there after a restart of the proxy too, which remembers nothing.
    let session = begin(&gate);
    let echo = |gate: &Gate, session: &str| post(gate, ECHO, Some(session)).status;
    (0..5).for_each(|_| assert_eq!(echo(&gate, &session), 200));
    let gate = restarted(gate);
    (0..5).for_each(|_| assert_eq!(echo(&gate, &session), 200));
    let home = usize::from(calls(&backends[0]) == 0);
    assert_eq!((calls(&backends[home]), calls(&backends[1 - home])), (10, 0));
    // Nobody is at home: a session begins elsewhere, and stays there although somebody is at home again.
    let port = backends[home].port().to_owned();
    backends[home].stop();
    assert_eq!(echo(&gate, &session), 404, "the session is over, says who never had it");
    let elsewhere = begin(&gate);
    backends[home] = Backend::features_typescript(&["--port", &port]);
    (0..5).for_each(|_| assert_eq!(echo(&gate, &elsewhere), 200));
    assert_eq!((calls(&backends[home]), calls(&backends[1 - home])), (0, 5));
    let new = begin(&gate);
    assert_eq!(echo(&gate, &new), 200);
    assert_eq!(calls(&backends[home]), 1, "a new one begins at home again");
    let ended = gate.send("DELETE", "/mcp", &[("mcp-session-id", elsewhere.as_str())], b"");
    assert_eq!(ended.status, 200);
    assert_eq!(echo(&gate, &elsewhere), 404);
}

#[test]
fn every_sdk_works_over_two_endpoints() {
    let backends = [Backend::mcp(), Backend::mcp()];
    let gate = gate("mcp", &backends.each_ref(), "");
    let call = json!({"do": "call", "tool": "echo", "arguments": {"payload": 1}});
    let steps = Value::Array(vec![call; 4]);
    for client in Client::all() {
        let before = backends.each_ref().map(calls);
        let lines = client.run(&gate, "/mcp", &steps);
        assert!(lines[1..].iter().all(|line| line["is_error"] == false), "{client:?}: {lines:?}");
        let after = backends.each_ref().map(calls);
        let each = [after[0] - before[0], after[1] - before[1]];
        if client.is_modern() {
            assert_eq!(each[0] + each[1], 4, "{client:?}");
            assert!(each[0] > 0 && each[1] > 0, "{client:?}: each call stands alone: {each:?}");
        } else {
            assert!(each == [4, 0] || each == [0, 4], "{client:?}: {each:?}");
        }
    }
}

#[test]
fn the_old_transport_posts_where_its_stream_comes_from() {
    let mut backends = [Backend::http_and_sse(&[]), Backend::http_and_sse(&[])];
    let gate = gate("mcp", &backends.each_ref(), "");
    let steps = json!([{"do": "call", "tool": "echo", "arguments": {"payload": 1}}]);
    for client in [PY1, TS1] {
        let lines = client.over_http_and_sse().run(&gate, "/mcp", &steps);
        assert_eq!(lines[1]["is_error"], false, "{client:?}: {lines:?}");
    }
    // Nobody is at the caller's home, so the stream comes from elsewhere; then somebody is at home again.
    let home = usize::from(calls(&backends[0]) == 0);
    let port = backends[home].port().to_owned();
    backends[home].stop();
    let mut stream = Connection::open(&gate.address);
    stream.send("GET", "/mcp", &[("x-api-key", KEY), ("accept", "text/event-stream")], b"");
    assert_eq!(stream.head().status, 200);
    let endpoint = String::from_utf8(stream.chunk().unwrap()).unwrap();
    let place = endpoint.lines().find_map(|line| line.strip_prefix("data: ")).unwrap().to_owned();
    backends[home] = Backend::http_and_sse(&["--port", &port]);
    let headers = [("x-api-key", KEY), ("content-type", "application/json")];
    let posted = request(&gate.address, "POST", &place, &headers, INITIALIZE.as_bytes());
    assert_eq!(posted.status, 202, "{}", posted.text());
    let answer = String::from_utf8(stream.chunk().unwrap()).unwrap();
    assert!(answer.contains("serverInfo"), "{answer}");
}

#[test]
fn names_are_looked_up() {
    let backend = Backend::raw(&[]);
    let backends = format!(
        "- {{name: tools, kind: rest, path: /mcp, url: 'http://localhost:{}'}}\n\
         - {{name: lost, kind: rest, path: /lost, url: 'http://nobody.invalid:80'}}",
        backend.port()
    );
    let proxy = "limits: {dns_refresh_seconds: 1}";
    let gate = Gate::start(&GateOptions { backends, policy: POLICY, proxy, ..GateOptions::default() });
    (0..10).for_each(|number| assert_eq!(rest(&gate, number).status, 200));
    let lost = gate.send("POST", "/lost/x", &[], b"");
    assert_eq!((lost.status, &lost.json()["code"]), (502, &json!("backend-unreachable")));
    let report = gate.admin("/backends").json();
    let [localhost, nobody] = [0, 1].map(|place| &report["backends"][place]["names"][0]);
    assert!(localhost["addresses"].as_array().unwrap().contains(&json!(backend.address())), "{report}");
    assert!(nobody["error"].is_string() && nobody["addresses"] == json!([]), "{report}");
    assert!(gate.metric("oakgate_backend_lookups_total{backend=\"lost\",result=\"failed\"}") >= 1.0);
    // Again and again.
    let found = || gate.metric("oakgate_backend_lookups_total{backend=\"tools\",result=\"found\"}");
    let before = found();
    assert!(before >= 1.0);
    wait_for("two more lookups", || (found() >= before + 2.0).then_some(()));
    assert_eq!(rest(&gate, 11).status, 200);
}

#[test]
fn endpoints_that_make_no_sense_are_told() {
    let backends = "- {name: tools, kind: mcp, path: /mcp, url: 'http://tools:80/mcp', \
                    endpoints: ['a:1', 'http://b:2', 'c', 'A:1'], health: {path: healthz}}";
    let folder = Gate::folder(&GateOptions { backends: backends.to_owned(), ..GateOptions::default() });
    let file = folder.path().join("oakgate.yaml");
    let (status, _, errors) = oakgate(&["config", "check", file.to_str().unwrap()], "");
    assert_eq!(status, 64, "{errors}");
    for place in ["endpoints[1]", "endpoints[2]", "endpoints[3]", "health.path"] {
        assert!(errors.contains(&format!("proxy.backends[0].{place}: ")), "{place}\n{errors}");
    }
}
