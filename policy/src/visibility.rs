//! What a caller may see: a tool is hidden only if no call of it could be anything but disabled.
//!
//! Conditions, resources and methods are not known yet when tools are listed. The walk is the cascade's; where something
//! unknown could let a call through, the tool stays.

#[cfg(test)]
mod tests;

use crate::snapshot::{Key, Listed, Matches};
use crate::{Coordinates, Permission, Scope, Snapshot, Status};

/// What a level says of every call of a tool.
enum Said {
    /// Some call could get through here.
    Visible,
    /// Every call that comes this far ends here, disabled.
    Hidden,
    /// Some call could come past here, and none gets through.
    Nothing,
}

impl Snapshot {
    /// Whether some call of this tool, for this tenant, could be anything but `disabled`.
    #[must_use]
    pub fn may_be_called(&self, tool: &str, tenant: Option<&str>) -> bool {
        let tool = self.tools.matches(Some(tool));
        let listed = tool.exact.and_then(|symbol| self.listed(symbol));
        if listed.is_some_and(|listed| !listed.tool.enabled()) {
            return false;
        }
        let tenant = tenant.and_then(|tenant| self.tenants.exact(tenant)).map(|symbol| symbol.id);
        for (scope, coordinates) in self.walk.in_order(self.rules.levels) {
            let tenant = match (scope, tenant) {
                (Scope::Org, _) => 0,
                (Scope::Tenant, Some(tenant)) => tenant,
                (Scope::Tenant, None) => continue,
            };
            let said = match (coordinates, listed) {
                (Coordinates::Tag, Some(listed)) => self.tags_say(tenant, listed),
                (Coordinates::Tag, None) => Said::Nothing,
                _ => self.level_says(scope, coordinates, tenant, tool),
            };
            match said {
                Said::Visible => return true,
                Said::Hidden => return false,
                Said::Nothing => {}
            }
        }
        let fallback = listed.and_then(|listed| listed.tool.default_permission().or(listed.category_default));
        let approved = listed.is_some_and(|listed| listed.tool.status() == Status::Approved);
        approved && fallback.is_none() || fallback != Some(Permission::Disabled)
    }

    fn level_says(&self, scope: Scope, coordinates: Coordinates, tenant: u32, tool: Matches<'_>) -> Said {
        let tools = tool.ids().chain([0]).filter(|id| (*id != 0) == coordinates.names_tool());
        if coordinates.names_resource() || coordinates.names_method() {
            let level = self.walk.only(scope, coordinates);
            let mut tools = tools;
            let opens = tools.any(|tool| self.openings.has((tenant, tool), level));
            return if opens { Said::Visible } else { Said::Nothing };
        }
        for tool in tools {
            for rule in self.rules.at(Key::new(tenant, 0, tool, 0)) {
                if rule.permission != Permission::Disabled {
                    return Said::Visible;
                }
                if rule.when.is_none() {
                    return Said::Hidden;
                }
            }
        }
        Said::Nothing
    }

    /// Of the tag rules whose condition holds, the strictest decides: those without a condition always take part.
    fn tags_say(&self, tenant: u32, listed: &Listed) -> Said {
        let rules = || self.rules.of_tags(tenant, &listed.tags);
        let always = rules().filter(|rule| rule.when.is_none()).map(|rule| rule.permission).max();
        match always {
            Some(Permission::Disabled) => Said::Hidden,
            Some(Permission::Allowed | Permission::RequiresApproval) => Said::Visible,
            None if rules().any(|rule| rule.permission != Permission::Disabled) => Said::Visible,
            None => Said::Nothing,
        }
    }
}
