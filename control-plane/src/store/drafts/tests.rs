//! What is written down of drafts.

use super::*;
use crate::fixture::{ORG, key, on_both};
use crate::store::Tier;

#[test]
fn each_draft_leaves_a_record() {
    on_both(async |database| {
        let store = database.store().await;
        let now = UnixMillis(1_800_000_000_000);
        key(&store, ORG, "ops", Tier::Management).await;
        let draft = |name: &str| SeenDraft {
            name: name.to_owned(),
            seen_in: "call",
            description: None,
            annotations: None,
            input_schema: None,
            definition_sha256: None,
        };
        let drafts = ["a", "b", "a", "c"].map(draft);
        let seen = Seen { org: ORG, proxy: "gate-1", backend: "notes", drafts: &drafts };
        let limits = DraftLimits { per_hour: 2, in_all: 9 };
        let placed = store.store_drafts(&seen, limits, now).await.unwrap();
        assert_eq!(placed, [Placed::Stored, Placed::Stored, Placed::Known, Placed::HourFull]);

        let rows = sqlx::query("SELECT * FROM activity WHERE actor_kind = 'proxy' ORDER BY id")
            .fetch_all(store.readers())
            .await
            .unwrap();
        let column = |row: &AnyRow, name: &str| row.try_get::<String, _>(name).unwrap();
        let records: Vec<_> = rows
            .iter()
            .map(|row| {
                ["org", "action", "object", "actor", "actor_kind", "origin", "details"]
                    .map(|name| column(row, name))
            })
            .collect();
        let expected = |name: &str| {
            let details = r#"{"backend":"notes","seen_in":"call"}"#;
            [ORG, "draft.store", name, "gate-1", "proxy", "link", details].map(str::to_owned)
        };
        assert_eq!(records, [expected("a"), expected("b")]);
    });
}
