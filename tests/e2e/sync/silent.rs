//! Control planes that say nothing, from one moment or another on.

use std::time::{Duration, Instant};

use crate::harness::{Database, End, Follower};

use super::setup::Setup;

/// A machine that has other things to do may be so much later.
const SLACK: Duration = Duration::from_secs(15);

/// Waits until the proxy has no link for this reason, and looks how long that took.
fn left_within(follower: &Follower, why: &str, (earliest, latest): (u64, u64)) {
    let since = Instant::now();
    follower.wait_until_down(why);
    let waited = since.elapsed();
    println!("{why}: after {waited:?}");
    let expected = Duration::from_secs(earliest)..=Duration::from_secs(latest) + SLACK;
    assert!(expected.contains(&waited), "{why}: after {waited:?}");
}

#[test]
fn one_that_takes_connections_or_links_and_says_nothing_is_left() {
    let setup = Setup::new(Database::sqlite());
    let follower = setup.follow("gate-1");
    let calls = follower.caller.steadily("read_note");
    let server = setup.control.address.clone();
    setup.line.leads_to(End::Mute);
    setup.line.cut();
    left_within(&follower, "the control plane does not answer: it took longer than 10 seconds", (9, 11));
    assert!(follower.gate.metric("oakgate_link_dials_total{result=\"too-slow\"}") >= 1.0);

    let taken = setup.line.taken();
    setup.line.leads_to(End::HeadOf(server.clone()));
    setup.line.cut();
    left_within(&follower, "nothing was heard from the control plane for too long", (9, 21));
    // It does not come back at once each time.
    assert!((1..=6).contains(&(setup.line.taken() - taken)), "{}", setup.line.taken() - taken);

    setup.line.leads_to(End::Server(server));
    setup.line.cut();
    follower.caller.wait_for("read_note", Ok(()));
    follower.wait_for_link("up");
    setup.control.rule("probe", "allowed");
    follower.caller.wait_for("probe", Ok(()));
    assert!(calls.end() > 100);
}

#[test]
fn one_that_hangs_is_left_after_forty_seconds() {
    let setup = Setup::new(Database::sqlite());
    let follower = setup.follow("gate-1");
    let calls = follower.caller.steadily("read_note");
    setup.control.program.signal("-STOP");
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(20) {
        assert_eq!(follower.report()["control_plane"]["link"], "up", "after {:?}", since.elapsed());
        std::thread::sleep(Duration::from_secs(1));
    }
    follower.wait_until_down("nothing was heard from the control plane for too long");
    println!("left after {:?}", since.elapsed());
    assert!(since.elapsed() < Duration::from_secs(40) + SLACK);
    setup.control.program.signal("-CONT");
    follower.wait_for_link("up");
    setup.control.rule("probe", "allowed");
    follower.caller.wait_for("probe", Ok(()));
    assert!(calls.end() > 100);
}
