//! The first credentials that `oakgate up` makes: each host has its own, and takes nobody's.

use std::collections::BTreeSet;

use test_postgres::{Collation, Server};

use crate::harness::{Gate, GateOptions, request, wait_for};

const KEY: &str = "oakgate.management-key";
const SESSION: &str = "oakgate.session";

/// A host's folder; its control plane has that store, or a file of its own.
fn host(store: Option<&str>) -> tempfile::TempDir {
    let backends = "- {name: tools, kind: mcp, path: /mcp, url: 'http://127.0.0.1:1/mcp'}".to_owned();
    let folder = Gate::folder(&GateOptions { backends, approvals: true, ..GateOptions::default() });
    if let Some(store) = store {
        let settings = folder.path().join("oakgate.yaml");
        let text = std::fs::read_to_string(&settings).unwrap().replace("sqlite://oakgate.db", store);
        std::fs::write(&settings, text).unwrap();
    }
    folder
}

fn secret(gate: &Gate, name: &str) -> Option<String> {
    std::fs::read_to_string(gate.path(name)).ok()
}

fn restarted(gate: Gate) -> Gate {
    let Gate { program, folder, .. } = gate;
    program.signal("-TERM");
    drop(program);
    Gate::start_in(folder, true)
}

fn status(gate: &Gate, credential: &str) -> u16 {
    let bearer = format!("Bearer {credential}");
    request(&gate.control_plane, "GET", "/v1/keys", &[("Authorization", &bearer)], b"").status
}

/// The ids of all keys.
fn ids(gate: &Gate, credential: &str) -> BTreeSet<String> {
    let bearer = format!("Bearer {credential}");
    let answer = request(&gate.control_plane, "GET", "/v1/keys", &[("Authorization", &bearer)], b"");
    let page = answer.json();
    page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_second_host_takes_nothing_from_the_first() {
    let database = Server::shared().database(Collation::People);
    let first = Gate::start_in(host(Some(&database.url())), true);
    let (key, session) = (secret(&first, KEY).unwrap(), secret(&first, SESSION).unwrap());
    let second = restarted(Gate::start_in(host(Some(&database.url())), true));
    let own = secret(&second, KEY).unwrap();
    assert_ne!(own, key);
    for gate in [&first, &second] {
        for credential in [&key, &session, &own] {
            assert_eq!(status(gate, credential), 200);
        }
    }
    assert_eq!(secret(&second, SESSION), None, "nobody is two people");
    let ids = ids(&second, &own);
    assert_eq!(ids.len(), 2);
    assert!(ids.iter().all(|id| id.starts_with("admin-")), "{ids:?}");
    let first = restarted(first);
    assert_eq!((secret(&first, KEY), secret(&first, SESSION)), (Some(key), Some(session)));
}

#[test]
fn where_no_other_host_is_what_is_lost_is_replaced_and_what_is_held_elsewhere_stays() {
    let gate = Gate::start_in(host(None), true);
    let (key, session) = (secret(&gate, KEY).unwrap(), secret(&gate, SESSION).unwrap());
    for name in [KEY, SESSION] {
        std::fs::remove_file(gate.path(name)).unwrap();
    }
    let gate = restarted(gate);
    let (new_key, new_session) = (secret(&gate, KEY).unwrap(), secret(&gate, SESSION).unwrap());
    assert_eq!([&key, &session, &new_key, &new_session].map(|one| status(&gate, one)), [401, 401, 200, 200]);

    // Somebody holds them, and not in these files.
    for name in [KEY, SESSION] {
        std::fs::write(gate.path(name), "elsewhere").unwrap();
    }
    let gate = restarted(gate);
    assert_eq!([&new_key, &new_session].map(|one| status(&gate, one)), [200, 200]);
    assert_eq!(
        [KEY, SESSION].map(|name| secret(&gate, name)),
        ["elsewhere", "elsewhere"].map(|one| Some(one.to_owned()))
    );
    wait_for("what to do", || {
        gate.program.errors().iter().any(|line| line.contains("oakgate orgs key")).then_some(())
    });
    assert_eq!(ids(&gate, &new_key), BTreeSet::from(["admin".to_owned()]));
}
