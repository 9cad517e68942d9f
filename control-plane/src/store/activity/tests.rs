//! Pages cost no more than they may, on both databases.

use super::*;
use crate::fixture::{Database, ORG, on_both};

fn activity(org: &str, action: &'static str, object: &str) -> Activity {
    Activity {
        at: UnixMillis(1_767_225_600_000),
        actor: Actor::host(org),
        origin: String::new(),
        record: Record::of(action, object),
    }
}

#[test]
fn one_page_looks_at_so_many_rows_and_the_next_goes_on() {
    on_both(async |database: Database| {
        let store = database.store().await;
        let rows_max = usize::try_from(LOOKED_AT_MAX).unwrap();
        store.insert_activity(&[activity(ORG, "rule.put", "needle")]).await.unwrap();
        let mut transaction = store.transaction().await.unwrap();
        let hay = vec![activity(ORG, "permission.check", "hay"); GROUP_MAX];
        for group in (0..rows_max + 10).collect::<Vec<_>>().chunks(GROUP_MAX) {
            insert(&mut *transaction, &hay[..group.len()]).await.unwrap();
        }
        transaction.commit().await.unwrap();
        let filter = |action_kind: &str| ActivityFilter {
            org: ORG.to_owned(),
            action_kind: Some(action_kind.to_owned()),
            limit: 5,
            ..ActivityFilter::default()
        };
        let first = store.activity_page(&filter("rule")).await.unwrap();
        assert_eq!(first.items, []);
        let rest = ActivityFilter { before: first.next, ..filter("rule") };
        let second = store.activity_page(&rest).await.unwrap();
        assert_eq!((second.items.len(), second.next), (1, None));
        assert_eq!(second.items[0].object, "needle");
        assert_eq!(store.activity_page(&filter("permission")).await.unwrap().items.len(), 5);
        // By what has an index it is found at once.
        let by_object = ActivityFilter {
            org: ORG.to_owned(),
            object: Some("needle".to_owned()),
            limit: 5,
            ..ActivityFilter::default()
        };
        let found = store.activity_page(&by_object).await.unwrap();
        assert_eq!((found.items.len(), found.next), (1, None));
    });
}

#[test]
fn a_page_is_read_by_an_index() {
    let plans = async |column: &str| {
        let database = Database::sqlite();
        let store = database.store().await;
        let filter = ActivityFilter { org: ORG.to_owned(), limit: 5, ..ActivityFilter::default() };
        let filter = match column {
            "object" => ActivityFilter { object: Some("x".to_owned()), ..filter },
            "actor" => ActivityFilter { actor: Some("x".to_owned()), ..filter },
            "action" => ActivityFilter { action: Some("x".to_owned()), ..filter },
            _ => filter,
        };
        let (narrowest, _) = filter.narrowest();
        let sql = format!("EXPLAIN QUERY PLAN {}", filter.statement(store.kind, "*", Fitting::Only));
        let rows = filter.bind(sqlx::query(AssertSqlSafe(sql)), Fitting::Only, 5);
        let rows = rows.fetch_all(store.readers()).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.try_get("detail").unwrap()).collect();
        (narrowest, plan.join("\n"))
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (column, index) in [
        ("object", "activity_of_object (org=? AND object=? AND id>? AND id<?)"),
        ("actor", "activity_of_actor (org=? AND actor=? AND id>? AND id<?)"),
        ("action", "activity_of_action (org=? AND action=? AND id>? AND id<?)"),
        ("org", "sqlite_autoindex_activity_1 (org=? AND id>? AND id<?)"),
    ] {
        let (narrowest, plan) = runtime.block_on(plans(column));
        assert_eq!(narrowest, column);
        assert!(plan.contains(index), "{column}:\n{plan}");
    }
}
