//! `tools/list` on its way to the caller: what is shown of the tools is noted, and the caller sees them as its listener
//! says: without those that policy disables for it, with a remark in each description, or as they come.

use std::sync::Arc;

use config::ListMode;
use policy::{Definition, Mode, Outlook, Snapshot};
use prometheus::IntCounter;
use protocol::mcp::Era;
use protocol::tools_list::{Caching, Choice, Edited, Tool, edit};

use crate::listings::Owed;
use crate::state::Shared;

/// What one caller may see of one backend's tools.
#[derive(Clone, Debug)]
pub(crate) struct Visible {
    pub(crate) shared: Arc<Shared>,
    pub(crate) backend: String,
    pub(crate) list: ListMode,
    pub(crate) tenant: Option<String>,
    pub(crate) era: Era,
    pub(crate) hidden: IntCounter,
    /// The list that this answer is expected to be.
    pub(crate) owed: Option<Arc<Owed>>,
}

impl Visible {
    /// One message of a backend, as this caller may see it by the policy now in force, if it is a list of tools; `None` if
    /// it goes on as it came. What it shows of tools is noted before it goes on.
    pub(crate) fn message(&self, message: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
        if !may_be_a_list(message) {
            return Ok(None);
        }
        let in_force = self.shared.in_force.load();
        let Some(policy) = &in_force.policy else { return Err("no-policy") };
        let snapshot = &policy.snapshot;
        // What is forwarded all the same must be seen all the same.
        let list = if snapshot.mode() == Mode::Observe { ListMode::Off } else { self.list };
        let mut sighting = self.shared.definitions.sighting(snapshot, &self.backend);
        let mut news = self.shared.discovery.news(snapshot, &self.backend);
        let choose = |tool: &Tool<'_>| {
            if let Some(owed) = &self.owed {
                owed.settle();
            }
            let definition = sighting.note(&tool.name, tool.definition);
            news.note(&tool.name, tool.definition);
            self.choice(list, snapshot, &tool.name, definition)
        };
        let edited = edit(message, self.caching(list), choose);
        if edited.is_ok() {
            sighting.keep(&self.shared.metrics);
            news.tell(&self.shared.metrics);
        }
        match edited {
            Ok(Edited::Untouched) => Ok(None),
            Ok(Edited::Rewritten { body, removed }) => {
                self.hidden.inc_by(removed.try_into().unwrap_or(u64::MAX));
                Ok(Some(body))
            }
            Err(_) if self.list == ListMode::Off && !snapshot.has_pins() => Ok(None),
            Err(error) => Err(error.name()),
        }
    }

    /// Whether a list may go on that nobody can look into: nothing is hidden, and no tool is pinned.
    pub(crate) fn may_pass_unread(&self) -> bool {
        let in_force = self.shared.in_force.load();
        self.list == ListMode::Off
            && in_force.policy.as_ref().is_some_and(|policy| !policy.snapshot.has_pins())
    }

    fn choice(&self, list: ListMode, snapshot: &Snapshot, tool: &str, definition: Definition) -> Choice {
        let outlook = || snapshot.outlook(tool, self.tenant.as_deref(), definition);
        match list {
            ListMode::Filter if outlook() == Outlook::Disabled => Choice::Remove,
            ListMode::Filter | ListMode::Off => Choice::Keep,
            ListMode::Annotate => Choice::Annotate(remark(outlook(), definition)),
        }
    }

    /// A list that was made for one caller is no other's, and must be made anew when the policy changes.
    fn caching(&self, list: ListMode) -> Caching {
        match (self.era, list) {
            (Era::Legacy, _) | (_, ListMode::Off) => Caching::AsListed,
            (Era::Modern, ListMode::Filter | ListMode::Annotate) => {
                Caching::Private { ttl_max_ms: self.shared.settings.limits.max_list_ttl_ms }
            }
        }
    }
}

/// What a description says of what policy will do.
const fn remark(outlook: Outlook, definition: Definition) -> &'static str {
    match (outlook, definition) {
        (Outlook::Allowed, _) => "[Oakgate: allowed]",
        (Outlook::RequiresApproval, Definition::Accepted) => "[Oakgate: needs a person's approval]",
        (Outlook::RequiresApproval, Definition::Changed(_) | Definition::Unknown) => {
            "[Oakgate: needs a person's approval, as this tool has changed]"
        }
        (Outlook::Disabled, _) => "[Oakgate: disabled, calls are refused]",
        (Outlook::Depends, _) => "[Oakgate: allowed, held for approval or refused, depending on the call]",
    }
}

/// Without the key `tools`, plain or with an escape in it, a message is no list, and need not be read strictly.
fn may_be_a_list(message: &[u8]) -> bool {
    let has = |needle: &[u8]| message.windows(needle.len()).any(|window| window == needle);
    has(b"tools") || has(b"\\u")
}
