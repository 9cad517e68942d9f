//! The house rules that a machine can hold.

use std::path::{Path, PathBuf};

use crate::harness::{oakgate, repository};

/// Lines of a source file beyond which it holds more than one idea.
const FILE_MAX_LINES: usize = 500;
/// Which crates may use which of ours: arrows run one way.
const ARROWS: [(&str, &[&str]); 10] = [
    ("policy", &[]),
    ("receipt", &[]),
    ("protocol", &[]),
    ("edge", &["protocol"]),
    ("watched-files", &[]),
    ("config", &["policy", "protocol"]),
    ("policy-sync", &["policy"]),
    ("proxy", &["config", "edge", "policy", "policy-sync", "protocol", "receipt", "watched-files"]),
    ("control-plane", &["edge", "policy", "policy-sync", "protocol", "receipt"]),
    (
        "oakgate",
        &[
            "config",
            "control-plane",
            "policy",
            "policy-sync",
            "protocol",
            "proxy",
            "receipt",
            "watched-files",
        ],
    ),
];
/// What a pure crate must not know.
const IMPURE: [&str; 9] =
    ["tokio", "hyper", "axum", "http", "std::fs", "SystemTime::now", "Instant::now", "getrandom", "std::env"];

fn sources(folder: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&repository().join(folder), &mut found);
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn files_are_of_one_idea_and_say_what_they_are_for() {
    for (name, _) in ARROWS {
        for file in sources(&format!("{name}/src")) {
            let text = read(&file);
            let is_test =
                file.ends_with("tests.rs") || file.components().any(|part| part.as_os_str() == "tests");
            assert!(text.lines().count() <= FILE_MAX_LINES, "{} is too long", file.display());
            assert!(is_test || text.starts_with("//!"), "{} does not say what it is for", file.display());
            assert!(file.file_name().unwrap() != "mod.rs", "{}", file.display());
        }
    }
}

#[test]
fn crates_use_each_other_in_one_direction() {
    for (name, may_use) in ARROWS {
        let manifest = read(&repository().join(name).join("Cargo.toml"));
        let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
        for (other, _) in ARROWS {
            let uses = dependencies.lines().any(|line| line.starts_with(&format!("{other}.workspace")));
            assert!(!uses || may_use.contains(&other), "{name} must not use {other}");
        }
    }
}

#[test]
fn pure_crates_know_no_clock_no_files_no_network() {
    for name in ["policy", "protocol", "receipt"] {
        let manifest = read(&repository().join(name).join("Cargo.toml"));
        let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
        for dependency in ["tokio", "hyper", "axum", "http", "getrandom", "rand"] {
            assert!(
                !dependencies.lines().any(|line| line.starts_with(&format!("{dependency}."))),
                "{name}: {dependency}"
            );
        }
        for file in sources(&format!("{name}/src")) {
            if file.components().any(|part| part.as_os_str() == "tests") || file.ends_with("tests.rs") {
                continue;
            }
            let text = read(&file);
            let code = text.split("#[cfg(test)]").next().unwrap();
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                let impure = IMPURE.iter().find(|word| {
                    line.contains(&format!("{word}::")) || line.contains(&format!("use {word}"))
                });
                assert!(impure.is_none(), "{}: {line}", file.display());
            }
        }
    }
}

#[test]
fn every_metric_and_every_refusal_is_described() {
    let described = read(&repository().join("docs/metrics.md"));
    let parts = sources("proxy/src/metrics").into_iter().chain([repository().join("proxy/src/metrics.rs")]);
    let metrics: String = parts.map(|file| read(&file)).collect();
    for line in metrics.lines().filter(|line| line.contains("r, \"")) {
        let name = line.split("r, \"").nth(1).unwrap().split('"').next().unwrap();
        assert!(described.contains(&format!("`oakgate_{name}`")), "docs/metrics.md lacks oakgate_{name}");
    }
    for line in read(&repository().join("control-plane/src/metrics.rs")).lines() {
        let Some((_, name)) = line.split_once("\"oakgate_") else { continue };
        let name = name.split('"').next().unwrap();
        assert!(described.contains(&format!("`oakgate_{name}`")), "docs/metrics.md lacks oakgate_{name}");
    }
    let described = read(&repository().join("docs/refusals.md"));
    let (status, table, _) = oakgate(&["refusals", "--markdown"], "");
    assert_eq!(status, 0);
    assert!(described.ends_with(&table), "docs/refusals.md is not what the code says: run `make refusals`");
    assert!(!table.contains("|  |"), "a reason without a meaning: {table}");
}

#[test]
fn every_limit_and_every_rate_is_described() {
    let described = read(&repository().join("docs/limits.md"));
    let schema: serde_json::Value =
        serde_json::from_str(&read(&repository().join("config/settings.schema.json"))).unwrap();
    for (limit, about) in schema["$defs"]["Limits"]["properties"].as_object().unwrap() {
        let row = format!("| `{limit}` | {} | ", about["default"]);
        assert!(described.contains(&row), "docs/limits.md lacks {row}");
    }
    for rate in schema["$defs"]["Rates"]["properties"].as_object().unwrap().keys() {
        assert!(described.contains(&format!("`{rate}`")), "docs/limits.md lacks {rate}");
    }
}
