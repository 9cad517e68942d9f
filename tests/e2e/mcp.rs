//! Every SDK, in every era, through the proxy: what policy allows works as it does without the proxy, what it refuses is
//! refused in a way that the SDK shows, and never reaches the backend.

use serde_json::{Value, json};

use crate::harness::{Backend, Client, Gate, GateOptions, PY1, PY2, TS1, request};

const POLICY: &str = "
format: 1
org: acme
tools:
  - {name: read_note, default: allowed}
  - {name: slow_count, default: allowed}
  - {name: echo, default: allowed}
  - {name: with_output_schema, default: allowed}
  - {name: write_note, default: disabled}
  - {name: drop_table, enabled: false}
rules:
  - {id: no-drafts, tool: write_note, resource: /drafts, permission: allowed}
  - {id: secrets, tool: read_note, resource: /secret, permission: disabled, reason: secrets are for people}
";

fn gate(backend: &Backend) -> Gate {
    let backends = format!(
        "- {{name: tools, kind: mcp, path: /mcp, url: '{}', resource: {{argument: /path}}}}",
        backend.url
    );
    Gate::start(&GateOptions { backends, policy: POLICY, ..GateOptions::default() })
}

#[test]
fn what_is_allowed_works_and_carries_a_receipt() {
    let backend = Backend::mcp();
    let gate = gate(&backend);
    for client in Client::all() {
        let before = backend.log().len();
        let steps = json!([
            {"do": "call", "tool": "echo", "arguments": {"payload": {"deep": [1, "zwei", null]}}},
            {"do": "call", "tool": "slow_count", "arguments": {"n": 3, "delay_ms": 100}},
            {"do": "call", "tool": "with_output_schema", "arguments": {"a": 1, "b": 2}},
            {"do": "call_parallel", "calls": [
                {"tool": "echo", "arguments": {"payload": 1}},
                {"tool": "echo", "arguments": {"payload": 2}}
            ]},
        ]);
        let lines = client.run(&gate, "/mcp", &steps);
        assert_eq!(lines[0]["negotiated"], client.revision, "{client:?}");
        assert_eq!(lines.len(), 5, "{client:?}: {lines:?}");
        assert!(lines[1]["text"].as_str().unwrap().contains("zwei"), "{client:?}: {lines:?}");
        assert_eq!(lines[2]["progress"].as_array().unwrap().len(), 3, "{client:?}: {lines:?}");
        assert_eq!(lines[3]["is_error"], false, "{client:?}: {lines:?}");
        assert_eq!(lines[4]["results"].as_array().unwrap().len(), 2, "{client:?}: {lines:?}");
        let log = backend.log();
        assert_eq!(log.len(), before + 5, "{client:?}");
        for call in &log[before..] {
            let headers = &call["headers"];
            assert!(headers["oakgate-receipt"].is_string(), "{client:?}: {headers}");
            assert!(
                headers["x-api-key"].is_null() && headers["authorization"].is_null(),
                "{client:?}: {headers}"
            );
        }
    }
}

#[test]
fn progress_comes_while_the_call_runs() {
    let backend = Backend::mcp();
    let gate = gate(&backend);
    for client in Client::all() {
        let line = client.call(&gate, "slow_count", &json!({"n": 4, "delay_ms": 250}));
        let times: Vec<f64> =
            line["progress_ms"].as_array().unwrap().iter().map(|ms| ms.as_f64().unwrap()).collect();
        let elapsed = line["elapsed_ms"].as_f64().unwrap();
        // The first of four steps is heard of well before the end: nothing is kept back.
        assert!(times[0] < elapsed - 400.0, "{client:?}: {line}");
    }
}

#[test]
fn what_is_disabled_never_reaches_the_backend() {
    let backend = Backend::mcp();
    let gate = gate(&backend);
    for client in Client::all() {
        let steps = json!([
            {"do": "call", "tool": "read_note", "arguments": {"path": "/secret"}},
            {"do": "call", "tool": "drop_table", "arguments": {"table": "users"}},
            {"do": "call", "tool": "write_note", "arguments": {"path": "/a", "text": "x"}},
        ]);
        let lines = client.run(&gate, "/mcp", &steps);
        let denied = &lines[1];
        assert_eq!(denied["is_error"], true, "{client:?}: {denied}");
        let text = denied["text"].as_str().unwrap();
        assert!(
            text.starts_with("Not executed: policy does not allow it: secrets are for people."),
            "{text}"
        );
        let verdict = &denied["meta"]["oakgate.dev/verdict"];
        assert_eq!(verdict["permission"], "disabled", "{client:?}: {denied}");
        assert_eq!(verdict["level"], "org/resource+tool");
        assert_eq!(verdict["rule"], "secrets");
        // A tool that this caller can never use is like one that does not exist.
        assert_eq!(lines[2]["protocol_error"]["code"], -32602, "{client:?}: {lines:?}");
        assert!(lines[2]["protocol_error"]["message"].as_str().unwrap().contains("Unknown tool: drop_table"));
        // One that it can use on some resource is refused by name.
        assert_eq!(lines[3]["is_error"], true, "{client:?}: {lines:?}");
    }
    assert_eq!(backend.log(), Vec::<Value>::new());
}

#[test]
fn lists_show_what_may_be_called() {
    let backend = Backend::mcp();
    let filtering = gate(&backend);
    let backends = format!("- {{name: tools, kind: mcp, path: /mcp, url: '{}'}}", backend.url);
    let options = GateOptions { backends, policy: POLICY, listener: "list: 'off'", ..GateOptions::default() };
    let untouched = Gate::start(&options);
    for client in Client::all() {
        let list = |gate: &Gate| client.run(gate, "/mcp", &json!([{"do": "list"}]))[1]["tools"].clone();
        let all =
            json!(["read_note", "write_note", "drop_table", "slow_count", "echo", "with_output_schema"]);
        let visible = json!(["read_note", "write_note", "slow_count", "echo", "with_output_schema"]);
        assert_eq!(list(&filtering), visible, "{client:?}");
        assert_eq!(list(&untouched), all, "{client:?}");
    }
    assert!(filtering.metric("oakgate_tools_hidden_total{backend=\"tools\"}") >= 6.0);
}

#[test]
fn unlisted_tools_need_approval_and_without_a_control_plane_are_refused() {
    let backend = Backend::mcp();
    let gate = Gate::mcp(&backend.url, "{format: 1, org: acme, rules: [{id: all, permission: allowed}]}");
    for client in Client::all() {
        let line = client.call(&gate, "echo", &json!({"payload": 1}));
        assert_eq!(line["is_error"], true, "{client:?}: {line}");
        let verdict = &line["meta"]["oakgate.dev/verdict"];
        assert_eq!(
            (&verdict["reason"], &verdict["permission"]),
            (&json!("approvals-unavailable"), &json!("requires_approval"))
        );
    }
    assert_eq!(backend.log(), Vec::<Value>::new());
}

#[test]
fn the_official_servers_work_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "acorn").unwrap();
    let filesystem = Backend::filesystem(folder.path());
    let everything = Backend::everything();
    let backends = format!(
        "- {{name: files, kind: mcp, path: /mcp/files, url: '{}', resource: {{argument: /path}}}}\n\
         - {{name: everything, kind: mcp, path: /mcp/everything, url: '{}'}}",
        filesystem.url, everything.url
    );
    let policy = "
format: 1
org: acme
unlisted_tools: trust
rules:
  - {id: reads, tool: read_*, permission: allowed}
  - {id: echo, tool: echo, permission: allowed}
  - {id: rest, permission: disabled}
";
    let gate = Gate::start(&GateOptions { backends, policy, ..GateOptions::default() });
    let path = folder.path().join("a.txt");
    for client in [PY1, PY2[0], PY2[1], TS1] {
        let steps = json!([
            {"do": "call", "tool": "read_text_file", "arguments": {"path": path}},
            {"do": "call", "tool": "write_file", "arguments": {"path": path, "content": "gone"}},
            {"do": "list"},
        ]);
        let lines = client.run(&gate, "/mcp/files", &steps);
        assert!(lines[1]["text"].as_str().unwrap().contains("acorn"), "{client:?}: {lines:?}");
        assert_eq!(lines[2]["protocol_error"]["code"], -32602, "{client:?}: {lines:?}");
        let tools = lines[3]["tools"].as_array().unwrap();
        assert!(
            !tools.is_empty() && tools.iter().all(|tool| tool.as_str().unwrap().starts_with("read_")),
            "{tools:?}"
        );
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "acorn");
    for client in [PY1, PY2[0], TS1] {
        let lines = client.run(
            &gate,
            "/mcp/everything",
            &json!([
                {"do": "list"},
                {"do": "call", "tool": "echo", "arguments": {"message": "through"}},
            ]),
        );
        assert_eq!(lines[1]["tools"], json!(["echo"]), "{client:?}");
        assert!(lines[2]["text"].as_str().unwrap().contains("through"), "{client:?}: {lines:?}");
    }
}

#[test]
fn credentials_are_needed_and_go_no_further() {
    let backend = Backend::mcp();
    let gate = gate(&backend);
    let unknown = PY1.run_with_key(&gate, "/mcp", "oak_agent_unknown", &json!([{"do": "list"}]));
    assert_eq!(unknown.last().unwrap()["http_error"]["status"], 401, "{unknown:?}");
    let answer = request(&gate.address, "POST", "/mcp", &[("content-type", "application/json")], b"{}");
    assert_eq!(answer.status, 401);
    assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
    assert_eq!(answer.json()["code"], "credential-missing");
    assert_eq!(gate.metric("oakgate_refusals_total{reason=\"credential-missing\"}"), 1.0);
    assert!(gate.records().is_empty(), "a request of nobody leaves a count, and no record");
}

#[test]
fn methods_pass_if_they_are_published_or_named() {
    let backend = Backend::raw(&[]);
    let backends = format!(
        "- {{name: tools, kind: mcp, path: /mcp, url: '{}', extra_methods: [acme/ping]}}",
        backend.url
    );
    let gate = Gate::start(&GateOptions { backends, ..GateOptions::default() });
    let call = |method: &str, modern: bool| {
        let meta = if modern {
            r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#
        } else {
            "{}"
        };
        gate.post(&format!(r#"{{"jsonrpc":"2.0","id":"x","method":"{method}","params":{meta}}}"#))
    };
    let unknown = call("acme/pong", false);
    assert_eq!((unknown.status, &unknown.json()["error"]["code"]), (200, &json!(-32601)));
    assert_eq!(unknown.json()["id"], "x");
    assert_eq!(call("acme/pong", true).status, 404);
    assert_eq!(gate.post(r#"{"jsonrpc":"2.0","method":"notifications/acme"}"#).status, 202);
    assert_eq!(backend.log_text(), "", "nothing of that goes further");
    call("acme/ping", false);
    call("resources/list", false);
    let log = backend.log_text();
    assert!(log.contains("acme/ping") && log.contains("resources/list"), "{log}");
}

#[test]
fn other_methods_can_be_put_under_the_cascade() {
    let backend = Backend::raw(&[]);
    let backends = format!(
        "- {{name: tools, kind: mcp, path: /mcp, url: '{}', govern: [resources/read, prompts/get]}}",
        backend.url
    );
    let policy = "
format: 1
org: acme
tools: [{name: resources/read, default: allowed}, {name: prompts/get, default: disabled}]
rules: [{id: private, tool: resources/read, resource: 'file:///private', permission: disabled}]
";
    let gate = Gate::start(&GateOptions { backends, policy, ..GateOptions::default() });
    let read = |uri: &str| {
        gate.post(
            &json!({"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": uri}})
                .to_string(),
        )
    };
    let refused = read("file:///private");
    assert_eq!(refused.status, 200);
    assert_eq!(refused.json()["error"]["code"], -31403);
    assert_eq!(refused.json()["error"]["data"]["rule"], "private");
    let prompt =
        json!({"jsonrpc": "2.0", "id": 1, "method": "prompts/get", "params": {"name": "p"}}).to_string();
    assert_eq!(gate.post(&prompt).json()["error"]["data"]["permission"], "disabled");
    assert_eq!(backend.log_text(), "");
    read("file:///public");
    assert!(backend.log_text().contains("file:///public"));
}
