//! OAuth of a backend, passed through: its tokens, its challenges, its metadata, and nothing of the proxy's own.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::harness::{Answer, Backend, Gate, GateOptions, KEY, OAUTH, oakgate, request};

const POLICY: &str = "{format: 1, org: acme, tools: [{name: echo, default: allowed}]}";
const RESOURCE: &str = "/.well-known/oauth-protected-resource";

/// A proxy whose callers are not asked who they are, with these backends.
fn gate(backends: &str) -> Gate {
    let options = GateOptions { backends: backends.to_owned(), policy: POLICY, ..GateOptions::default() };
    let folder = Gate::folder(&options);
    let file = folder.path().join("oakgate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("auth: api-key", "auth: none")).unwrap();
    Gate::start_in(folder, false)
}

fn passing(url: &str) -> Gate {
    gate(&format!("- {{name: tools, kind: mcp, path: /mcp, url: '{url}', authorization: pass}}"))
}

fn get(gate: &Gate, path: &str) -> Answer {
    request(&gate.address, "GET", path, &[], b"")
}

fn challenge(gate: &Gate) -> Option<String> {
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let answer = request(&gate.address, "POST", "/mcp", &[("content-type", "application/json")], body);
    assert_eq!(answer.status, 401, "{}", answer.text());
    answer.header("www-authenticate").map(str::to_owned)
}

/// Runs real clients that find the authorization server by themselves and get a token from it.
fn clients_get_through(gate: &Gate, backend: &Backend) {
    let steps = json!([
        {"do": "list"},
        {"do": "call", "tool": "echo", "arguments": {"payload": "a"}},
        {"do": "call", "tool": "unknown", "arguments": {}},
    ]);
    for (place, client) in OAUTH.into_iter().enumerate() {
        let lines = client.run(gate, "/mcp", &steps);
        assert_eq!(lines[0], json!({"negotiated": client.revision}), "{client:?}: {lines:?}");
        assert_eq!(lines[1]["tools"], json!(["echo"]), "{client:?}");
        assert_eq!((&lines[2]["is_error"], &lines[2]["text"]), (&json!(false), &json!("a")), "{client:?}");
        assert_eq!(lines[3]["is_error"], true, "policy still decides: {}", lines[3]);
        let log = backend.log();
        assert_eq!(log.len(), place + 1, "{client:?}");
        let headers = &log[place]["headers"];
        let token = headers["authorization"].as_str().unwrap();
        assert!(token.starts_with("Bearer token-") && headers["oakgate-receipt"].is_string(), "{headers}");
        assert!(headers.get("x-api-key").is_none(), "{headers}");
    }
}

#[test]
fn clients_find_the_backends_authorization_under_the_proxys_address() {
    let backend = Backend::oauth(&[]);
    let gate = passing(&backend.url);
    let challenge = challenge(&gate).unwrap();
    let ours = gate.url(&format!("{RESOURCE}/mcp"));
    let expected = format!(
        "Bearer error=\"invalid_token\", error_description=\"Authentication required\", resource_metadata=\"{ours}\""
    );
    assert_eq!(challenge, expected);
    let document = get(&gate, &format!("{RESOURCE}/mcp")).json();
    assert_eq!(document["resource"], gate.url("/mcp"));
    assert_eq!(document["scopes_supported"], json!(["notes"]));
    // Authorization servers are theirs to reach.
    let backends = backend.url.strip_suffix("/mcp").unwrap().strip_prefix("http://").unwrap();
    let direct = request(backends, "GET", &format!("{RESOURCE}/mcp"), &[], b"").json();
    assert_eq!(document["authorization_servers"], direct["authorization_servers"]);
    clients_get_through(&gate, &backend);
    // What the backend does not have, the proxy does not have either.
    assert_eq!(get(&gate, RESOURCE).status, 404);
    assert_eq!(get(&gate, &format!("{RESOURCE}/mcp/")).status, 404);
}

#[test]
fn a_backend_that_knows_the_proxys_address_may_check_whom_a_token_is_for() {
    // The backend says of itself what the proxy's address is, so the proxy is started first.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let gate = passing(&format!("http://127.0.0.1:{port}/mcp"));
    let backend = Backend::oauth(&["--port", &port, "--resource", &gate.url("/mcp")]);
    assert!(challenge(&gate).unwrap().contains(&gate.url(&format!("{RESOURCE}/mcp"))));
    clients_get_through(&gate, &backend);
}

/// What a backend was asked: the request line, and `Authorization`.
type Asked = Vec<(String, Option<String>)>;

/// A backend that answers by path, and remembers what it was asked.
#[derive(Clone)]
struct Canned {
    url: String,
    asked: Arc<Mutex<Asked>>,
}

impl Canned {
    /// Answers are whole but for `Content-Length`; `ORIGIN` in them is its own.
    fn start(answers: &[(&str, &str, String)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers: HashMap<String, (String, String)> = answers
            .iter()
            .map(|(path, head, body)| {
                ((*path).to_owned(), (head.replace("ORIGIN", &url), body.replace("ORIGIN", &url)))
            })
            .collect();
        let canned = Self { url, asked: Arc::default() };
        let asked = Arc::clone(&canned.asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut lines = Vec::new();
                loop {
                    let mut line = String::new();
                    let length = reader.read_line(&mut line).unwrap_or(0);
                    if length == 0 || line == "\r\n" {
                        break;
                    }
                    lines.push(line.trim_end().to_owned());
                }
                let Some(first) = lines.first() else { continue };
                let authorization = lines.iter().find_map(|line| line.strip_prefix("authorization: "));
                asked.lock().unwrap().push((first.clone(), authorization.map(str::to_owned)));
                let path = first.split(' ').nth(1).unwrap();
                let (head, body) = match answers.get(path) {
                    Some((head, body)) => (head.as_str(), body.as_str()),
                    None => ("HTTP/1.1 404 Not Found\r\n", "none"),
                };
                let length = body.len();
                // A client that has seen enough may be gone.
                let _gone =
                    write!(stream, "{head}content-length: {length}\r\nconnection: close\r\n\r\n{body}");
            }
        });
        canned
    }

    fn asked(&self) -> Asked {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn ok(body: &str) -> (&'static str, String) {
    ("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\netag: \"1\"\r\n", body.to_owned())
}

#[test]
fn metadata_is_where_the_backend_says_it_is() {
    let (head, document) = ok("{\"resource\": \"ORIGIN\", \"x\": 1.0}");
    let unauthorized = "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm=\"x\"\r\n\
                        www-authenticate: Bearer resource_metadata=\"ORIGIN/custom/place.json\"\r\n";
    let canned =
        Canned::start(&[("/mcp", unauthorized, String::new()), ("/custom/place.json", head, document)]);
    let gate = passing(&format!("{}/mcp", canned.url));
    let place = format!("{RESOURCE}/mcp");
    // Before it has said so, it is where the standard puts it: not there.
    assert_eq!(get(&gate, &place).status, 404);
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let answer = request(&gate.address, "POST", "/mcp", &[("content-type", "application/json")], body);
    let challenges: Vec<&str> = answer
        .headers
        .iter()
        .filter(|(name, _)| name == "www-authenticate")
        .map(|(_, value)| value.as_str())
        .collect();
    let ours = format!("Bearer resource_metadata=\"{}\"", gate.url(&place));
    assert_eq!(challenges, ["Basic realm=\"x\"", &ours]);
    for _ in 0..2 {
        let answer = get(&gate, &place);
        assert_eq!(answer.text(), format!("{{\"resource\": \"{}\", \"x\": 1.0}}", gate.url("")));
        assert_eq!((answer.header("etag"), answer.header("content-type")), (None, Some("application/json")));
    }
    // Asked for each time, never made up, and never anything else than what was announced.
    assert_eq!(get(&gate, "/custom/place.json").status, 404);
    let lines: Vec<String> = canned.asked().into_iter().map(|(line, _)| line).collect();
    let announced = "GET /custom/place.json HTTP/1.1";
    assert_eq!(
        lines,
        [&format!("GET {place} HTTP/1.1"), "POST /mcp HTTP/1.1", announced, announced],
        "one request of the client is one request to the backend"
    );
    assert_eq!(gate.records(), Vec::<Value>::new(), "no call, no record");
}

/// A backend whose challenge a caller can influence must not send the next caller's token anywhere.
#[test]
fn nobodys_token_goes_where_a_challenge_points() {
    let (head, document) = ok("{}");
    for (place, is_announced) in [
        ("/place", true),
        ("/place?drop=1", false),
        ("/a/../place", false),
        ("/a%2fplace", false),
        ("/a;b", false),
    ] {
        let unauthorized = format!(
            "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer resource_metadata=\"ORIGIN{place}\"\r\n"
        );
        let canned =
            Canned::start(&[("/mcp", &unauthorized, String::new()), (place, head, document.clone())]);
        let gate = passing(&format!("{}/mcp", canned.url));
        let ours = gate.url(&format!("{RESOURCE}/mcp"));
        let named = if is_announced { ours } else { format!("{}{place}", canned.url) };
        assert_eq!(challenge(&gate), Some(format!("Bearer resource_metadata=\"{named}\"")));
        let token = [("authorization", "Bearer theirs")];
        request(&gate.address, "GET", &format!("{RESOURCE}/mcp"), &token, b"");
        let asked = format!("{:?}", canned.asked());
        assert_eq!(asked.contains(&format!("GET {place} ")), is_announced, "{asked}");
        assert!(!asked.contains("theirs"), "{asked}");
    }
}

#[test]
fn documents_pass_and_only_they() {
    let evil =
        ok("{\"resource\": \"https://evil.example.com/mcp\", \"authorization_servers\": [\"ORIGIN\"]}");
    let server = ok("{\"issuer\": \"ORIGIN\", \"resource\": \"ORIGIN/mcp\"}");
    let twice = ok("{\"resource\": \"ORIGIN\", \"resource\": \"ORIGIN/mcp\"}");
    let large = ok(&format!("{{\"x\": \"{}\"}}", "x".repeat(70_000)));
    let canned = Canned::start(&[
        (&format!("{RESOURCE}/mcp"), evil.0, evil.1.clone()),
        (RESOURCE, twice.0, twice.1),
        ("/.well-known/oauth-authorization-server", server.0, server.1.clone()),
        (&format!("{RESOURCE}/b"), large.0, large.1),
    ]);
    let first = passing(&format!("{}/mcp", canned.url));
    let origin = &canned.url;
    let answer = get(&first, &format!("{RESOURCE}/mcp"));
    assert_eq!(answer.text(), evil.1.replace("ORIGIN", origin), "a mismatch is the client's to see");
    assert_eq!(answer.header("etag"), Some("\"1\""));
    let answer = get(&first, "/.well-known/oauth-authorization-server");
    assert_eq!(answer.text(), server.1.replace("ORIGIN", origin), "what is not about the resource stays");
    let answer = get(&first, RESOURCE);
    assert_eq!((answer.status, &answer.json()["code"]), (502, &json!("document-unreadable")));
    for method in ["POST", "DELETE", "PUT"] {
        assert_eq!(request(&first.address, method, RESOURCE, &[], b"").status, 405, "{method}");
    }
    assert_eq!(get(&first, "/.well-known/other").status, 404);
    canned.asked();
    // Two that pass: each has its own documents, and the origin's are nobody's.
    let second = gate(&format!(
        "- {{name: a, kind: mcp, path: /a, url: '{origin}/mcp', authorization: pass}}
- {{name: b, kind: mcp, path: /b, url: '{origin}/b', authorization: pass}}
- {{name: c, kind: mcp, path: /c, url: '{origin}/c'}}"
    ));
    assert_eq!(get(&second, &format!("{RESOURCE}/a")).text(), evil.1.replace("ORIGIN", origin));
    assert_eq!(get(&second, &format!("{RESOURCE}/b")).json()["code"], "document-unreadable");
    for path in [RESOURCE, &format!("{RESOURCE}/c"), "/.well-known/oauth-authorization-server"] {
        assert_eq!(get(&second, path).json()["code"], "no-backend", "{path}");
    }
    assert_eq!(canned.asked().len(), 2);
}

#[test]
fn nothing_of_the_proxys_own_passes() {
    let unauthorized =
        "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer resource_metadata=\"ORIGIN/x\"\r\n";
    let canned = Canned::start(&[("/mcp", unauthorized, String::new())]);
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let gate = passing(&format!("{}/mcp", canned.url));
    let send = |gate: &Gate, headers: &[(&str, &str)]| {
        let answer = request(&gate.address, "POST", "/mcp", headers, body);
        (answer.header("www-authenticate").is_some(), canned.asked()[0].1.clone())
    };
    let key = format!("Bearer {KEY}");
    for (headers, expected) in [
        (&[("authorization", "Bearer a.b")][..], Some("Bearer a.b")),
        (&[("authorization", "DPoP a.b"), ("x-api-key", KEY)], Some("DPoP a.b")),
        // A key of the proxy's that was sent here by mistake.
        (&[("authorization", key.as_str())], None),
        (&[], None),
    ] {
        assert_eq!(send(&gate, headers), (true, expected.map(str::to_owned)), "{headers:?}");
    }
    let strips = Gate::mcp(&format!("{}/mcp", canned.url), POLICY);
    assert_eq!(send(&strips, &[("authorization", key.as_str())]), (false, None));
}

#[test]
fn a_listener_with_credentials_of_its_own_can_not_pass_them() {
    let backends =
        "- {name: tools, kind: mcp, path: /mcp, url: 'http://127.0.0.1:1/mcp', authorization: pass}";
    let folder = Gate::folder(&GateOptions { backends: backends.to_owned(), ..GateOptions::default() });
    let file = folder.path().join("oakgate.yaml");
    let (status, output, errors) = oakgate(&["config", "check", file.to_str().unwrap()], "");
    assert_eq!(status, 64, "{output}{errors}");
    let mistake = "proxy.backends[0].authorization: `pass` needs `auth: none` on every listener of the backend: `agents`";
    assert!(format!("{output}{errors}").contains(mistake), "{output}{errors}");
}
