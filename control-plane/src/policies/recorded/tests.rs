//! The end of time, and records that nobody can have written.

use policy::Document;

use super::*;

fn snapshot() -> Snapshot {
    let document = Document::parse(r#"{"format":1,"org":"acme"}"#).unwrap();
    Snapshot::compile(document, 1)
}

fn kept() -> KeptActivity {
    KeptActivity {
        id: "01980000-0000-7000-8000-000000000000".to_owned(),
        at: UnixMillis(1_767_225_600_000),
        action: CHECKED.to_owned(),
        object: "refund".to_owned(),
        actor: "agent-7".to_owned(),
        actor_kind: "agent".to_owned(),
        origin: "127.0.0.1:5000".to_owned(),
        tenant: None,
        permission: Some("requires_approval".to_owned()),
        details: Some(r#"{"backend":"payments","level":"fail-safe","policy":1,"jti":"x"}"#.to_owned()),
    }
}

#[test]
fn when_the_time_is_over_the_rest_is_left_out_and_that_is_said() {
    let recorded = || vec![Recorded::checked(kept()).unwrap()];
    let late = replay_until(Instant::now(), &snapshot(), &snapshot(), recorded());
    assert_eq!((late.calls.len(), late.is_complete), (0, false));
    let in_time = replay(&snapshot(), &snapshot(), recorded());
    assert_eq!((in_time.calls.len(), in_time.is_complete), (1, true));
    assert_eq!(in_time.calls[0].1, Replayed::Same);
}

#[test]
fn a_record_that_cannot_be_read_is_no_call() {
    for bad in [
        KeptActivity { actor_kind: "management".to_owned(), ..kept() },
        KeptActivity { details: None, ..kept() },
        KeptActivity { details: Some(r#"{"backend":"payments"}"#.to_owned()), ..kept() },
    ] {
        assert!(matches!(Recorded::checked(bad), Err(StoreError::Damaged { table: "activity", .. })));
    }
}
