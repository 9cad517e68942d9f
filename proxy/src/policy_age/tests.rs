use std::sync::atomic::AtomicU64;

use policy::{Caller, CallerKind, DefinitionDigest, decide};
use serde_json::Map;

use super::*;
use crate::files::compile;

const POLICY: &str = "
format: 1
org: acme
tools:
- {name: read, annotations: {read_only: true}}
- {name: read-safely, annotations: {read_only: true, destructive: false}}
- {name: add, annotations: {read_only: false, destructive: false}}
- {name: add-only, annotations: {destructive: false}}
- {name: write, annotations: {read_only: false}}
- {name: delete, annotations: {destructive: true}}
- {name: contradictory, annotations: {read_only: true, destructive: true}}
- {name: silent}
- {name: off, enabled: false, annotations: {destructive: true}}
";

const HOUR_MS: u64 = 3_600_000;

fn refused(name: &str, definition: Definition, age_ms: u64) -> Option<&'static str> {
    let snapshot = compile(POLICY, 1).unwrap();
    let (confirmed, now) = (1_790_000_000_000, UnixMillis(1_790_000_000_000 + age_ms));
    let policy = PolicyInForce {
        snapshot,
        sha256: String::new(),
        loaded_at: UnixMillis(confirmed),
        confirmed_at: AtomicU64::new(if age_ms == u64::MAX { u64::MAX } else { confirmed }),
    };
    let caller = Caller { id: "agent".to_owned(), kind: CallerKind::Agent, claims: Map::new() };
    let call = Call {
        backend: "files",
        tool: name,
        tenant: None,
        resource: None,
        method: None,
        arguments: "{}",
        unread: policy::Unread::Nothing,
        caller: &caller,
        reasoning: None,
        definition,
    };
    let decision = decide(&policy.snapshot, &call, None, now);
    match check(&MaxPolicyAge::default(), &policy, (&call, &decision), now) {
        Ok(()) => None,
        Err(Refusal::PolicyTooOld { class }) => Some(class),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn the_older_a_policy_is_the_less_passes() {
    let ages =
        [0, HOUR_MS, HOUR_MS + 1, 24 * HOUR_MS, 24 * HOUR_MS + 1, 7 * 24 * HOUR_MS, 7 * 24 * HOUR_MS + 1];
    // How many of these ages a call of the tool passes at, and its class.
    for (tool, passes, class) in [
        ("delete", 2, "destructive"),
        ("write", 2, "destructive"),
        ("contradictory", 2, "destructive"),
        ("silent", 2, "destructive"),
        ("not-listed", 2, "destructive"),
        ("add", 4, "additive"),
        ("add-only", 4, "additive"),
        ("read", 6, "read_only"),
        ("read-safely", 6, "read_only"),
    ] {
        for (number, age_ms) in ages.into_iter().enumerate() {
            let expected = (number >= passes).then_some(class);
            assert_eq!(refused(tool, Definition::Accepted, age_ms), expected, "{tool} at {age_ms}");
        }
    }
}

#[test]
fn what_was_said_of_another_definition_says_nothing() {
    for definition in [Definition::Unknown, Definition::Changed(DefinitionDigest::of_bytes(b"other"))] {
        assert_eq!(refused("read", definition, HOUR_MS), None);
        assert_eq!(refused("read", definition, HOUR_MS + 1), Some("destructive"));
    }
}

#[test]
fn what_policy_refuses_anyway_keeps_its_reason() {
    assert_eq!(refused("off", Definition::Accepted, 365 * 24 * HOUR_MS), None);
}
