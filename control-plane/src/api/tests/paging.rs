//! Pages of names that databases sort differently: SQLite by bytes, the PostgreSQL of these tests as people do.

use std::collections::BTreeSet;

use super::super::paging::{PageOf, write_cursor};
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

#[test]
fn a_page_of_large_items_ends_early_and_the_next_goes_on() {
    on_both(async |database| {
        let running = Running::start(&database, &[]).await;
        let key = running.key(ORG, "ops", Tier::Management).await;
        let fields = format!("{key}Content-Type: application/json\r\nIf-Match: \"0\"\r\n");
        let schema = json!({"description": "x".repeat(250_000)});
        let tools = (0..11).map(|id| json!({"name": id.to_string(), "input_schema": schema}));
        let policy = json!({"format": 1, "org": ORG, "tools": tools.collect::<Vec<_>>()}).to_string();
        assert_eq!(send(running.address, "PUT", "/v1/policy", &fields, &policy).await.status, 200);
        let (mut seen, mut pages, mut cursor) = (Vec::new(), 0, String::new());
        loop {
            let path = format!("/v1/tools?limit=200{cursor}");
            let page = send(running.address, "GET", &path, &key, "").await;
            assert!(page.body.len() < 1_500_000, "{}", page.body.len());
            let page = page.json(200);
            let items = page["items"].as_array().unwrap();
            seen.extend(items.iter().map(|item| item["name"].as_str().unwrap().to_owned()));
            pages += 1;
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!((seen, pages), ((0..11).map(|id| id.to_string()).collect(), 3));
        let metrics = send(running.address, "GET", "/metrics", "", "").await.body;
        assert!(metrics.contains("oakgate_api_limits_reached_total{limit=\"page_bytes\"} 2\n"), "{metrics}");
    });
}

#[test]
fn every_list_ends_a_page_by_its_bytes() {
    let metrics = crate::metrics::Metrics::new().unwrap();
    let page = |rows: Vec<usize>, limit| {
        let place = |row: &usize| format!("after {row}");
        let asked = PageOf::read(None, Some(limit)).unwrap_or_else(|_| panic!("{limit}"));
        let page = asked.fill(rows, &metrics, place, |row| "x".repeat(row));
        (page.items.iter().map(String::len).collect::<Vec<_>>(), page.next_cursor)
    };
    let mib = 1024 * 1024;
    let after = |row: usize| Some(write_cursor(&format!("after {row}")));
    for (rows, limit, expected) in [
        (vec![], 2, (vec![], None)),
        (vec![1], 2, (vec![1], None)),
        (vec![1, 2], 2, (vec![1, 2], after(2))),
        (vec![3 * mib], 2, (vec![3 * mib], after(3 * mib))),
        (vec![1, mib, 2], 200, (vec![1, mib], after(mib))),
        (vec![mib / 2 - 8, mib / 2 - 8, 2], 200, (vec![mib / 2 - 8, mib / 2 - 8, 2], None)),
    ] {
        assert_eq!(page(rows, limit), expected);
    }
}
