//! Two control planes on one PostgreSQL, each with a proxy of its own.

use crate::harness::Database;

use super::setup::Setup;

#[test]
fn what_is_said_at_one_control_plane_reaches_the_proxy_of_the_other() {
    let setup = Setup::new(Database::postgres());
    let other = setup.site.start();
    let (here, there) = (setup.follow("gate-1"), setup.follow_at(&other.address, "gate-2"));
    let calls = [&here, &there].map(|follower| follower.caller.steadily("read_note"));
    for (control, permission, expected) in
        [(&setup.control, "allowed", Ok(())), (&other, "disabled", Err("disabled"))]
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
    for (name, control) in [("gate-1", &other), ("gate-2", &setup.control)] {
        let seen = control.proxy_seen(name);
        assert_eq!(seen["link"], "connected", "{seen}");
    }
    assert!(calls.into_iter().all(|calls| calls.end() > 0));
}
