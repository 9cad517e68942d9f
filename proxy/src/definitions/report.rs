//! What is told of tools to a person: at `/tools`, and by `oakgate tools`.

use policy::{Definition, Snapshot};
use serde::Serialize;
use serde_json::value::RawValue;

use super::Definitions;
use super::version::{Seen, Version};

/// One tool that a backend has shown.
#[derive(Debug, Serialize)]
pub(crate) struct ToolReport {
    backend: String,
    name: String,
    /// SHA-256 of its definition; null if it has no canonical form, and so none to pin.
    sha256: Option<String>,
    pin: Pin,
    /// What it is, where that was asked for; null if it was too long to keep.
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<Option<Box<RawValue>>>,
    /// Of a changed one: what was accepted. Its `definition` is null if this process has never seen it.
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted: Option<Side>,
    /// Of a changed one: what is shown now.
    #[serde(skip_serializing_if = "Option::is_none")]
    seen: Option<Side>,
}

/// Where a tool stands beside the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Pin {
    /// The policy pins no definition of it.
    None,
    Accepted,
    Changed,
}

/// One side of a change.
#[derive(Debug, Serialize)]
struct Side {
    sha256: Option<String>,
    definition: Option<Box<RawValue>>,
}

impl Definitions {
    /// Every tool that was seen, sorted; each with its definition, if `whole`.
    pub(crate) fn report(&self, snapshot: Option<&Snapshot>, whole: bool) -> Vec<ToolReport> {
        let shown = self.shown.load();
        let mut tools: Vec<ToolReport> = shown
            .backends
            .iter()
            .flat_map(|(backend, tools)| tools.iter().map(move |(name, seen)| (backend, name, seen)))
            .map(|(backend, name, seen)| ToolReport::of(backend, name, seen, snapshot, whole))
            .collect();
        tools.sort_unstable_by(|a, b| (&a.backend, &a.name).cmp(&(&b.backend, &b.name)));
        tools
    }

    /// How many tools are not what the policy pins.
    pub(crate) fn changed_count(&self, snapshot: &Snapshot) -> usize {
        if !snapshot.has_pins() {
            return 0;
        }
        let shown = self.shown.load();
        let tools = shown.backends.values().flat_map(|tools| tools.iter());
        let changed = tools.filter(|(name, seen)| {
            snapshot.pin(name).is_some_and(|pin| seen.beside(pin) != Definition::Accepted)
        });
        changed.count() + if shown.is_full_of_pins { shown.unknown_count(snapshot) } else { 0 }
    }
}

impl ToolReport {
    fn of(backend: &str, name: &str, seen: &Seen, snapshot: Option<&Snapshot>, whole: bool) -> Self {
        let pin = snapshot.and_then(|snapshot| snapshot.pin(name));
        let changed = pin.and_then(|pin| Some((pin, seen.shown_beside(pin)?)));
        let version = changed.map_or(seen.last(), |(_, version)| version);
        let accepted = changed.map(|(pin, _)| Side {
            sha256: Some(pin.to_string()),
            definition: seen.accepted_beside(pin).and_then(definition),
        });
        Self {
            backend: backend.to_owned(),
            name: name.to_owned(),
            sha256: sha256(version),
            pin: match (pin, changed) {
                (None, _) => Pin::None,
                (Some(_), None) => Pin::Accepted,
                (Some(_), Some(_)) => Pin::Changed,
            },
            definition: whole.then(|| definition(version)),
            accepted,
            seen: changed
                .map(|(_, version)| Side { sha256: sha256(version), definition: definition(version) }),
        }
    }
}

fn sha256(version: &Version) -> Option<String> {
    version.is_canonical.then(|| version.digest.to_string())
}

fn definition(version: &Version) -> Option<Box<RawValue>> {
    RawValue::from_string(version.text.as_deref()?.to_owned()).ok()
}
