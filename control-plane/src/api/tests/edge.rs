//! Clients that are slow, silent, many, or say two things at once.

use std::net::Ipv4Addr;

use tokio::net::TcpSocket;
use tokio::time::timeout;

use super::*;

/// Longest that a busy machine may take for what should be done at once.
const AT_ONCE: Duration = Duration::from_secs(30);

const GET: &str = "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Connects from an address of this host.
async fn connect(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind((from, 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

/// Reads until the end; of a connection that was cut too.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = timeout(AT_ONCE, stream.read_to_end(&mut bytes)).await.expect("it stays open");
    String::from_utf8(bytes).unwrap()
}

async fn reached(running: &Running, limit: &str) -> u64 {
    let metrics = send(running.address, "GET", "/metrics", "", "").await.body;
    let name = format!("oakgate_api_limits_reached_total{{limit=\"{limit}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |count| count.parse().unwrap())
}

#[test]
fn a_client_that_never_reads_is_cut() {
    on_both(async |database| {
        let running = Running::impatient(&database).await;
        let mut stream = connect(Ipv4Addr::LOCALHOST, running.address).await;
        // What it asks for fits no buffer between the two.
        let asked = GET.repeat(2000);
        let is_cut = async {
            let _ = stream.write_all(asked.as_bytes()).await;
            while reached(&running, "write_timeout_seconds").await == 0 {
                tokio::task::yield_now().await;
            }
        };
        timeout(AT_ONCE, is_cut).await.expect("it stays open");
    });
}

#[test]
fn one_address_takes_a_share_of_the_connections() {
    on_both(async |database| {
        let running = Running::start(&database, &[]).await;
        let mut held = Vec::new();
        for _ in 0..128 {
            let mut stream = connect(Ipv4Addr::new(127, 0, 0, 2), running.address).await;
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
            let mut first = [0];
            stream.read_exact(&mut first).await.unwrap();
            held.push(stream);
        }
        let mut one_more = connect(Ipv4Addr::new(127, 0, 0, 2), running.address).await;
        assert_eq!(rest(&mut one_more).await, "", "it is closed at once");
        assert_eq!(reached(&running, "max_connections_per_address").await, 1, "others are served");
        drop(held);
    });
}

#[test]
fn a_slow_body_is_told_so() {
    on_both(async |database| {
        let running = Running::impatient(&database).await;
        let key = running.key(ORG, "ops", Tier::Management).await;
        for (path, fields) in [("/v1/policy", "If-Match: \"0\"\r\n"), ("/v1/tenants/a", "")] {
            let mut stream = connect(Ipv4Addr::LOCALHOST, running.address).await;
            let head = format!(
                "PUT {path} HTTP/1.1\r\nHost: localhost\r\n{key}{fields}Content-Type: application/json\r\n\
                 Content-Length: 10\r\n\r\n{{"
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            let answer = rest(&mut stream).await;
            assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
            assert!(answer.contains("\"body_timeout\"") && answer.contains("connection: close"), "{answer}");
        }
        assert_eq!(reached(&running, "body_timeout_seconds").await, 2);
    });
}

#[test]
fn a_refusal_before_the_body_is_read_by_whoever_is_still_sending() {
    on_both(async |database| {
        let running = Running::start(&database, &[]).await;
        let head = "PUT /v1/tenants/a HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                    Content-Length: 60000\r\n\r\n";
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 401");
        // Its answer is there already. It may go on all the same, and is not cut off for it.
        for _ in 0..60 {
            stream.write_all(&[b' '; 1000]).await.unwrap();
        }
        let answer = rest(&mut stream).await;
        assert!(answer.contains("connection: close"), "{answer}");
        assert!(answer.ends_with('}'), "{answer}");
    });
}

#[test]
fn requests_that_say_two_things_are_refused_before_anything_is_done() {
    on_both(async |database| {
        let running = Running::start(&database, &[]).await;
        let key = running.key(ORG, "ops", Tier::Management).await;
        let put = |target: &str, fields: &str, body: &str| {
            format!(
                "PUT {target} HTTP/1.1\r\nHost: localhost\r\n{key}Content-Type: application/json\r\n\
                 Connection: close\r\n{fields}\r\n{body}"
            )
        };
        let length = "Content-Length: 2\r\n";
        for (request, code) in [
            (put("http://evil.example/v1/tenants/a", length, "{}"), "host_unclear"),
            (put("http://localhost:1/v1/tenants/a", length, "{}"), "host_unclear"),
            (put("http://ops@localhost/v1/tenants/a", length, "{}"), "request_malformed"),
            (
                put(
                    "/v1/tenants/a",
                    "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
                    "2\r\n{}\r\n0\r\n\r\n",
                ),
                "request_malformed",
            ),
            (
                put(
                    "/v1/tenants/a",
                    "Transfer-Encoding: chunked\r\nContent-Length: 12\r\n",
                    "2\r\n{}\r\n0\r\n\r\n",
                ),
                "request_malformed",
            ),
            (put("/v1/tenants/a", "Transfer-Encoding: chunked\r\n", "2\r\n{}x"), "request_malformed"),
        ] {
            raw(running.address, &request).await.problem(400, code);
        }
        let tenants = send(running.address, "GET", "/v1/tenants", &key, "").await.json(200);
        assert_eq!(tenants, json!({"items": []}));
        let absolute = put("http://LOCALHOST/v1/tenants/a", length, "{}");
        assert_eq!(raw(running.address, &absolute).await.status, 201);
    });
}

#[test]
fn slow_documents_of_one_organisation_keep_no_other_waiting() {
    on_both(async |database| {
        let running = Running::start(&database, &[]).await;
        let key = running.key(ORG, "ops", Tier::Management).await;
        let other = running.key("other", "ops", Tier::Management).await;
        let mut slow = Vec::new();
        for (method, path) in [("PUT", "/v1/policy"), ("POST", "/v1/policy/diff")].repeat(2) {
            let mut stream = TcpStream::connect(running.address).await.unwrap();
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{key}If-Match: \"0\"\r\nContent-Length: 100\r\n\
                 Content-Type: application/json\r\nExpect: 100-continue\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut first = [0; 12];
            stream.read_exact(&mut first).await.unwrap();
            assert_eq!(&first, b"HTTP/1.1 100", "its body is waited for");
            slow.push(stream);
        }
        let put = |key: &str, org: &str| {
            let fields = format!("{key}If-Match: \"0\"\r\nContent-Type: application/json\r\n");
            let document = json!({"format": 1, "org": org}).to_string();
            async move { send(running.address, "PUT", "/v1/policy", &fields, &document).await }
        };
        let answer = put(&key, ORG).await;
        assert_eq!(answer.field("retry-after"), Some("1"));
        answer.problem(503, "busy");
        assert_eq!(reached(&running, "documents_received").await, 1);
        assert_eq!(put(&other, "other").await.status, 200);
        send(running.address, "GET", "/v1/policy", &key, "").await.problem(404, "not_found");
        drop(slow);
        let is_free = async { while put(&key, ORG).await.status != 200 {} };
        timeout(AT_ONCE, is_free).await.expect("the places are not given back");
    });
}

#[test]
fn readers_that_do_not_read_hold_few_documents() {
    on_both(async |database| {
        let running = Running::start(&database, &[]).await;
        let key = running.key(ORG, "ops", Tier::Management).await;
        let other = running.key("other", "ops", Tier::Management).await;
        let long = "x".repeat(250_000);
        let tools = (0..40).map(|id| json!({"name": id.to_string(), "input_schema": {"description": long}}));
        let large = json!({"format": 1, "org": ORG, "tools": tools.collect::<Vec<_>>()});
        for (key, document) in [(&key, large), (&other, json!({"format": 1, "org": "other"}))] {
            let fields = format!("{key}If-Match: \"0\"\r\nContent-Type: application/json\r\n");
            let put = send(running.address, "PUT", "/v1/policy", &fields, &document.to_string()).await;
            assert_eq!(put.status, 200, "{}", put.body);
        }
        let get = async |key: &str| send(running.address, "GET", "/v1/policy", key, "").await;
        let mut readers = Vec::new();
        for _ in 0..8 {
            let mut stream = connect(Ipv4Addr::LOCALHOST, running.address).await;
            let head = format!("GET /v1/policy HTTP/1.1\r\nHost: localhost\r\n{key}\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut first = [0; 12];
            stream.read_exact(&mut first).await.unwrap();
            assert_eq!(&first, b"HTTP/1.1 200");
            readers.push(stream);
        }
        let answer = get(&key).await;
        assert_eq!(answer.field("retry-after"), Some("1"));
        answer.problem(503, "busy");
        assert_eq!(reached(&running, "documents_sent").await, 1);
        assert_eq!(get(&other).await.status, 200);
        let known = format!("{key}If-None-Match: \"1\"\r\n");
        assert_eq!(get(&known).await.status, 304, "what is not sent needs no place");
        drop(readers);
        let is_free = async { while get(&key).await.status != 200 {} };
        timeout(AT_ONCE, is_free).await.expect("the places are not given back");
    });
}
