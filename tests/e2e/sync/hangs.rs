//! Control planes that say nothing, from one moment or another on; and proxies.

use std::time::{Duration, Instant};

use crate::harness::{Database, End, Follower, wait_for};

use super::setup::{DISABLED, Setup};

/// A machine that has other things to do may be so much later.
const SLACK: Duration = Duration::from_secs(15);

/// Waits until the proxy has no link for this reason, and looks how long that took.
fn left_within(follower: &Follower, why: &str, (earliest, latest): (u64, u64)) {
    let since = Instant::now();
    follower.wait_until_down(why);
    let waited = since.elapsed();
    let expected = Duration::from_secs(earliest)..=Duration::from_secs(latest) + SLACK;
    assert!(expected.contains(&waited), "{why}: after {waited:?}");
}

/// Both mostly wait: they do so at the same time.
#[test]
fn a_control_plane_that_says_nothing_is_left_and_comes_back() {
    std::thread::scope(|scope| {
        scope.spawn(one_that_takes_connections_or_links_and_says_nothing);
        scope.spawn(one_that_hangs);
    });
}

fn one_that_takes_connections_or_links_and_says_nothing() {
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
    let dials = setup.line.taken() - taken;
    assert!((1..=6).contains(&dials), "it does not come back at once each time: {dials}");

    setup.line.leads_to(End::Server(server));
    setup.line.cut();
    follower.caller.wait_for("read_note", Ok(()));
    follower.wait_for_link("up");
    setup.control.rule("probe", "allowed");
    follower.caller.wait_for("probe", Ok(()));
    assert!(calls.end() > 100);
}

fn one_that_hangs() {
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
    assert!(since.elapsed() < Duration::from_secs(40) + SLACK, "{:?}", since.elapsed());
    setup.control.program.signal("-CONT");
    follower.wait_for_link("up");
    setup.control.rule("probe", "allowed");
    follower.caller.wait_for("probe", Ok(()));
    assert!(calls.end() > 100);
}

#[test]
fn a_proxy_that_hangs_holds_up_nobody_and_catches_up() {
    let setup = Setup::new(Database::sqlite());
    let [hangs, other] = ["gate-1", "gate-2"].map(|name| setup.follow(name));
    hangs.gate.program.signal("-STOP");
    let since = Instant::now();
    let mut revision = 0;
    for permission in ["allowed", "disabled", "allowed"] {
        revision = setup.control.rule("probe", permission);
        let expected = if permission == "allowed" { Ok(()) } else { Err(DISABLED) };
        other.caller.wait_for("probe", expected);
    }
    assert!(since.elapsed() < SLACK, "{:?}", since.elapsed());
    hangs.gate.program.signal("-CONT");
    wait_for("the newest revision", || (hangs.revision() == revision).then_some(()));
    assert_eq!((hangs.caller.call("probe"), other.revision()), (Ok(()), revision));
    assert_eq!(hangs.gate.metric("oakgate_link_dials_total{result=\"linked\"}"), 1.0, "its link stays");
}
