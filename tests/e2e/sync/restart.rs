//! A control plane that is killed and comes back, and a link that is cut, while calls go on.

use crate::harness::{Database, End};

use super::setup::Setup;

#[test]
fn no_call_fails_while_the_control_plane_is_killed_and_comes_back() {
    let mut setup = Setup::new(Database::sqlite());
    let follower = setup.follow("gate-1");
    let calls = follower.caller.steadily("read_note");
    let held = follower.caller.calling("write_note");
    let reference = setup.control.pending(&[]);

    setup.line.leads_to(End::Nobody);
    setup.control.kill();
    follower.wait_for_link("down");
    assert_eq!(follower.caller.call("write_note"), Err("approvals-unavailable".to_owned()));
    assert_eq!(follower.gate.admin("/readyz").status, 200);

    setup.control = setup.site.start();
    setup.line.leads_to(End::Server(setup.control.address.clone()));
    follower.wait_for_link("up");
    assert!(!held.is_finished(), "the call that was held is held still");
    setup.control.command_of_person(&["approvals", "approve", &reference]);
    assert_eq!(held.join().unwrap(), Ok(()));

    let revision = setup.control.rule("probe", "allowed");
    follower.caller.wait_for("probe", Ok(()));
    assert_eq!(follower.revision(), revision);
    assert!(calls.end() > 20);
    assert_eq!(follower.gate.metric("oakgate_link_dials_total{result=\"linked\"}"), 2.0);
}

#[test]
fn what_people_decide_while_a_link_is_cut_is_heard_when_it_is_back() {
    let setup = Setup::new(Database::sqlite());
    let follower = setup.follow("gate-1");
    let calls = follower.caller.steadily("read_note");
    let mut known = Vec::new();
    for (decision, expected) in [("approve", Ok(())), ("deny", Err("approval-denied".to_owned()))] {
        let held = follower.caller.calling("write_note");
        let reference = setup.control.pending(&known);
        setup.line.leads_to(End::Nobody);
        setup.line.cut();
        follower.wait_for_link("down");
        setup.control.command_of_person(&["approvals", decision, &reference]);
        assert!(!held.is_finished());
        setup.line.leads_to(End::Server(setup.control.address.clone()));
        assert_eq!(held.join().unwrap(), expected, "{decision}");
        known.push(reference);
    }
    assert!(calls.end() > 0);
}
