//! What is revoked stops working on every proxy.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Database, End, wait_for};

use super::setup::{DISABLED, Setup};

/// It takes a fraction of a second where nothing else runs.
const SLOW: Duration = Duration::from_secs(5);

#[test]
fn a_revoked_key_stops_working_on_every_proxy() {
    let setup = Setup::new(Database::sqlite());
    let followers = ["gate-1", "gate-2"].map(|name| setup.follow(name));
    let mut other = followers[0].caller.clone();
    other.key = setup.control.agent("agent-2");
    other.wait_for("read_note", Ok(()));
    setup.control.change("POST", "/v1/agents/agent-1/revoke", &Value::Null);
    let since = Instant::now();
    std::thread::scope(|scope| {
        for follower in &followers {
            scope.spawn(|| {
                follower.caller.wait_for("read_note", Err("401"));
                println!("{} refuses it after {:?}", follower.gate.address, since.elapsed());
                assert!(since.elapsed() < SLOW);
            });
        }
    });
    assert_eq!(other.call("read_note"), Ok(()), "nobody else's");

    // While the link is cut it can't be known; it is when the link is back.
    setup.line.leads_to(End::Nobody);
    setup.line.cut();
    followers.iter().for_each(|follower| follower.wait_for_link("down"));
    setup.control.change("POST", "/v1/agents/agent-2/revoke", &Value::Null);
    assert_eq!(other.call("read_note"), Ok(()));
    setup.line.leads_to(End::Server(setup.control.address.clone()));
    other.wait_for("read_note", Err("401"));
}

#[test]
fn a_revoked_relay_token_ends_the_link_and_nothing_else() {
    let setup = Setup::new(Database::sqlite());
    let [follower, other] = ["gate-1", "gate-2"].map(|name| setup.follow(name));
    let calls = follower.caller.steadily("read_note");
    setup.control.change("POST", "/v1/proxies/gate-1/revoke", &Value::Null);
    let since = Instant::now();
    let mut why = Vec::new();
    // It tries again at once, and is refused.
    wait_for("a token that is refused", || {
        let link = &follower.report()["control_plane"];
        let says = link["why"].as_str().unwrap_or_default().to_owned();
        let is_refused = says.starts_with("the relay token is refused: it answered 401");
        if why.last() != Some(&says) {
            why.push(says);
        }
        is_refused.then_some(())
    });
    println!("refused after {:?}: {why:?}", since.elapsed());
    let log = follower.gate.program.errors().join("\n");
    assert!(log.contains("the relay token was revoked: code 4003"), "{log}");
    wait_for("the list", || {
        let seen = setup.control.proxy_seen("gate-1");
        (seen["link"] == "gone" && seen["state"] == "revoked").then_some(())
    });
    let table = setup.control.command(&["proxies", "list"]);
    let row = |name| table.lines().find(|line| line.starts_with(name)).unwrap().split_whitespace();
    assert_eq!(row("gate-1").skip(1).take(2).collect::<Vec<_>>(), ["revoked", "gone"], "{table}");
    assert_eq!(row("gate-2").skip(1).take(2).collect::<Vec<_>>(), ["good", "connected"], "{table}");

    // What it had stays as it is, and is not what the other one has.
    setup.control.change("PUT", "/v1/rules/probe", &json!({"tool": "probe", "permission": "allowed"}));
    other.caller.wait_for("probe", Ok(()));
    assert_eq!(follower.caller.call("probe"), Err(DISABLED.to_owned()));
    assert!(calls.end() > 0);

    // Another token is read from its file, without a restart.
    let token = setup.control.proxy("gate-3");
    std::fs::write(follower.gate.path("relay-token"), token).unwrap();
    follower.caller.wait_for("probe", Ok(()));
}
