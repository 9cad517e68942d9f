//! A change is in force on the proxies, and people see that it is.

use std::time::Instant;

use policy_sync::{PolicyKey, Subject};

use crate::harness::{Database, Following, wait_for};

use super::setup::{DISABLED, Setup, policy};

#[test]
fn a_pushed_policy_is_in_force_and_the_list_says_so() {
    let setup = Setup::new(Database::sqlite());
    let follower = setup.follow("gate-1");
    assert_eq!(follower.caller.call("probe"), Err(DISABLED.to_owned()));
    let file = follower.gate.path("pushed.json");
    let pushed = policy().to_string().replace("\"default\":\"disabled\"", "\"default\":\"allowed\"");
    std::fs::write(&file, pushed).unwrap();
    let calls = follower.caller.steadily("read_note");
    setup.control.command(&["policy", "push", file.to_str().unwrap(), "--yes"]);
    let since = Instant::now();
    follower.caller.wait_for("probe", Ok(()));
    println!("in force {:?} after it was pushed", since.elapsed());
    assert!(calls.end() > 0);

    // What is noted of a proxy is written each second.
    wait_for("the list", || {
        let seen = setup.control.proxy_seen("gate-1");
        let link = &seen["last_link"];
        (link["policy_revision"] == 2).then_some(()).inspect(|()| {
            assert_eq!((&seen["link"], &seen["state"]), (&"connected".into(), &"good".into()), "{seen}");
            assert_eq!(link["policy_sha256"], follower.report()["sha256"]);
            assert_eq!(link["version"], env!("CARGO_PKG_VERSION"));
            assert!(link["seen_at"].is_string() && link["last_refusal"].is_null(), "{seen}");
        })
    });
    let table = setup.control.command(&["proxies", "list"]);
    let row = table.lines().find(|line| line.starts_with("gate-1")).unwrap();
    let columns: Vec<&str> = row.split_whitespace().collect();
    let expected = ["gate-1", "good", "connected", "2", columns[4], env!("CARGO_PKG_VERSION"), "-", "-"];
    assert_eq!(columns, expected, "{table}");
    let report = follower.report();
    assert!(report["age_ms"].as_u64().unwrap() < 30_000, "{report}");
    assert_eq!(report["control_plane"]["documents"]["policy"]["kept"], true, "{report}");
}

#[test]
fn a_proxy_that_trusts_another_policy_key_takes_nothing_and_the_list_says_so() {
    let setup = Setup::new(Database::sqlite());
    let token = setup.control.proxy("gate-1");
    let stranger = PolicyKey::generate(&[9; 32]).public().to_string();
    let following = Following { policy_key: &stranger, ..setup.following(&setup.line.address, &token) };
    let follower = following.start("gate-1");
    wait_for("the refusal", || {
        let documents = follower.report()["control_plane"]["documents"].clone();
        Subject::ALL.iter().all(|subject| documents[subject.as_str()]["refused"] == "signature").then_some(())
    });
    assert_eq!(follower.gate.admin("/readyz").status, 503);
    assert_eq!(follower.caller.call("read_note"), Err("401".to_owned()), "it knows no key");
    wait_for("the list", || {
        let table = setup.control.command(&["proxies", "list"]);
        let row = table.lines().find(|line| line.starts_with("gate-1")).unwrap().to_owned();
        println!("{row}");
        row.contains("signature").then_some(())
    });
    assert_eq!(std::fs::read_dir(follower.gate.path("state")).unwrap().count(), 0);
}
