//! What counts as a change, what ends it, and what fits.

use policy::Document;
use serde_json::json;

use super::*;

const A: &str = r#"{"name":"t","description":"a"}"#;
const B: &str = r#"{"name":"t","description":"b"}"#;
/// It has no canonical form.
const ODD: &str = r#"{"name":"t","maximum":9007199254740993}"#;

fn sha256(definition: &str) -> String {
    policy::ToolDefinition::read(definition).unwrap().digest().to_string()
}

/// A policy that pins these tools.
fn pins(tools: &[(&str, &str)]) -> Snapshot {
    let tools: Vec<_> = tools
        .iter()
        .map(|(name, definition)| json!({"name": name, "definition_sha256": sha256(definition)}))
        .collect();
    let document = json!({"format": 1, "org": "acme", "tools": tools}).to_string();
    Snapshot::compile(Document::parse(&document).unwrap(), 1)
}

fn definitions(tools_max: u32, bytes_max: u64) -> Definitions {
    let limits = Limits {
        max_tool_definitions: tools_max,
        max_tool_definitions_bytes: bytes_max,
        ..Limits::default()
    };
    Definitions::new(&limits)
}

fn list(definitions: &Definitions, snapshot: &Snapshot, metrics: &Metrics, tools: &[(&str, &str)]) {
    let mut sighting = definitions.sighting(snapshot, "b");
    for (name, definition) in tools {
        sighting.note(name, definition);
    }
    sighting.keep(metrics);
}

#[test]
fn a_change_stays_until_the_policy_pins_what_was_shown() {
    /// What happens: the policy pins a definition, or nothing, or a list shows one.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Pin(&'static str),
        Unpin,
        Show(&'static str),
    }
    use Step::{Pin, Show, Unpin};
    for (why, steps, changed, changes) in [
        ("nothing was shown", vec![Pin(A)], false, 0),
        ("it is what was accepted", vec![Pin(A), Show(A)], false, 0),
        ("another one", vec![Pin(A), Show(B)], true, 1),
        ("shown before it was pinned", vec![Unpin, Show(B), Pin(A)], true, 0),
        ("alternating", vec![Pin(A), Show(A), Show(B), Show(A), Show(B), Show(A)], true, 1),
        ("accepted", vec![Pin(A), Show(A), Show(B), Pin(B)], false, 1),
        ("accepted, and back again", vec![Pin(A), Show(B), Pin(B), Show(A)], true, 2),
        ("another one than the shown one is accepted", vec![Pin(A), Show(B), Pin(ODD_NAME)], true, 1),
        ("the pin is taken out and put back", vec![Pin(A), Show(B), Unpin, Pin(A)], true, 1),
        ("the same, with a list between", vec![Pin(A), Show(B), Unpin, Show(A), Pin(A)], false, 1),
        ("without a canonical form", vec![Pin(A), Show(ODD)], true, 1),
        ("unpinned", vec![Unpin, Show(A), Show(B), Show(ODD)], false, 0),
    ] {
        let (definitions, metrics) = (definitions(10, 100_000), Metrics::new().unwrap());
        let mut snapshot = pins(&[]);
        for step in &steps {
            match step {
                Pin(definition) => snapshot = pins(&[("t", definition)]),
                Unpin => snapshot = pins(&[]),
                Show(definition) => list(&definitions, &snapshot, &metrics, &[("t", definition)]),
            }
        }
        let found = definitions.of(&snapshot, "b", "t") != Definition::Accepted;
        assert_eq!(found, changed, "{why}: {steps:?}");
        assert_eq!(definitions.changed_count(&snapshot), usize::from(changed), "{why}");
        assert_eq!(metrics.definitions.changes.with_label_values(&["b"]).get(), changes, "{why}");
        assert_eq!(definitions.of(&snapshot, "other", "t"), Definition::Accepted, "another backend's");
    }
}

const ODD_NAME: &str = r#"{"name":"t","description":"c"}"#;

#[test]
fn of_two_tools_of_one_name_the_changed_one_counts() {
    for order in [[A, B], [B, A]] {
        let (definitions, metrics, snapshot) =
            (definitions(10, 100_000), Metrics::new().unwrap(), pins(&[("t", A)]));
        list(&definitions, &snapshot, &metrics, &order.map(|definition| ("t", definition)));
        assert_ne!(definitions.of(&snapshot, "b", "t"), Definition::Accepted, "{order:?}");
    }
}

#[test]
fn pinned_tools_have_room_before_others_and_without_room_count_as_changed() {
    let (definitions, metrics) = (definitions(2, 100_000), Metrics::new().unwrap());
    let limit = || metrics.limits_reached.with_label_values(&["max_tool_definitions"]).get();
    list(&definitions, &pins(&[]), &metrics, &[("x", A), ("y", A), ("z", A)]);
    assert_eq!((definitions.report(None, false).len(), limit()), (2, 1));
    let snapshot = pins(&[("t", A), ("u", A), ("v", A)]);
    list(&definitions, &snapshot, &metrics, &[("t", A), ("u", B)]);
    assert_eq!(definitions.report(None, false).len(), 2);
    assert_eq!(definitions.of(&snapshot, "b", "t"), Definition::Accepted);
    assert_ne!(definitions.of(&snapshot, "b", "u"), Definition::Accepted);
    assert_eq!(definitions.of(&snapshot, "b", "v"), Definition::Accepted, "never shown");
    list(&definitions, &snapshot, &metrics, &[("v", A)]);
    assert_ne!(definitions.of(&snapshot, "b", "v"), Definition::Accepted, "shown, and there was no room");
}

#[test]
fn texts_are_kept_as_far_as_there_is_room() {
    let (definitions, metrics) = (definitions(10, 100), Metrics::new().unwrap());
    let snapshot = pins(&[("t", A)]);
    let long = format!(r#"{{"name":"long","description":"{}"}}"#, "x".repeat(100));
    list(&definitions, &snapshot, &metrics, &[("long", &long), ("t", B)]);
    let report = serde_json::to_value(definitions.report(Some(&snapshot), true)).unwrap();
    assert_eq!(report[0]["sha256"], json!(sha256(&long)));
    assert_eq!(report[0]["definition"], json!(null), "its digest is known all the same");
    assert_eq!(report[1]["pin"], "changed");
    assert_eq!(report[1]["accepted"], json!({"sha256": sha256(A), "definition": null}), "never shown here");
    assert_eq!(
        report[1]["seen"],
        json!({"sha256": sha256(B), "definition": {"name": "t", "description": "b"}})
    );
}
