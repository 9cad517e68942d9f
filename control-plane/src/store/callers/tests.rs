use config::{ApiKey, Environment, KeyKind, Keys};

use super::*;
use crate::fixture::{self, Database, ORG, commit, edit, on_both};
use crate::key::Key;
use crate::store::{Holder, HolderKind};

/// The keys of an org, read as a proxy reads them, with the number of their changes.
async fn keys(store: &Store, org: &str) -> (u64, Keys) {
    let (revision, text) = store.keys_document(org).await.unwrap().unwrap();
    (revision, Keys::read("keys", &text, Environment::none()).unwrap())
}

/// What a proxy knows of whose key it is.
fn known<'k>(keys: &'k Keys, key: &Key) -> Option<&'k ApiKey> {
    let hex = |sha256: &[u8; 32]| sha256.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    keys.iter().find(|(sha256, _)| hex(sha256) == key.sha256()).map(|(_, found)| found)
}

async fn holder(edit: &mut Edit, kind: HolderKind, id: &str) -> Holder {
    edit.credential(kind, id).await.unwrap().unwrap().holder
}

#[test]
fn proxies_know_the_keys_that_run_and_are_not_revoked() {
    on_both(async |database| {
        let store = database.store().await;
        let runner = fixture::key(&store, ORG, "runner", Tier::Standard).await;
        let agent = fixture::key(&store, ORG, "agent-7", Tier::Agent).await;
        let revoked = fixture::key(&store, ORG, "revoked", Tier::Agent).await;
        let strangers = [
            fixture::key(&store, ORG, "admin", Tier::Management).await,
            fixture::key(&store, ORG, "gate-1", Tier::Proxy).await,
            fixture::key(&store, "other", "runner", Tier::Standard).await,
        ];
        let before = keys(&store, ORG).await.0;

        let mut edit = edit(&store, ORG).await;
        let (now, later) = (edit.now, edit.now.plus_seconds(5000));
        let mut changed = holder(&mut edit, HolderKind::Key, "runner").await;
        (changed.tenant, changed.may_name_tenant) = (Some("north".to_owned()), true);
        changed.expires_at = Some(later);
        edit.change_holder(&mut changed).await.unwrap();
        let next = Key::mint(Tier::Standard).unwrap();
        edit.replace_secret(&mut changed, &next, 60).await.unwrap();
        let mut gone = holder(&mut edit, HolderKind::Agent, "revoked").await;
        gone.revoked_at = Some(now);
        edit.change_holder(&mut gone).await.unwrap();
        commit(edit, "key.change", "runner").await;

        let (revision, keys) = keys(&store, ORG).await;
        assert_eq!((revision, keys.len()), (before + 3, 3));
        let seconds = |moment: UnixMillis| i64::try_from(moment.seconds()).ok();
        // The earlier end counts: the old secret's own, and the holder's.
        let (old_end, new_end) = (seconds(now.plus_seconds(60)), seconds(later));
        let runs = |expires_unix_seconds| ApiKey {
            id: "runner".to_owned(),
            kind: KeyKind::Standard,
            tenant: Some("north".to_owned()),
            may_name_tenant: true,
            expires_unix_seconds,
        };
        let asks = ApiKey {
            id: "agent-7".to_owned(),
            kind: KeyKind::Agent,
            tenant: None,
            may_name_tenant: false,
            expires_unix_seconds: None,
        };
        assert_eq!(known(&keys, &runner), Some(&runs(old_end)));
        assert_eq!(known(&keys, &next), Some(&runs(new_end)));
        assert_eq!(known(&keys, &agent), Some(&asks));
        for key in strangers.iter().chain([&revoked]) {
            assert_eq!(known(&keys, key), None);
        }
    });
}

/// Names that the databases sort in their own ways, and that would mean something else elsewhere.
const HOLDERS: &str = r#"INSERT INTO holders (org, id, tier, tenant, may_name_tenant, version, created_at_unix_ms,
    expires_at_unix_ms) VALUES
('acme', 'zoe', 'agent', NULL, 0, 1, 1000, NULL), ('acme', 'Zoe', 'agent', '"${HOME}\', 0, 1, 1000, NULL),
('acme', 'ärger ${x', 'standard', NULL, 1, 1, 1000, 1999), ('acme', 'ada', 'agent', NULL, 0, 1, 1000, 9000000000000000000);
INSERT INTO secrets (sha256, org, holder, prefix, created_at_unix_ms, expires_at_unix_ms) VALUES
('cccc', 'acme', 'zoe', '', 1000, NULL), ('bbbb', 'acme', 'zoe', '', 2000, NULL), ('aaaa', 'acme', 'Zoe', '', 1000, NULL),
('dddd', 'acme', 'ärger ${x', '', 1000, 5000), ('eeee', 'acme', 'ada', '', 1000, NULL);
UPDATE orgs SET keys_revision = 41"#;

const DOCUMENT: &str = r#"[
{"id":"Zoe","sha256":"aaaa","kind":"agent","tenant":"\"${HOME}\\"},
{"id":"ada","sha256":"eeee","kind":"agent","expires":"9999-12-30T22:00:00.999999999Z"},
{"id":"zoe","sha256":"bbbb","kind":"agent"},
{"id":"zoe","sha256":"cccc","kind":"agent"},
{"id":"ärger ${x","sha256":"dddd","kind":"standard","may_name_tenant":true,"expires":"1970-01-01T00:00:01Z"}
]
"#;

#[test]
fn the_same_keys_are_the_same_text_on_every_database() {
    on_both(async |database| {
        let store = database.store().await;
        assert_eq!(store.keys_document(ORG).await.unwrap(), None);
        store.run("INSERT INTO orgs (name, created_at_unix_ms) VALUES ('acme', 1)").await;
        assert_eq!(store.keys_document(ORG).await.unwrap(), Some((0, "[\n]\n".to_owned())));
        assert!(keys(&store, ORG).await.1.is_empty());
        for statement in HOLDERS.split(";\n") {
            store.run(statement).await;
        }
        assert_eq!(store.keys_document(ORG).await.unwrap(), Some((41, DOCUMENT.to_owned())));
    });
}

#[test]
fn how_far_orgs_have_come_is_one_question() {
    on_both(async |database: Database| {
        let store = database.store().await;
        let asked = [ORG.to_owned(), "none".to_owned(), "other".to_owned()];
        assert_eq!(store.revisions_of(&asked).await.unwrap(), []);
        fixture::key(&store, ORG, "runner", Tier::Standard).await;
        fixture::key(&store, "other", "admin", Tier::Management).await;
        store.run("UPDATE orgs SET revision = 3 WHERE name = 'other'").await;
        let org = |org: &str, policy, keys| OrgRevisions { org: org.to_owned(), policy, keys };
        let mut found = store.revisions_of(&asked).await.unwrap();
        found.sort_unstable_by(|one, other| one.org.cmp(&other.org));
        assert_eq!(found, [org(ORG, 0, 1), org("other", 3, 0)]);
        assert_eq!(store.revisions_of(&asked[..1]).await.unwrap().len(), 1);
    });
}
