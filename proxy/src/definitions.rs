//! What backends show of their tools: every list that passes is looked at, and a tool whose definition is not the one that
//! the policy pins is a draft again.
//!
//! A change stays: a backend that shows the accepted definition to one caller and another one to the next does not get out
//! of it. It ends when the policy pins what was shown, when a list passes while the policy pins nothing of the tool, or
//! when the proxy starts anew. Calls read without a lock, and only of tools that are pinned.

mod report;
mod version;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use config::Limits;
use policy::{Call, Definition, DefinitionDigest, Snapshot};

use self::version::{Seen, Version};
use crate::metrics::Metrics;

/// A longer name can't be a tool's in any policy.
const NAME_BYTES_MAX: usize = policy::document::NAME_BYTES_MAX;

/// What backends have shown.
#[derive(Debug)]
pub(crate) struct Definitions {
    shown: ArcSwap<Shown>,
    /// Held by whoever makes the next `shown`.
    writing: Mutex<()>,
    tools_max: usize,
    bytes_max: u64,
}

/// One state of it, never changed.
#[derive(Clone, Debug, Default)]
struct Shown {
    backends: HashMap<String, Arc<Tools>>,
    tools: usize,
    bytes: u64,
    /// There was no room for a tool that is pinned: of pinned tools that are not here, nothing is known.
    is_full_of_pins: bool,
}

type Tools = HashMap<Arc<str>, Arc<Seen>>;

/// Whether a backend lists a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    /// It has shown no list so far.
    NoList,
    /// Not in any list that it has shown.
    NotThere,
    /// With its definition (JSON text), unless that was too long to keep.
    There(Option<Arc<str>>),
}

/// One list of tools on its way.
#[derive(Debug)]
pub(crate) struct Sighting<'a> {
    definitions: &'a Definitions,
    snapshot: &'a Snapshot,
    backend: &'a str,
    before: Arc<Shown>,
    new: Vec<(String, Version)>,
}

impl Definitions {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            shown: ArcSwap::default(),
            writing: Mutex::default(),
            tools_max: usize::try_from(limits.max_tool_definitions).unwrap_or(usize::MAX),
            bytes_max: limits.max_tool_definitions_bytes,
        }
    }

    /// The call, with what its backend has shown of the tool beside this policy.
    pub(crate) fn beside<'c>(&self, snapshot: &Snapshot, call: &Call<'c>) -> Call<'c> {
        Call { definition: self.of(snapshot, call.backend, call.tool), ..*call }
    }

    /// What a backend has shown of a tool, beside this policy.
    pub(crate) fn of(&self, snapshot: &Snapshot, backend: &str, tool: &str) -> Definition {
        match snapshot.pin(tool) {
            None => Definition::Accepted,
            Some(pin) => self.shown.load().beside(backend, tool, pin),
        }
    }

    /// What any backend has shown of a tool, beside this policy.
    pub(crate) fn of_any(&self, snapshot: &Snapshot, tool: &str) -> Definition {
        let shown = self.shown.load();
        let Some(pin) = snapshot.pin(tool) else { return Definition::Accepted };
        let of = |backend: &String| shown.beside(backend, tool, pin);
        let changed = shown.backends.keys().map(of).find(|definition| *definition != Definition::Accepted);
        changed.unwrap_or_default()
    }

    /// Whether a backend has shown a tool.
    pub(crate) fn listed(&self, backend: &str, tool: &str) -> Listed {
        match self.shown.load().backends.get(backend) {
            None => Listed::NoList,
            Some(tools) => tools
                .get(tool)
                .map_or(Listed::NotThere, |seen| Listed::There(seen.last().text.as_ref().map(Arc::clone))),
        }
    }

    /// A list that a backend shows.
    pub(crate) fn sighting<'a>(&'a self, snapshot: &'a Snapshot, backend: &'a str) -> Sighting<'a> {
        let before = self.shown.load_full();
        Sighting { definitions: self, snapshot, backend, before, new: Vec::new() }
    }
}

impl Shown {
    fn tool(&self, backend: &str, tool: &str) -> Option<&Arc<Seen>> {
        self.backends.get(backend)?.get(tool)
    }

    fn beside(&self, backend: &str, tool: &str, pin: DefinitionDigest) -> Definition {
        match self.tool(backend, tool) {
            Some(seen) => seen.beside(pin),
            None if self.is_full_of_pins => Definition::Unknown,
            None => Definition::Accepted,
        }
    }

    /// How many pinned tools no backend has a place for here.
    fn unknown_count(&self, snapshot: &Snapshot) -> usize {
        let is_known = |tool: &str| self.backends.values().any(|tools| tools.contains_key(tool));
        snapshot.tools().filter(|tool| tool.definition_sha256().is_some() && !is_known(tool.name())).count()
    }
}

impl Sighting<'_> {
    /// Notes one tool of the list, and says what it is beside the policy.
    pub(crate) fn note(&mut self, tool: &str, definition: &str) -> Definition {
        if tool.len() > NAME_BYTES_MAX {
            return Definition::Accepted;
        }
        let version = Version::read(definition);
        let pin = self.snapshot.pin(tool);
        let before = self.before.tool(self.backend, tool);
        let (beside, is_new) = match Seen::after(before.map(AsRef::as_ref), &version, pin) {
            Some(seen) => (pin.map(|pin| seen.beside(pin)), true),
            None => (before.zip(pin).map(|(seen, pin)| seen.beside(pin)), false),
        };
        if is_new {
            self.new.push((tool.to_owned(), version));
        }
        beside.unwrap_or_default()
    }

    /// Keeps what is new in the list. From here on calls are decided by it.
    pub(crate) fn keep(self, metrics: &Metrics) {
        if self.new.is_empty() {
            return;
        }
        let _writing = self.definitions.writing.lock().unwrap_or_else(PoisonError::into_inner);
        // Another list may have been quicker.
        let mut shown = Shown::clone(&self.definitions.shown.load());
        for (tool, version) in self.new {
            let pin = self.snapshot.pin(&tool);
            let before = shown.tool(self.backend, &tool).cloned();
            let Some(seen) = Seen::after(before.as_deref(), &version, pin) else { continue };
            if let (Some(pin), Some(changed)) = (pin, seen.newly_changed(before.as_deref())) {
                metrics.definitions.changes.with_label_values(&[self.backend]).inc();
                tracing::warn!(
                    backend = self.backend,
                    tool,
                    accepted = %pin,
                    shown = %changed,
                    "a tool's definition is not the accepted one: it is a draft until somebody accepts it"
                );
            }
            let kept = shown.keep(self.definitions, (self.snapshot, self.backend), tool, seen);
            let limit = match kept {
                Kept::Whole => continue,
                Kept::NoPlace => "max_tool_definitions",
                Kept::NoText => "max_tool_definitions_bytes",
            };
            metrics.limits_reached.with_label_values(&[limit]).inc();
        }
        self.definitions.shown.store(Arc::new(shown));
    }
}

/// Whether there was room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Whole,
    /// For the tool.
    NoPlace,
    /// For the text of its definition.
    NoText,
}

impl Shown {
    fn keep(
        &mut self,
        limits: &Definitions,
        (snapshot, backend): (&Snapshot, &str),
        tool: String,
        mut seen: Seen,
    ) -> Kept {
        let before_bytes = self.tool(backend, &tool).map(|seen| seen.bytes());
        if before_bytes.is_none() && self.tools >= limits.tools_max {
            let is_pinned = snapshot.pin(&tool).is_some();
            if !is_pinned || !self.give_up_one(snapshot) {
                self.is_full_of_pins |= is_pinned;
                return Kept::NoPlace;
            }
        }
        let others_bytes = self.bytes.saturating_sub(before_bytes.unwrap_or(0));
        let fits = others_bytes.saturating_add(seen.bytes()) <= limits.bytes_max;
        if !fits {
            seen = seen.without_texts();
        }
        self.bytes = others_bytes.saturating_add(seen.bytes());
        self.tools = self.tools.saturating_add(usize::from(before_bytes.is_none()));
        let tools = self.backends.entry(backend.to_owned()).or_default();
        Arc::make_mut(tools).insert(tool.into(), Arc::new(seen));
        if fits { Kept::Whole } else { Kept::NoText }
    }

    /// Forgets a tool that is not pinned, for one that is. False if there is none.
    fn give_up_one(&mut self, snapshot: &Snapshot) -> bool {
        for tools in self.backends.values_mut() {
            let unpinned = tools.keys().find(|tool| snapshot.pin(tool).is_none()).cloned();
            if let Some(seen) = unpinned.and_then(|tool| Arc::make_mut(tools).remove(&tool)) {
                self.bytes = self.bytes.saturating_sub(seen.bytes());
                self.tools = self.tools.saturating_sub(1);
                return true;
            }
        }
        false
    }
}
