//! The first credentials that `oakgate up` makes: each host has its own, and takes nobody's.

use std::collections::BTreeSet;
use std::path::Path;

use test_postgres::{Collation, Server};

use crate::harness::{Gate, GateOptions, oakgate, request, wait_for};

const KEY: &str = "oakgate.management-key";
const SESSION: &str = "oakgate.session";

/// A host's folder; its control plane has that store and policy key, or files of its own.
fn host(name: &str, shared: Option<(&str, &Path)>) -> tempfile::TempDir {
    let backends = "- {name: tools, kind: mcp, path: /mcp, url: 'http://127.0.0.1:1/mcp'}".to_owned();
    let folder = Gate::folder(&GateOptions { backends, approvals: true, ..GateOptions::default() });
    if let Some((store, policy_key)) = shared {
        let store = format!("{store}', policy_key_file: '{}", policy_key.display());
        change(folder.path(), "sqlite://oakgate.db", &store);
    }
    change(folder.path(), "name: gate-1", &format!("name: {name}"));
    folder
}

fn change(folder: &Path, before: &str, after: &str) {
    let settings = folder.join("oakgate.yaml");
    let text = std::fs::read_to_string(&settings).unwrap();
    assert!(text.contains(before), "{text}");
    std::fs::write(settings, text.replace(before, after)).unwrap();
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
    let keys = tempfile::tempdir().unwrap();
    let policy_key = keys.path().join("policy-key");
    assert_eq!(oakgate(&["keys", "policy", policy_key.to_str().unwrap()], "").0, 0);
    let url = database.url();
    let shared = Some((url.as_str(), policy_key.as_path()));
    let first = Gate::start_in(host("gate-1", shared), true);
    let (key, session) = (secret(&first, KEY).unwrap(), secret(&first, SESSION).unwrap());
    let second = restarted(Gate::start_in(host("gate-2", shared), true));
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
    for gate in [&first, &second] {
        assert!(gate.admin("/readyz").text().contains(r#""approvals":"reachable""#));
    }
    let keyless = host("gate-3", None);
    change(keyless.path(), "sqlite://oakgate.db", &url);
    let settings = keyless.path().join("oakgate.yaml");
    let (status, _, errors) = oakgate(&["up", "--config", settings.to_str().unwrap()], "");
    assert!(status == 64 && errors.contains("control_plane.policy_key_file: missing"), "{errors}");
    let first = restarted(first);
    assert_eq!((secret(&first, KEY), secret(&first, SESSION)), (Some(key), Some(session)));
}

#[test]
fn where_no_other_host_is_what_is_lost_is_replaced_and_what_is_held_elsewhere_stays() {
    let gate = Gate::start_in(host("gate-1", None), true);
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

#[test]
fn what_the_two_parts_need_to_know_of_each_other_is_asked_for() {
    for (before, after, says) in [
        ("store: 'sqlite://oakgate.db'", "org: other, store: 'sqlite://oakgate.db'", "they must be the same"),
        ("policy: {file: policy.yaml}", "policy: {}", "control_plane.org: missing"),
        ("policy: {file: policy.yaml}", "policy: {file: none.yaml}", "none.yaml: can't be read"),
        ("policy: {file: policy.yaml}", "policy: {file: keys.yaml}", "with `control_plane.org` it starts"),
        (
            "keys_file: receipts.jwks",
            "canonical_arguments: true",
            "control_plane.receipts.keys_file: missing",
        ),
        (
            "keys_file: keys.yaml",
            "control_plane: {url: 'ws://127.0.0.1:1/v1/sync', relay_token_file: t, policy_key_file: p, state_directory: s}",
            "`up` links the two parts itself",
        ),
    ] {
        let folder = host("gate-1", None);
        change(folder.path(), before, after);
        let settings = folder.path().join("oakgate.yaml");
        let (status, _, errors) = oakgate(&["up", "--config", settings.to_str().unwrap()], "");
        assert_eq!(status, 64, "{after}: {errors}");
        assert!(errors.contains(says), "{after}: {errors}");
    }
}
