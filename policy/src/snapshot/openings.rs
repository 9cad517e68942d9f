//! Where a rule on some resource or method lets calls of a tool through: what a list of tools must not hide.

use hashbrown::HashMap;

use super::levels::Levels;
use crate::Permission;

/// For each tenant (or zero) and tool (an exact name, a pattern, or zero): the levels naming a resource or a method
/// that hold a rule which does not disable.
#[derive(Debug, Default)]
pub(crate) struct Openings(HashMap<(u32, u32), Levels>);

impl Openings {
    pub(super) fn add(&mut self, tenant_and_tool: (u32, u32), level: Levels, permission: Permission) {
        if permission != Permission::Disabled {
            let levels = self.0.entry(tenant_and_tool).or_default();
            *levels = levels.or(level);
        }
    }

    /// Whether such a rule stands at this level.
    pub(crate) fn has(&self, tenant_and_tool: (u32, u32), level: Levels) -> bool {
        self.0.get(&tenant_and_tool).is_some_and(|levels| levels.overlaps(level))
    }
}
