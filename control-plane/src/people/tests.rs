use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::fixture::{Database, ORG, approver, on_both, person};

#[test]
fn a_session_is_shown_once_and_only_its_digest_is_kept() {
    on_both(async |database| {
        let people = People::new(database.store().await);
        let session = people.create(person(approver("Ada", true, false))).await.unwrap();
        assert!(Session::parse(session.expose()).is_some(), "{}", session.expose());
        assert_eq!(format!("{session:?}"), "Session(…)");
        let again = people.renew_session(ORG, &approver("ada", true, false).id, 60).await.unwrap();
        assert_ne!(session.expose(), again.expose());

        let records = ["host person.add ada", "host person.renew ada"];
        assert_eq!(people.store.records(ORG).await, records);
        people.store.close().await;
        let bytes = database.bytes();
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        for secret in [&session, &again] {
            assert!(!holds(secret.expose().strip_prefix(SESSION_PREFIX).unwrap()));
        }
        assert!(holds(&again.sha256()));
        if let Database::Sqlite(folder) = &database {
            for entry in std::fs::read_dir(folder.path()).unwrap() {
                let entry = entry.unwrap();
                assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
            }
        }
    });
}

#[test]
fn what_is_no_person_is_refused() {
    on_both(async |database| {
        let people = People::new(database.store().await);
        let ada = person(approver("ada", true, false));
        people.create(ada.clone()).await.unwrap();
        let cases = [
            (NewPerson { name: "Another".to_owned(), ..ada.clone() }, "there is a person of that id already"),
            (NewPerson { name: String::new(), ..ada.clone() }, "a name must have 1 to 256 bytes"),
            (
                NewPerson { name: "\u{202e}ada".to_owned(), ..ada.clone() },
                "a name must have no characters that do not show, or that turn the direction of others",
            ),
            (
                person(approver("HOST", true, true)),
                "a person's id must not be `host`, which is whoever works on the host itself",
            ),
            (NewPerson { org: "x".repeat(257), ..ada.clone() }, "a name must have 1 to 256 bytes"),
            (NewPerson { session_seconds: 0, ..ada.clone() }, "a session must last from 1 second to 90 days"),
            (
                NewPerson { session_seconds: u64::MAX, ..ada.clone() },
                "a session must last from 1 second to 90 days",
            ),
        ];
        for (person, expected) in cases {
            assert_eq!(people.create(person).await.unwrap_err().to_string(), expected);
        }
        people.create(NewPerson { org: "other".to_owned(), ..ada.clone() }).await.unwrap();
        let listed: Vec<_> =
            people.list(ORG).await.unwrap().into_iter().map(|person| person.approver).collect();
        assert_eq!(listed, std::slice::from_ref(&ada.approver));
        let nobody = approver("nobody", true, true).id;
        assert!(matches!(people.renew_session(ORG, &nobody, 60).await, Err(PeopleError::Unknown)));
        assert!(matches!(people.end_session(ORG, &nobody).await, Err(PeopleError::Unknown)));
        people.end_session(ORG, &ada.approver.id).await.unwrap();
        assert_eq!(people.store.records(ORG).await, ["host person.add ada", "host person.end ada"]);
    });
}
