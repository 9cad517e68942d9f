//! A verdict allocates nothing unless a condition is evaluated. One test, so that nothing else allocates meanwhile.

use std::alloc::System;

use policy::cascade::{Silent, verdict};
use policy::{Document, Level, Query, Snapshot, UnixMillis};
use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn a_verdict_without_a_condition_allocates_nothing() {
    let document = json!({
        "format": 1, "org": "acme",
        "categories": [{"name": "files", "default": "disabled"}],
        "tools": [
            {"name": "fs.read", "tags": ["a", "b", "c"]},
            {"name": "fs.list", "category": "files"},
            {"name": "fs.off", "enabled": false},
        ],
        "rules": [
            {"id": "1", "tenant": "t", "resource": "r/*", "tool": "db.*", "method": "get", "permission": "allowed"},
            {"id": "2", "tenant": "t", "resource": "r/a*", "tool": "db.q*", "permission": "disabled", "reason": "no"},
            {"id": "3", "tag": "b", "permission": "allowed"},
            {"id": "4", "tag": "c", "permission": "disabled"},
            {"id": "5", "tool": "when", "permission": "disabled", "when": "args.a == 1"},
        ],
    });
    let snapshot = Snapshot::compile(Document::parse(&document.to_string()).unwrap(), 1);
    let allocations = |query: &str, level: &str| {
        let query = Query::parse(query).unwrap();
        let call = query.call();
        let region = Region::new(ALLOCATOR);
        let verdict = verdict(&snapshot, &call, UnixMillis(0), &mut Silent);
        let allocations_count = region.change().allocations;
        assert_eq!(verdict.level.as_str(), level);
        allocations_count
    };
    for (query, level) in [
        (
            r#"{"tool":"db.query","tenant":"t","resource":"r/abc","method":"get"}"#,
            "tenant/resource+tool+method",
        ),
        (r#"{"tool":"db.query","tenant":"t","resource":"r/abc"}"#, "tenant/resource+tool"),
        (r#"{"tool":"fs.read","tenant":"t"}"#, "org/tag"),
        (r#"{"tool":"fs.list"}"#, "category-default"),
        (r#"{"tool":"fs.off"}"#, Level::ToolDisabled.as_str()),
        (r#"{"tool":"unheard of","tenant":"of","resource":"none","method":"x"}"#, "fail-safe"),
    ] {
        assert_eq!(allocations(query, level), 0, "{query}");
    }
    // The count counts: a condition does allocate.
    assert!(allocations(r#"{"tool":"when","args":{"a":1}}"#, "org/tool") > 0);
}
