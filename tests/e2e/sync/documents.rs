//! Documents that are wrong, too long or of another time: what is in force stays until a good one comes.

use std::fs::File;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use policy_sync::{
    AckOutcome, ControlFrame, Current, Document, PolicyKey, RefusedWhy, SignedHeader, SnapshotStart, Subject,
};

use crate::harness::liar::{changed, document, document_at, messages};
use crate::harness::{Backend, Follower, Following, KEY, Liar, wait_for};

const POLICY: &str = "{format: 1, org: acme, tools: [{name: read_note, default: allowed}]}";

/// More than the proxy's memory may grow by what it does not take: the machine's own doing, and no document.
const GROWTH_MAX_KIB: u64 = 64 * 1024;

fn policy(revision: u64) -> Document {
    document(Subject::Policy, revision, POLICY)
}

fn start(liar: &Liar, backend: &Backend) -> Follower {
    liar.send_all(POLICY);
    let following = Following {
        control: &liar.address,
        relay_token: "any",
        policy_key: &liar.policy_key,
        backend,
        key: KEY,
    };
    let follower = following.follow("gate-1");
    for _ in Subject::ALL {
        assert_eq!(liar.ack().outcome, AckOutcome::InForce);
    }
    follower
}

/// The messages of a document, with another header and so many chunks announced.
fn with_header(document: &Document, signed: SignedHeader, chunks: u32) -> Vec<String> {
    let start = ControlFrame::Snapshot(SnapshotStart { signed, chunks }).to_text();
    [start].into_iter().chain(messages(document).into_iter().skip(1)).collect()
}

/// A text that takes several chunks.
fn long() -> Document {
    let mut number = 7_u64;
    let mut word = || {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("# {number:016x}\n")
    };
    let comments: String = (0..200_000).map(|_| word()).collect();
    document(Subject::Policy, 5, &format!("{comments}{POLICY}"))
}

#[test]
fn a_document_that_is_wrong_changes_nothing_and_says_why() {
    let (liar, backend) = (Liar::start(), Backend::raw(&[]));
    let follower = start(&liar, &backend);
    let calls = follower.caller.steadily("read_note");
    let good = policy(5);
    let stranger = Document::sign(&PolicyKey::generate(&[9; 32]), (Subject::Policy, "acme"), (5, 1), POLICY);
    let other_text = document(Subject::Policy, 6, &POLICY.replace("allowed", "dilated"));
    let two_gib = changed(&good, "bytes", 2_u64 << 30);
    let cases = [
        (messages(&stranger), RefusedWhy::Signature, "signature"),
        (with_header(&good, changed(&good, "org", "other"), 1), RefusedWhy::OtherOrg, "other_org"),
        (with_header(&good, changed(&good, "revision", 0), 1), RefusedWhy::NotNewer, "not_newer"),
        (with_header(&good, changed(&good, "more", 1), 1), RefusedWhy::Header, "header"),
        (with_header(&other_text, good.signed_header().clone(), 1), RefusedWhy::Text, "text"),
        (with_header(&good, two_gib.clone(), 1), RefusedWhy::TooLong, "too_long"),
    ];
    let before = follower.resident_kib();
    for _ in 0..3 {
        for (messages, why, name) in &cases {
            let metric = format!("oakgate_documents_total{{outcome=\"{name}\",subject=\"policy\"}}");
            let counted = follower.gate.metric(&metric);
            messages.iter().for_each(|message| liar.say(message.clone()));
            assert_eq!(liar.ack().outcome, AckOutcome::Refused(why.clone()), "{name}");
            assert_eq!(follower.gate.metric(&metric), counted + 1.0, "{name}");
            let report = follower.report();
            assert_eq!(report["revision"], 1, "{report}");
            assert_eq!(report["control_plane"]["documents"]["policy"]["refused"], *name);
            assert_eq!(report["control_plane"]["link"], "up", "{name}: {report}");
        }
    }
    // The chunks of a document that is refused are passed over.
    let chunk = messages(&long()).swap_remove(1);
    liar.say(ControlFrame::Snapshot(SnapshotStart { signed: two_gib, chunks: 100 }).to_text());
    (0..100).for_each(|_| liar.say(chunk.clone()));
    assert_eq!(liar.ack().outcome, AckOutcome::Refused(RefusedWhy::TooLong));
    liar.send(&good);
    assert_eq!(liar.ack().outcome, AckOutcome::InForce);
    assert_eq!(follower.revision(), 5);
    let after = follower.resident_kib();
    println!("{before} KiB before, {after} KiB after");
    assert!(after < before + GROWTH_MAX_KIB, "{before} KiB before, {after} KiB after");
    assert!(calls.end() > 0);
}

#[test]
fn chunks_that_are_missing_or_endless_end_the_link_and_nothing_else() {
    let (liar, backend) = (Liar::start(), Backend::raw(&[]));
    let follower = start(&liar, &backend);
    let calls = follower.caller.steadily("read_note");
    let long = long();
    let whole = messages(&long);
    assert!(whole.len() > 3, "{}", whole.len());
    let mut missing = whole.clone();
    missing.remove(2);
    let mut repeated = whole.clone();
    repeated.insert(2, whole[1].clone());
    let wrong = "the chunks of a snapshot are missing or wrong";
    let endless = with_header(&long, long.signed_header().clone(), 100_000);
    for (messages, why) in [
        (missing, wrong),
        (repeated, wrong),
        (endless, "a snapshot has no chunk, or too many"),
        (vec!["garbage".to_owned()], "a message can't be read"),
    ] {
        follower.wait_for_link("up");
        let linked = follower.gate.metric("oakgate_link_dials_total{result=\"linked\"}");
        messages.into_iter().for_each(|message| liar.say(message));
        wait_for("another link", || {
            (follower.gate.metric("oakgate_link_dials_total{result=\"linked\"}") > linked).then_some(())
        });
        let log = follower.gate.program.errors().join("\n");
        assert!(log.contains(why), "{why}: {log}");
        assert_eq!(follower.revision(), 1);
    }
    follower.wait_for_link("up");
    liar.send(&policy(6));
    assert_eq!(liar.ack().outcome, AckOutcome::InForce);
    assert_eq!(follower.revision(), 6);
    assert!(calls.end() > 0);
}

/// A revision that was made then.
fn policy_at(revision: u64, at: SystemTime) -> Document {
    let at_unix_ms = u64::try_from(at.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    document_at(Subject::Policy, (revision, at_unix_ms), POLICY)
}

/// The age of its policy; `None` where it says that nobody knows.
fn age_ms(follower: &Follower) -> Option<u64> {
    follower.report()["age_ms"].as_u64()
}

#[test]
fn a_control_plane_whose_clock_is_five_minutes_off_is_followed_all_the_same() {
    let (liar, backend) = (Liar::start(), Backend::raw(&[]));
    let mut follower = start(&liar, &backend);
    let five_minutes = Duration::from_secs(300);
    let now = SystemTime::now();
    for (revision, at) in [(2, now + five_minutes), (3, now - five_minutes)] {
        liar.send(&policy_at(revision, at));
        assert_eq!(liar.ack().outcome, AckOutcome::InForce);
        assert_eq!(follower.revision(), revision);
        let age = age_ms(&follower).unwrap();
        assert!(age < 60_000, "{age} ms");
    }
    // The proxy's own clock was five minutes ahead when it kept it, or behind; or it was hours ahead, and nobody knows.
    let too_old = Err("policy-too-old".to_owned());
    for (at, expected, called) in [
        (now + five_minutes, Some(0), Ok(())),
        (now - five_minutes, Some(300), Ok(())),
        (now + 100 * five_minutes, None, too_old),
    ] {
        let file = File::options().write(true).open(follower.gate.path("state/policy.signed")).unwrap();
        follower.gate.program.signal("-STOP");
        file.set_modified(at).unwrap();
        follower = follower.killed_and_started();
        let seconds = age_ms(&follower).map(|age| age / 1000);
        match expected {
            None => assert_eq!(seconds, None),
            Some(least) => {
                assert!(seconds.is_some_and(|age| (least..least + 120).contains(&age)), "{seconds:?}")
            }
        }
        assert_eq!(follower.caller.call("read_note"), called);
        // The control plane has just this: now it is fresh.
        let held = policy_at(3, now - five_minutes);
        liar.say(
            ControlFrame::Pong(Current { policy: Some(held.version()), ..Current::default() }).to_text(),
        );
        wait_for("a fresh age", || age_ms(&follower).filter(|age| *age < 60_000));
        follower.caller.wait_for("read_note", Ok(()));
    }
}
