//! `tools/list` on its way to the caller: tools that policy disables for this caller are taken out.

use std::sync::Arc;

use policy::Mode;
use prometheus::IntCounter;
use protocol::mcp::Era;
use protocol::tools_list::{Filtered, Tool, filter};

use crate::state::Shared;

/// Which tools one caller may see.
#[derive(Clone, Debug)]
pub(crate) struct Visible {
    pub(crate) shared: Arc<Shared>,
    pub(crate) tenant: Option<String>,
    pub(crate) era: Era,
    pub(crate) hidden: IntCounter,
}

impl Visible {
    /// One message of a backend, filtered by the policy now in force if it is a list of tools. A tool goes if no call of
    /// it by this caller could be anything but disabled.
    pub(crate) fn message(&self, message: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
        if !may_be_a_list(message) {
            return Ok(None);
        }
        let in_force = self.shared.in_force.load();
        let Some(policy) = &in_force.policy else { return Err("no-policy") };
        if policy.snapshot.mode() == Mode::Observe {
            // What is forwarded all the same must be seen all the same.
            return Ok(None);
        }
        let keep = |tool: &Tool<'_>| policy.snapshot.may_be_called(&tool.name, self.tenant.as_deref());
        match filter(message, self.era, keep) {
            Ok(Filtered::Untouched) => Ok(None),
            Ok(Filtered::Rewritten { body, removed }) => {
                self.hidden.inc_by(removed.try_into().unwrap_or(u64::MAX));
                Ok(Some(body))
            }
            Err(error) => Err(error.name()),
        }
    }
}

/// Without the key `tools`, plain or with an escape in it, a message is no list, and need not be read strictly.
fn may_be_a_list(message: &[u8]) -> bool {
    let has = |needle: &[u8]| message.windows(needle.len()).any(|window| window == needle);
    has(b"tools") || has(b"\\u")
}
