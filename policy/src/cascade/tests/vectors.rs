//! The worked cases that every layer must agree with.

use super::*;

#[test]
fn every_verdict_agrees() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/cascade.json");
    let cases: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut queries_count = 0;
    for (number, case) in cases.iter().enumerate() {
        let snapshot = snapshot(&case["policy"]);
        for query in case["queries"].as_array().unwrap() {
            let mut found = serde_json::to_value(decided(&snapshot, &query["query"])).unwrap();
            // The vectors say what decides, not which rules were set aside on the way.
            found.as_object_mut().unwrap().remove("faults");
            assert_eq!(found, query["verdict"], "policy {number}, {}", query["query"]);
            queries_count += 1;
        }
    }
    assert_eq!((cases.len(), queries_count), (40, 2400));
}
