//! Many connections at once, silent ones among them: what they cost, and that they hurt nobody.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use rustix::process::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use crate::harness::{Backend, Gate, GateOptions, KEY, PATIENCE, wait_for};

const POLICY: &str = "{format: 1, org: acme, rules: [{id: read, permission: allowed}],
    tools: {read_note: {annotations: {read_only: true}}}}";
const COUNT: usize = 10_000;
/// A source address has fewer than 30,000 ports, and may hold a part of the connections only.
const PER_ADDRESS: usize = 2000;
/// Resident memory for each connection, in a build with no optimisation.
const BYTES_EACH_MAX: usize = 40 * 1024;

/// Lets this process open as many files as it may.
fn allow_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

fn connect(address: SocketAddr, number: usize) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let last = u8::try_from(2 + number / PER_ADDRESS).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)).into()).unwrap();
    socket.connect(&address.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A request that is refused at once, and leaves the connection open.
fn refused(stream: &mut TcpStream, host: &str) {
    let request = format!("GET /nowhere HTTP/1.1\r\nhost: {host}\r\nx-api-key: {KEY}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = [0; 2048];
    let length = stream.read(&mut answer).unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 404 "), "{}", String::from_utf8_lossy(&answer[..length]));
}

fn resident_bytes(gate: &Gate) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gate.program.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

const CALL: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_note","arguments":{"id":"1"}}}"#;

fn gate(backend: &Backend, limits: &str) -> Gate {
    let backends = format!("- {{name: tools, kind: mcp, path: /mcp, url: '{}'}}", backend.url);
    let proxy = format!("limits: {{{limits}}}");
    Gate::start(&GateOptions { backends, policy: POLICY, proxy: &proxy, ..GateOptions::default() })
}

#[test]
fn ten_thousand_idle_connections_hurt_nobody() {
    allow_files();
    let backend = Backend::raw(&[]);
    let gate = gate(&backend, "header_timeout_seconds: 600");
    let address = gate.address.parse().unwrap();
    assert_eq!(gate.post(CALL).status, 200);
    let before = resident_bytes(&gate);
    let connections: Vec<TcpStream> = (0..COUNT)
        .map(|number| {
            let mut stream = connect(address, number);
            // Every other one has never said a word.
            if number % 2 == 0 {
                refused(&mut stream, &gate.address);
            }
            stream
        })
        .collect();
    let all = wait_for("all connections", || {
        let open = gate.metric("oakgate_connections");
        (open >= COUNT as f64).then_some(open)
    });
    let each = resident_bytes(&gate).saturating_sub(before) / COUNT;
    assert!(each <= BYTES_EACH_MAX, "{each} bytes each");
    for _ in 0..100 {
        assert_eq!(gate.post(CALL).status, 200);
    }
    // They are open, and not just counted.
    let mut oldest = connections.first().unwrap().try_clone().unwrap();
    refused(&mut oldest, &gate.address);
    assert!(gate.metric("oakgate_connections") >= all - 1.0);
    assert_eq!(gate.metric("oakgate_connections_refused_total"), 0.0);
    drop((connections, oldest));
    wait_for("all connections to be gone", || (gate.metric("oakgate_connections") <= 1.0).then_some(()));
}

#[test]
fn a_connection_too_many_is_closed_at_once() {
    let backend = Backend::raw(&[]);
    let gate = gate(&backend, "max_connections: 2");
    let address = gate.address.parse().unwrap();
    let mut connections: Vec<TcpStream> = (0..2).map(|number| connect(address, number)).collect();
    connections.iter_mut().for_each(|stream| refused(stream, &gate.address));
    let mut third = connect(address, 2);
    assert_eq!(third.read(&mut [0]).unwrap_or(0), 0);
    assert_eq!(gate.metric("oakgate_limits_reached_total{limit=\"max_connections\"}"), 1.0);
    drop(connections);
    wait_for("a free place", || (gate.metric("oakgate_connections") == 0.0).then_some(()));
    refused(&mut connect(address, 3), &gate.address);
}
