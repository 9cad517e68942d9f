//! Rows that this program never wrote: each is named by its table, and nobody is told to try again.

use super::policy::JSON;
use super::*;
use crate::store::ActivityFilter;

#[test]
fn what_cannot_be_read_is_said_to_be_damaged_and_where() {
    on_both(async |database| {
        let running = Running::start(&database, &[]).await;
        let key = running.key(ORG, "ops", Tier::Management).await;
        let repeat = format!("{key}{JSON}Idempotency-Key: one\r\n");
        assert_eq!(running.ask("PUT", "/v1/tenants/t", &repeat, "{}").await.status, 201);
        let json = format!("{key}{JSON}");
        assert_eq!(running.ask("PUT", "/v1/tools/t", &json, "{}").await.status, 201);
        let yaml = format!("{key}Accept: application/yaml\r\n");
        for (damage, method, path, fields, table) in [
            ("UPDATE repeats SET status = -1", "PUT", "/v1/tenants/t", &repeat, "repeats"),
            ("UPDATE catalogue SET version = -1", "GET", "/v1/tenants/t", &key, "catalogue"),
            ("UPDATE pieces SET body = '{'", "GET", "/v1/tools/t", &key, "pieces"),
            ("UPDATE pieces SET body = '['", "GET", "/v1/policy", &yaml, "pieces"),
            ("UPDATE revisions SET at_unix_ms = -1", "GET", "/v1/policy/revisions", &key, "revisions"),
            ("UPDATE activity SET details = '{'", "GET", "/v1/activity", &key, "activity"),
            ("UPDATE secrets SET created_at_unix_ms = -1", "GET", "/v1/keys", &key, "secrets"),
            ("UPDATE orgs SET revision = -1", "GET", "/v1/tools", &key, "orgs"),
            ("UPDATE holders SET version = -1", "GET", "/v1/keys", &key, "holders"),
        ] {
            running.store.run(damage).await;
            let body = if method == "PUT" { "{}" } else { "" };
            let answer = running.ask(method, path, fields, body).await;
            answer.problem(500, "store_damaged");
            let problem: Value = serde_json::from_str(&answer.body).unwrap();
            let place = problem["errors"][0].as_str().unwrap();
            assert!(place.starts_with(&format!("table `{table}`: unreadable ")), "{damage}: {place}");
            assert!(problem["detail"].as_str().unwrap().contains("backup"), "{problem}");
        }
    });
}

#[tokio::test]
async fn a_file_that_was_overwritten_is_said_to_be_damaged() {
    let database = Database::sqlite();
    let Database::Sqlite(folder) = &database else { panic!("a file") };
    let store = database.store().await;
    store
        .run(
            "INSERT INTO activity (org, id, at_unix_ms, action, object, actor, actor_kind, origin) \
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) \
             SELECT 'acme', i, 0, 'x.y', 'z', 'a', 'person', '' FROM n",
        )
        .await;
    store.close().await;
    let file = folder.path().join("oakgate.db");
    let mut bytes = std::fs::read(&file).unwrap();
    // The tables themselves are at the beginning; of their rows most are after that.
    let half = bytes.len() / 2;
    bytes[half..].fill(7);
    std::fs::write(&file, bytes).unwrap();
    let filter = ActivityFilter { org: ORG.to_owned(), limit: 200, ..ActivityFilter::default() };
    let refused = database.store().await.activity_page(&filter).await.unwrap_err().to_string();
    assert!(refused.starts_with("the store is damaged: ") && refused.contains("backup"), "{refused}");
}
