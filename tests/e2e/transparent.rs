//! What policy has no say in goes through as if the proxy were not there: every SDK runs the same steps against a server and
//! against the proxy before it, and sees the same, line for line. So does the server.

mod bytes;
mod tasks;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{AUTO, Backend, Client, Gate, KEY, RUST, wait_for};

const ALLOW_ALL: &str =
    "{format: 1, org: acme, unlisted_tools: trust, rules: [{id: all, permission: allowed}]}";

/// The answers of a client's own side, for as long as no other step gives others.
fn answers() -> Value {
    json!({
        "elicitation/create": {"action": "accept", "content": {"colour": "red"}},
        "roots/list": {"roots": [{"uri": "file:///home", "name": "home"}]},
        "sampling/createMessage":
            {"role": "assistant", "content": {"type": "text", "text": "roses"}, "model": "m"},
    })
}

fn elicited(answer: &Value) -> Value {
    json!({"elicitation/create": answer})
}

/// What every era has; one call is given up by the client.
fn common_steps() -> Vec<Value> {
    let both = json!({"action": "accept", "content": {"colour": "red", "shade": "dark"}});
    let complete = json!({
        "ref": {"type": "ref/prompt", "name": "greet first"},
        "argument": {"name": "who", "value": "Ad"},
    });
    let greet = json!({"name": "greet first", "arguments": {"who": "Ada"}});
    let request = |method: &str, params: Value| json!({"do": "request", "method": method, "params": params});
    let waits = ["tools/list_changed", "prompts/list_changed", "resources/list_changed", "resources/updated"]
        .map(|kind| json!({"do": "wait_for", "notification": format!("notifications/{kind}")}));
    let mut steps = vec![
        json!({"do": "call", "tool": "ask_form", "answers": answers()}),
        json!({"do": "call", "tool": "ask_twice", "answers": elicited(&both)}),
        json!({"do": "call", "tool": "ask_url", "answers": elicited(&json!({"action": "accept"}))}),
        json!({"do": "call", "tool": "ask_model"}),
        json!({"do": "call", "tool": "ask_roots"}),
        json!({"do": "call", "tool": "ask_form", "answers": elicited(&json!({"action": "decline"}))}),
        json!({"do": "call", "tool": "wait", "arguments": {"milliseconds": 8000}, "timeout_ms": 300}),
        json!({"do": "call", "tool": "announce"}),
    ];
    steps.extend(waits);
    steps.extend([
        json!({"do": "call", "tool": "chatter"}),
        json!({"do": "wait_for", "notification": "notifications/message"}),
        json!({"do": "wait_for", "notification": "notifications/message"}),
        json!({"do": "list"}),
        json!({"do": "pages", "method": "tools/list"}),
        json!({"do": "pages", "method": "resources/list"}),
        json!({"do": "pages", "method": "resources/templates/list"}),
        json!({"do": "pages", "method": "prompts/list"}),
        request("resources/read", json!({"uri": "note://first"})),
        request("resources/read", json!({"uri": "note://first/7"})),
        request("prompts/get", greet),
        request("completion/complete", complete),
    ]);
    steps
}

/// The steps for one era.
fn steps(is_modern: bool) -> Value {
    let mut steps = common_steps();
    let first = json!({"uri": "note://first"});
    if is_modern {
        let all = json!({
            "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
            "resourceSubscriptions": ["note://first"],
        });
        steps.insert(0, json!({"do": "listen", "notifications": all}));
    } else {
        let green = json!({"action": "accept", "content": {"colour": "green"}});
        steps.splice(
            0..0,
            [
                json!({"do": "request", "method": "ping"}),
                json!({"do": "request", "method": "logging/setLevel", "params": {"level": "debug"}}),
                json!({"do": "request", "method": "resources/subscribe", "params": first}),
            ],
        );
        steps.extend([
            json!({"do": "call", "tool": "poll"}),
            json!({"do": "wait_for", "notification": "notifications/message"}),
            json!({"do": "call", "tool": "ask_later", "answers": elicited(&green)}),
            json!({"do": "wait_for", "notification": "notifications/message"}),
        ]);
    }
    Value::Array(steps)
}

/// The same lines without the times.
fn timeless(mut lines: Vec<Value>) -> Vec<Value> {
    for line in &mut lines {
        let line = line.as_object_mut().unwrap();
        line.remove("progress_ms");
        line.remove("elapsed_ms");
    }
    lines
}

/// What a backend saw of a client: each request with its MCP headers and status, each call, how each wait ended.
fn seen(backend: &Backend, from: usize) -> BTreeMap<String, usize> {
    let line = |line: &Value| match line["tool"].as_str() {
        None => line.to_string(),
        Some(tool) => {
            let headers = line["headers"].as_object().unwrap();
            let mcp: Vec<(&String, &Value)> = headers
                .iter()
                .filter(|(name, _)| name.starts_with("mcp-") && *name != "mcp-session-id")
                .collect();
            format!("{tool} {} {mcp:?}", line["arguments"])
        }
    };
    // Requests that run side by side arrive in either order, so it is counted.
    let mut counts = BTreeMap::new();
    for line in backend.log()[from..].iter().map(line) {
        *counts.entry(line).or_default() += 1;
    }
    counts
}

/// Two servers of one kind, one of them behind the proxy.
struct Pair {
    direct: Backend,
    behind: Backend,
    gate: Gate,
}

impl Pair {
    fn new(start: impl Fn() -> Backend) -> Self {
        let (direct, behind) = (start(), start());
        let gate = Gate::mcp(&behind.url, ALLOW_ALL);
        Self { direct, behind, gate }
    }

    /// Runs steps without the proxy and with it, side by side; both ends see the same. Returns what the client saw.
    fn alike(&self, client: Client, steps: &Value) -> Vec<Value> {
        let run = |backend: &Backend, url: &str| {
            let from = backend.log().len();
            let lines = timeless(client.run_at(url, KEY, steps));
            wait_for("the call that was given up", || {
                backend.log()[from..].iter().any(|line| !line["wait"].is_null()).then_some(())
            });
            (lines, seen(backend, from))
        };
        let url = self.gate.url("/mcp");
        let ((direct, saw_direct), (through, saw_through)) = std::thread::scope(|scope| {
            let direct = scope.spawn(|| run(&self.direct, &self.direct.url));
            let through = run(&self.behind, &url);
            (direct.join().unwrap(), through)
        });
        for (place, (direct, through)) in direct.iter().zip(&through).enumerate() {
            assert_eq!(direct, through, "{client:?}: line {place}");
        }
        assert_eq!(direct.len(), through.len(), "{client:?}: {direct:?}");
        assert_eq!(through.len(), steps.as_array().unwrap().len() + 1, "{client:?}: {through:?}");
        assert_eq!(saw_direct, saw_through, "{client:?}");
        assert!(saw_through.contains_key(r#"{"wait":"cancelled"}"#), "{client:?}: {saw_through:?}");
        through
    }
}

/// That the lines are not alike in being wrong.
fn check(client: Client, lines: &[Value]) {
    let text = |line: &Value| line["text"].as_str().unwrap_or_default().to_owned();
    let texts: Vec<String> = lines.iter().map(text).filter(|text| !text.is_empty()).collect();
    for told in ["the colour is red", "the colour is dark red", "the page was accept", "the model says roses"]
    {
        assert!(texts.iter().any(|text| text == told), "{client:?}: no `{told}` in {texts:?}");
    }
    let is_failure = |line: &&Value| {
        ["protocol_error", "http_error", "client_error"].iter().any(|kind| line[kind].is_object())
    };
    let failures: Vec<&Value> = lines.iter().filter(is_failure).collect();
    assert_eq!(failures.len(), 1, "{client:?}: only the call that was given up fails: {failures:?}");
    assert!(lines.iter().any(|line| line["progress"] == json!(["step 1 of 2", "step 2 of 2"])));
    assert!(lines.iter().any(|line| line["pages"] == json!([["first", "second"], ["third"]])));
    let updated = json!({"method": "notifications/resources/updated", "params": {"uri": "note://first"}});
    let is_updated = |line: &&Value| line["notification"]["method"] == updated["method"];
    let line = lines.iter().find(is_updated).unwrap();
    assert_eq!(line["notification"]["params"]["uri"], updated["params"]["uri"], "{client:?}");
    if !client.is_modern() {
        assert!(texts.iter().any(|text| text == "polled"), "{client:?}: {texts:?}");
        let while_away = json!({"level": "info", "logger": "poll", "data": "while away"});
        assert!(
            lines.iter().any(|line| line["notification"]["params"] == while_away),
            "{client:?}: {lines:?}"
        );
        let answered = json!({"level": "info", "data": {"answered": {"colour": "green"}}});
        assert!(lines.iter().any(|line| line["notification"]["params"] == answered), "{client:?}");
    }
}

#[test]
fn a_python_server_is_as_it_is_without_the_proxy() {
    let pair = Pair::new(|| Backend::features(&[]));
    for client in Client::all() {
        let lines = pair.alike(client, &steps(client.is_modern()));
        check(client, &lines);
    }
}

#[test]
fn a_typescript_server_is_as_it_is_without_the_proxy() {
    let pair = Pair::new(|| Backend::features_typescript(&[]));
    for client in Client::all().into_iter().filter(|client| !client.is_modern()) {
        let lines = pair.alike(client, &steps(false));
        check(client, &lines);
    }
}

#[test]
fn a_session_that_the_server_ended_is_ended_for_the_client_too() {
    let backend = Backend::features_typescript(&[]);
    let gate = Gate::mcp(&backend.url, ALLOW_ALL);
    let steps = json!([
        {"do": "call", "tool": "end_session"},
        {"do": "call", "tool": "chatter"},
        {"do": "call", "tool": "echo", "arguments": {"payload": 1}},
    ]);
    for client in Client::all().into_iter().filter(|client| !client.is_modern()) {
        let [direct, through] = [&backend.url, &gate.url("/mcp")].map(|url| {
            let from = backend.log().len();
            let lines = timeless(client.run_at(url, KEY, &steps));
            let was_told = backend.log()[from..].iter().any(|line| line["status"] == 404);
            assert!(was_told, "{client:?}: {lines:?}");
            lines
        });
        assert_eq!(direct, through, "{client:?}");
        // The Rust SDK opens another session, and repeats what was refused.
        let goes_on = through.last().unwrap()["text"] == "1";
        assert_eq!(goes_on, client == RUST[0], "{client:?}: {through:?}");
    }
}

#[test]
fn clients_find_the_era_of_a_server_through_the_proxy() {
    let backends = [
        (Backend::features_typescript(&[]), "2025-11-25"),
        (Backend::features(&["--modern-only"]), "2026-07-28"),
        (Backend::features(&[]), "2026-07-28"),
    ];
    for (backend, revision) in backends {
        let gate = Gate::mcp(&backend.url, ALLOW_ALL);
        for client in AUTO {
            let steps = json!([{"do": "list"}]);
            let lines = client.run(&gate, "/mcp", &steps);
            assert_eq!(lines[0]["negotiated"], revision, "{client:?}: {lines:?}");
            assert_eq!(lines, client.run_at(&backend.url, KEY, &steps), "{client:?}");
        }
    }
}

#[test]
fn arguments_that_go_into_headers_arrive_in_them() {
    let backend = Backend::features(&[]);
    let gate = Gate::mcp(&backend.url, ALLOW_ALL);
    // The client learns from the list which argument goes into a header.
    let steps =
        json!([{"do": "list"}, {"do": "call", "tool": "regional", "arguments": {"region": "Zürich"}}]);
    for client in Client::all().into_iter().filter(|client| client.is_modern()) {
        let headers = [&backend.url, &gate.url("/mcp")].map(|url| {
            let lines = client.run_at(url, KEY, &steps);
            assert_eq!(lines[2]["text"], "in Zürich", "{client:?}: {lines:?}");
            let log = backend.log();
            let call = log.iter().rfind(|line| line["tool"] == "regional").unwrap();
            call["headers"]["mcp-param-region"].clone()
        });
        assert_eq!(headers, [json!("=?base64?WsO8cmljaA==?="), json!("=?base64?WsO8cmljaA==?=")]);
    }
}

#[test]
fn a_call_whose_caller_has_gone_ends_as_it_does_without_the_proxy() {
    // Longer than anything is waited for, so that no such wait finishes.
    const LONG_MS: u32 = 60_000;
    let backend = Backend::features(&[]);
    let gate = Gate::mcp(&backend.url, ALLOW_ALL);
    for (address, key) in [(bytes::address(&backend), "direct"), (&gate.address, KEY)] {
        // 2026-07-28: whoever closes the stream takes the call back.
        drop(bytes::waiting_call(&backend, (address, key), None, LONG_MS));
        assert_eq!(bytes::end_of_wait(&backend), "cancelled", "{address}");
        // Before, it goes on.
        let session = bytes::session(address, key);
        drop(bytes::waiting_call(&backend, (address, key), Some(&session), 600));
        assert_eq!(bytes::end_of_wait(&backend), "finished", "{address}");
        // And it is cancelled by a notification.
        let call = bytes::waiting_call(&backend, (address, key), Some(&session), LONG_MS);
        let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"wait"}}"#;
        assert_eq!(bytes::post(address, key, Some(&session), cancel).status, 202, "{address}");
        assert_eq!(bytes::end_of_wait(&backend), "cancelled", "{address}");
        drop(call);
    }
}
