//! Pages of other origins: whose may call, what they may read, and that a preflight is answered here.

use serde_json::json;

use crate::harness::{Answer, Backend, Gate, GateOptions, KEY, Pages, request};

const POLICY: &str = "
format: 1
org: acme
tools:
  - {name: echo, default: allowed}
  - {name: raw, default: allowed}
  - {name: get-sum, default: disabled}
  - {name: OPTIONS /v1/orders, default: allowed}
  - {name: OPTIONS /v1/refunds, default: disabled}
";
const APP: &str = "https://app.example";
const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"raw","arguments":{}}}"#;

fn gate(kind: &str, backend: &Backend, listener: &str) -> Gate {
    let backends = format!("- {{name: tools, kind: {kind}, path: /mcp, url: '{}'}}", backend.url);
    Gate::start(&GateOptions { backends, policy: POLICY, listener, ..GateOptions::default() })
}

/// The headers about other origins, less their common start.
fn cors(answer: &Answer) -> Vec<(&str, &str)> {
    let about = answer
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("access-control-")?, value.as_str())));
    let mut found: Vec<(&str, &str)> = about.collect();
    found.sort_unstable();
    found
}

#[test]
fn a_preflight_is_answered_here() {
    let backend = Backend::raw(&[]);
    let gate = gate("mcp", &backend, "origins: ['https://app.example']");
    let ask = |origin: &str, further: &[(&str, &str)]| {
        let mut headers = vec![("origin", origin), ("access-control-request-method", "POST")];
        headers.extend_from_slice(further);
        request(&gate.address, "OPTIONS", "/mcp", &headers, b"")
    };
    let asked = "authorization,content-type,mcp-param-region,mcp-session-id,x-api-key";
    let answer = ask(APP, &[("access-control-request-headers", asked)]);
    assert_eq!((answer.status, answer.text().as_str()), (204, ""));
    let expected = [("allow-headers", asked), ("allow-methods", "GET, HEAD, POST, PUT, PATCH, DELETE")];
    let found = cors(&answer);
    assert!(expected.iter().all(|header| found.contains(header)), "{found:?}");
    assert!(found.contains(&("allow-origin", APP)) && found.contains(&("max-age", "600")), "{found:?}");
    assert!(!found.iter().any(|(name, _)| name.contains("credentials") || name.contains("private")));

    let refused = ask("https://evil.example", &[]);
    assert_eq!((refused.status, refused.json()["code"].as_str()), (403, Some("bad-origin")));
    assert!(refused.text().contains("`https://evil.example`"), "{}", refused.text());
    assert_eq!(cors(&refused), []);
    let refused = ask(APP, &[("access-control-request-headers", "*")]);
    assert_eq!((refused.status, refused.json()["code"].as_str()), (400, Some("bad-preflight")));
    // One that a page did not send is a request like any other.
    let headers = [("access-control-request-method", "POST")];
    assert_eq!(request(&gate.address, "OPTIONS", "/mcp", &headers, b"").status, 401);

    assert_eq!(gate.metric("oakgate_preflights_total"), 1.0);
    assert_eq!((backend.log_text().as_str(), gate.records().len()), ("", 0));
}

#[test]
fn without_origins_there_is_no_preflight() {
    let backend = Backend::raw(&[]);
    let gate = gate("mcp", &backend, "");
    let headers = [("origin", APP), ("access-control-request-method", "POST")];
    let answer = request(&gate.address, "OPTIONS", "/mcp", &headers, b"");
    assert_eq!((answer.status, cors(&answer)), (403, vec![]));
}

#[test]
fn options_without_a_preflight_is_a_call() {
    let backend = Backend::raw(&[]);
    let gate = gate("rest", &backend, "origins: ['https://app.example']");
    // This backend takes no `OPTIONS`: its own answer is 405.
    for (path, status) in [("/mcp/v1/orders", 405), ("/mcp/v1/refunds", 403)] {
        let answer = gate.send("OPTIONS", path, &[("origin", APP)], b"");
        assert_eq!(answer.status, status, "{}", answer.text());
        assert!(cors(&answer).contains(&("allow-origin", APP)));
    }
    assert_eq!(backend.log_text().matches("OPTIONS /mcp/v1/orders").count(), 1);
    assert!(!backend.log_text().contains("refunds"));
}

#[test]
fn pages_read_every_answer_and_no_backend_has_a_say_in_it() {
    let theirs = ["--header", "Access-Control-Allow-Origin: *", "--header", "Access-Control-Max-Age: 9"];
    let backend = Backend::raw(&theirs);
    let options =
        "origins: ['https://app.example']\ncors: {allow_credentials: true, expose_headers: [X-Trace]}";
    let gate = gate("mcp", &backend, options);
    let post = |headers: &[(&str, &str)], body: &str| {
        let mut all = vec![("content-type", "application/json"), ("accept", "application/json")];
        all.extend_from_slice(headers);
        request(&gate.address, "POST", "/mcp", &all, body.as_bytes())
    };
    let hidden = CALL.replace("raw", "drop");
    let (key, page) = (("x-api-key", KEY), ("origin", APP));
    for (headers, body, status) in [
        (&[key, page][..], CALL, 200),
        (&[key, page], hidden.as_str(), 200),
        (&[page], CALL, 401),
        (&[key, page], "{", 400),
    ] {
        let answer = post(headers, body);
        assert_eq!(answer.status, status, "{}", answer.text());
        let found = cors(&answer);
        let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["allow-credentials", "allow-origin", "expose-headers"], "{found:?}");
        assert_eq!((found[0].1, found[1].1), ("true", APP));
        let exposed = found[2].1;
        assert!(exposed.starts_with("Mcp-Session-Id, ") && exposed.ends_with(", X-Trace"), "{exposed}");
        assert_eq!(answer.header("vary"), Some("Origin"));
    }
    // Nobody's page: nothing is said, but that it depends on that.
    let answer = post(&[key], CALL);
    assert_eq!((answer.status, cors(&answer), answer.header("vary")), (200, vec![], Some("Origin")));
}

#[test]
fn a_browser_lets_pages_of_listed_origins_call_and_no_others() {
    let backend = Backend::everything();
    let pages = Pages::serve();
    let listener = format!("origins: ['http://localhost:{}']\nlist: annotate", pages.port);
    let gate = gate("mcp", &backend, &listener);
    let query = format!("url={}&key={KEY}", gate.url("/mcp"));
    let seen = pages.open("localhost", &query);
    assert_eq!(
        seen["initialize"],
        json!({"status": 200, "revision": "2025-11-25", "session": true}),
        "{seen}"
    );
    assert_eq!(
        seen["allowed"],
        json!({"status": 200, "isError": false, "text": "Echo: acorn", "call": true})
    );
    assert_eq!(seen["without key"], json!({"status": 401, "code": "credential-unknown", "challenge": true}));
    assert_eq!(
        (&seen["refused"]["status"], &seen["refused"]["isError"]),
        (&json!(200), &json!(true)),
        "{seen}"
    );
    assert!(gate.metric("oakgate_preflights_total") >= 1.0);

    let forwarded = gate.records().len();
    let seen = pages.open("127.0.0.1", &query);
    for what in ["initialize", "allowed", "refused", "without key"] {
        assert_eq!(seen[what], json!({"error": "TypeError"}), "{what}: {seen}");
    }
    assert!(gate.metric("oakgate_refusals_total{reason=\"bad-origin\"}") >= 4.0);
    assert_eq!(gate.records().len(), forwarded);
}
