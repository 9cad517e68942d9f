use super::*;
use crate::clock;
use crate::fixture::on_both;

/// Whose key that is.
async fn holder(store: &Store, key: &ManagementKey) -> Option<(String, String)> {
    let found = store.holder_of_key(&key.0.sha256(), clock::now()).await.unwrap();
    found.map(|holder| (holder.org, holder.id))
}

#[test]
fn an_organisation_begins_with_a_management_key_and_can_have_another() {
    on_both(async |database| {
        let store = database.store().await;
        let orgs = Orgs::new(store.clone());
        let first = orgs.add("acme", FIRST_KEY_ID).await.unwrap();
        assert!(first.expose().starts_with("oak_mgmt_"));
        assert_eq!(format!("{first:?}"), "ManagementKey(…)");
        let admin = Some(("acme".to_owned(), "admin".to_owned()));
        assert_eq!(holder(&store, &first).await, admin);

        let second = orgs.new_key("acme", FIRST_KEY_ID).await.unwrap();
        assert_eq!(holder(&store, &first).await, None, "the lost one works still");
        assert_eq!(holder(&store, &second).await, admin);
        let other = orgs.new_key("acme", "spare").await.unwrap();
        assert_eq!(holder(&store, &other).await, Some(("acme".to_owned(), "spare".to_owned())));
        assert_eq!(holder(&store, &second).await, admin);

        let records = ["host org.add acme", "host key.rotate admin", "host key.create spare"];
        assert_eq!(store.records("acme").await, records);

        let names: Vec<_> =
            orgs.list().await.unwrap().into_iter().map(|org| (org.name, org.revision)).collect();
        assert_eq!(names, [("acme".to_owned(), 0)]);
    });
}

#[test]
fn what_is_no_organisation_is_refused_and_leaves_nothing() {
    on_both(async |database| {
        let store = database.store().await;
        let orgs = Orgs::new(store.clone());
        orgs.add("acme", FIRST_KEY_ID).await.unwrap();
        let long = "x".repeat(257);
        for (name, id, expected) in [
            ("acme", "admin", "there is an organisation of that name already"),
            ("", "admin", "an organisation's name must have 1 to 256 bytes"),
            (&long, "admin", "an organisation's name must have 1 to 256 bytes"),
            ("a\0b", "admin", "an organisation's name must have no control characters"),
            (
                "other",
                "jwt:x",
                "a key's id must not begin with `jwt:` or `spiffe:`, which callers without a key have",
            ),
        ] {
            assert_eq!(orgs.add(name, id).await.unwrap_err().to_string(), expected);
        }
        assert_eq!(orgs.list().await.unwrap().len(), 1);
        for name in ["other", "", "a\0b"] {
            assert!(matches!(orgs.new_key(name, "admin").await, Err(OrgsError::Unknown)), "{name:?}");
        }
        store.run("UPDATE holders SET revoked_at_unix_ms = 1").await;
        assert!(matches!(orgs.new_key("acme", "admin").await, Err(OrgsError::KeyTaken)));
        store.run("UPDATE holders SET revoked_at_unix_ms = NULL, tier = 'standard'").await;
        assert!(matches!(orgs.new_key("acme", "admin").await, Err(OrgsError::KeyTaken)));
        store
        .run(
            "INSERT INTO orgs (name, created_at_unix_ms) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 \
             FROM n WHERE i < 9999) SELECT 'org-' || i, 0 FROM n",
        )
        .await;
        assert!(matches!(orgs.add("one-more", "admin").await, Err(OrgsError::TooMany)));
    });
}
