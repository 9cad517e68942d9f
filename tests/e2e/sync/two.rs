//! Two control planes on one PostgreSQL, each with a proxy of its own.

use crate::harness::{Control, Database, End, wait_for};

use super::setup::{DISABLED, Setup};

/// What is noted of a proxy is written each second.
fn wait_until_connected(at: &Control, proxy: &str) {
    wait_for(proxy, || (at.proxy_seen(proxy)["link"] == "connected").then_some(()));
}

#[test]
fn what_is_said_at_one_control_plane_reaches_the_proxy_of_the_other() {
    let setup = Setup::new(Database::postgres());
    let other = setup.site.start();
    let (here, there) = (setup.follow("gate-1"), setup.follow_at(&other.address, "gate-2"));
    let calls = [&here, &there].map(|follower| follower.caller.steadily("read_note"));
    for (control, permission, expected) in
        [(&setup.control, "allowed", Ok(())), (&other, "disabled", Err(DISABLED))]
    {
        control.rule("probe", permission);
        for follower in [&here, &there] {
            follower.caller.wait_for("probe", expected);
        }
    }
    let mut known = Vec::new();
    for (held_by, decided_at) in [(&there, &setup.control), (&here, &other)] {
        let held = held_by.caller.calling("write_note");
        let reference = decided_at.pending(&known);
        decided_at.command_of_person(&["approvals", "approve", &reference]);
        assert_eq!(held.join().unwrap(), Ok(()));
        known.push(reference);
    }
    wait_until_connected(&other, "gate-1");
    wait_until_connected(&setup.control, "gate-2");
    assert!(calls.into_iter().all(|calls| calls.end() > 0));
}

#[test]
fn a_proxy_goes_on_at_the_other_control_plane_when_its_own_is_gone() {
    let mut setup = Setup::new(Database::postgres());
    let other = setup.site.start();
    let follower = setup.follow("gate-1");
    let calls = follower.caller.steadily("read_note");
    let held = follower.caller.calling("write_note");
    let reference = other.pending(&[]);

    setup.line.leads_to(End::Server(other.address.clone()));
    setup.control.kill();
    other.command_of_person(&["approvals", "approve", &reference]);
    assert_eq!(held.join().unwrap(), Ok(()));
    other.rule("probe", "allowed");
    follower.caller.wait_for("probe", Ok(()));
    wait_until_connected(&other, "gate-1");
    assert!(calls.end() > 0);
}
