use super::*;
use crate::fixture::{key, on_both};
use crate::store::Tier;

#[test]
fn activity_that_is_old_enough_goes_and_a_record_says_so() {
    on_both(async |database| {
        let store = database.store().await;
        let metrics = Metrics::new().unwrap();
        for org in ["acme", "north", "new"] {
            key(&store, org, "admin", Tier::Management).await;
        }
        // Written on the second of January 1970.
        store
            .run(
                "INSERT INTO activity (org, id, at_unix_ms, action, object, actor, actor_kind, origin) \
                 WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) \
                 SELECT 'acme', '00000526-5c00-7000-8000-00000000' || (1000 + i), 0, 'x.y', 'z', 'a', 'person', '' \
                 FROM n UNION ALL SELECT 'north', '00000526-5c00-7000-8000-000000000000', 0, 'x.y', 'z', 'a', 'person', '' \
                 FROM n WHERE i = 1",
            )
            .await;
        sweep_activity(&store, &metrics, UnixMillis(DAY_MS)).await.unwrap();
        assert_eq!(store.count("activity").await, 2504, "they are not older than that");
        sweep_activity(&store, &metrics, UnixMillis(DAY_MS + 1)).await.unwrap();
        let pruned = ["host key.create admin", "host activity.prune activity"];
        assert_eq!(store.records("acme").await, pruned);
        assert_eq!(store.records("north").await, pruned);
        assert_eq!(store.records("new").await, ["host key.create admin"]);
        sweep_activity(&store, &metrics, UnixMillis(DAY_MS + 1)).await.unwrap();
        assert_eq!(store.count("activity").await, 5);
    });
}

#[test]
fn days_begin_at_midnight() {
    let noon = UnixMillis(500 * DAY_MS + DAY_MS / 2);
    for (days, expected) in [(1, 499 * DAY_MS), (400, 100 * DAY_MS), (1000, 0)] {
        assert_eq!(days_ago(days, noon), UnixMillis(expected));
    }
}
