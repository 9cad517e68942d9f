//! What rules on some resource or method say of a tool: what must be known of it when tools are listed, before any call.

use hashbrown::HashMap;

use super::levels::Levels;
use crate::Permission;

/// For each tenant (or zero) and tool (an exact name, a pattern, or zero): the levels naming a resource or a method
/// that hold a rule of each permission.
#[derive(Debug, Default)]
pub(crate) struct Openings(HashMap<(u32, u32), OfPermissions>);

/// Levels that hold a rule of each permission.
#[derive(Clone, Copy, Debug, Default)]
struct OfPermissions {
    allowed: Levels,
    requires_approval: Levels,
    disabled: Levels,
}

impl Openings {
    pub(super) fn add(&mut self, tenant_and_tool: (u32, u32), level: Levels, permission: Permission) {
        let of = self.0.entry(tenant_and_tool).or_default();
        let levels = match permission {
            Permission::Allowed => &mut of.allowed,
            Permission::RequiresApproval => &mut of.requires_approval,
            Permission::Disabled => &mut of.disabled,
        };
        *levels = levels.or(level);
    }

    /// The permissions of the rules that stand at this level, each once.
    pub(crate) fn at(&self, tenant_and_tool: (u32, u32), level: Levels) -> impl Iterator<Item = Permission> {
        let of = self.0.get(&tenant_and_tool).copied().unwrap_or_default();
        [
            (Permission::Allowed, of.allowed),
            (Permission::RequiresApproval, of.requires_approval),
            (Permission::Disabled, of.disabled),
        ]
        .into_iter()
        .filter_map(move |(permission, levels)| levels.overlaps(level).then_some(permission))
    }
}
