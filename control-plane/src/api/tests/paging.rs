//! Pages of names that databases sort differently: SQLite by bytes, the PostgreSQL of these tests as people do.

use std::collections::BTreeSet;

use super::*;

const NAMES: [&str; 18] = [
    "a", "A", "B", "b", "ä", "Z", "_x", "é", "e\u{301}", "10", "9", "b c", "ß", "SS", "日本", "-", "a-b",
    "ab",
];

#[test]
fn pages_hold_every_name_once_however_they_are_sorted() {
    on_both(async |database| {
        let running = Running::start(&database, &[]).await;
        let admin = running.key(ORG, "admin", Tier::Management).await;
        let fields = format!("{admin}Content-Type: application/json\r\n");
        for name in NAMES {
            let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let path = format!("/v1/tenants/{encoded}");
            send(running.address, "PUT", &path, &fields, "{}").await.json(201);
        }
        for limit in [1, 5, 18] {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let path = format!("/v1/tenants?limit={limit}{cursor}");
                let page = send(running.address, "GET", &path, &admin, "").await.json(200);
                let items = page["items"].as_array().unwrap();
                assert!(items.len() <= limit);
                seen.extend(items.iter().map(|item| item["name"].as_str().unwrap().to_owned()));
                let Some(next) = page["next_cursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            assert_eq!(seen.len(), NAMES.len(), "limit {limit}: {seen:?}");
            let seen: BTreeSet<_> = seen.iter().map(String::as_str).collect();
            assert_eq!(seen, BTreeSet::from(NAMES), "limit {limit}");
        }
    });
}
