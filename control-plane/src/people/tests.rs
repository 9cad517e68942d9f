use super::*;
use crate::fixture::{Folder, ORG, approver, person};

#[tokio::test]
async fn a_session_is_shown_once_and_only_its_digest_is_kept() {
    let folder = Folder::new();
    let people = People::new(folder.store().await);
    let session = people.create(person(approver("Ada", true, false))).await.unwrap();
    assert!(Session::parse(session.expose()).is_some(), "{}", session.expose());
    assert_eq!(format!("{session:?}"), "Session(…)");
    let again = people.renew_session(ORG, &approver("ada", true, false).id, 60).await.unwrap();
    assert_ne!(session.expose(), again.expose());

    people.end_session(ORG, &approver("ada", true, false).id).await.unwrap();
    let records = ["host person.add ada", "host person.renew ada", "host person.end ada"];
    assert_eq!(people.store.records(ORG).await, records);
    people.store.close().await;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for secret in [&session, &again] {
            let bits = secret.expose().strip_prefix(SESSION_PREFIX).unwrap().as_bytes();
            assert!(!bytes.windows(bits.len()).any(|window| window == bits), "{}", path.display());
        }
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn what_is_no_person_is_refused() {
    let folder = Folder::new();
    let people = People::new(folder.store().await);
    let ada = person(approver("ada", true, false));
    people.create(ada.clone()).await.unwrap();
    let cases = [
        (NewPerson { name: "Another".to_owned(), ..ada.clone() }, "there is a person of that id already"),
        (NewPerson { name: String::new(), ..ada.clone() }, "a name must have 1 to 256 bytes"),
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
    let listed: Vec<_> = people.list(ORG).await.unwrap().into_iter().map(|person| person.approver).collect();
    assert_eq!(listed, [ada.approver]);
    let nobody = approver("nobody", true, true).id;
    assert!(matches!(people.renew_session(ORG, &nobody, 60).await, Err(PeopleError::Unknown)));
    assert!(matches!(people.end_session(ORG, &nobody).await, Err(PeopleError::Unknown)));
}
