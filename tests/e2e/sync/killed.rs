//! A proxy that is killed while it writes what it was sent, again and again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use policy_sync::{AckOutcome, Document, Subject, TextSha256};

use crate::harness::{Backend, End, Follower, Following, KEY, Liar, Line, wait_for};

/// How often it is killed.
const TIMES: u64 = 25;

/// The longest that it lives after the first document of a life is in force.
const MOMENT_MAX_US: u64 = 30_000;

/// A policy that takes a while to write. No two revisions say the same.
fn policy(revision: u64) -> String {
    let mut number = revision;
    let noise: String = (0..30_000).map(|_| format!("# {:08x}\n", next(&mut number))).collect();
    format!("{{format: 1, org: acme, tools: [{{name: read_note, default: allowed}}]}}\n{noise}")
}

fn document(revision: u64) -> Document {
    crate::harness::liar::document(Subject::Policy, revision, &policy(revision))
}

/// The files in its state directory.
fn state(follower: &Follower) -> Vec<String> {
    let entries = std::fs::read_dir(follower.gate.path("state")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The next of a sequence that is the same each time (Knuth, MMIX).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

#[test]
fn a_proxy_killed_while_it_writes_begins_with_a_whole_revision() {
    let (liar, backend) = (Liar::start(), Backend::raw(&[]));
    liar.send_all(&policy(1));
    let line = Line::to(End::Server(liar.address.clone()));
    let following = Following {
        control: &line.address,
        relay_token: "any",
        policy_key: &liar.policy_key,
        backend: &backend,
        key: KEY,
    };
    let mut follower = following.follow("gate-1");
    let sent = AtomicU64::new(1);
    let acknowledged = AtomicU64::new(1);
    let (mut moments, mut unfinished, mut changes) = (7, 0, 0);
    for life in 0..TIMES {
        line.leads_to(End::Server(liar.address.clone()));
        let before = sent.load(Ordering::SeqCst);
        // Some are on their way at any time.
        let send = || liar.send(&document(sent.fetch_add(1, Ordering::SeqCst) + 1));
        let hear = || {
            for ack in liar.acks().into_iter().filter(|ack| ack.subject == Subject::Policy) {
                assert_eq!(ack.outcome, AckOutcome::InForce, "{ack:?}");
                acknowledged.fetch_max(ack.revision, Ordering::SeqCst);
            }
        };
        (0..3).for_each(|_| send());
        wait_for("a document in force", || {
            hear();
            (acknowledged.load(Ordering::SeqCst) > before).then_some(())
        });
        std::thread::scope(|scope| {
            scope.spawn(|| (0..8).for_each(|_| send()));
            if life % 2 == 0 {
                std::thread::sleep(Duration::from_micros(next(&mut moments) % MOMENT_MAX_US));
            } else {
                while !follower.gate.path("state/policy.signed.unfinished").exists() {
                    follower.gate.program.assert_running("it writes");
                }
            }
            follower.gate.program.child.kill().unwrap();
            follower.gate.program.child.wait().unwrap();
        });
        line.leads_to(End::Nobody);
        line.cut();
        hear();
        unfinished += state(&follower).iter().filter(|name| name.ends_with(".unfinished")).count();

        follower = follower.killed_and_started();
        let report = follower.report();
        let revision = report["revision"].as_u64().unwrap();
        let (acknowledged, sent) = (acknowledged.load(Ordering::SeqCst), sent.load(Ordering::SeqCst));
        assert!((acknowledged..=sent).contains(&revision), "{acknowledged} <= {revision} <= {sent}");
        assert_eq!(report["sha256"], TextSha256::of(&policy(revision)).to_string());
        assert_eq!(report["source"], "last known good");
        assert_eq!(follower.gate.admin("/readyz").status, 200);
        assert_eq!(follower.caller.call("read_note"), Ok(()));
        assert_eq!(state(&follower), ["keys.signed", "policy.signed", "receipt_keys.signed"]);
        changes += revision - before;
    }
    println!("{changes} changes kept, {unfinished} unfinished files in {TIMES} lives");
    assert!(changes > TIMES && unfinished > 0, "it is killed in the middle of changes");
}
