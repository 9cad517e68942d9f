//! What can be said of a tool before any call of it: a list of tools hides it, or says what policy will do.
//!
//! Conditions, resources and methods are not known yet when tools are listed. The walk is the cascade's; whatever some
//! call could get is taken for possible.

#[cfg(test)]
mod tests;

use crate::cascade::Clamp;
use crate::snapshot::{Key, Listed, Matches};
use crate::{Coordinates, Definition, Permission, Scope, Snapshot, Status};

/// What policy will do with the calls of a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// Every call is allowed.
    Allowed,
    /// Every call waits for a person.
    RequiresApproval,
    /// No call gets through.
    Disabled,
    /// It depends on the call.
    Depends,
}

/// Whether a level is the last that any call comes to.
enum Level {
    /// Some call could come past it.
    Passed,
    /// Every call that comes this far is decided here.
    Last,
}

/// The permissions that calls of a tool could get, as far as the walk has come.
struct Possible {
    clamp: Clamp,
    allowed: bool,
    requires_approval: bool,
    disabled: bool,
}

impl Snapshot {
    /// Whether some call of this tool, for this tenant, could be anything but `disabled`.
    #[must_use]
    pub fn may_be_called(&self, tool: &str, tenant: Option<&str>) -> bool {
        self.outlook(tool, tenant, Definition::Accepted) != Outlook::Disabled
    }

    /// What policy will do with calls of this tool, for this tenant.
    #[must_use]
    pub fn outlook(&self, tool: &str, tenant: Option<&str>, definition: Definition) -> Outlook {
        let tool = self.tools.matches(Some(tool));
        let listed = tool.exact.and_then(|symbol| self.listed(symbol));
        if listed.is_some_and(|listed| !listed.tool.enabled()) {
            return Outlook::Disabled;
        }
        let mut possible = Possible::new(self.clamp(listed, definition));
        let tenant = tenant.and_then(|tenant| self.tenants.exact(tenant)).map(|symbol| symbol.id);
        for (scope, coordinates) in self.walk.in_order(self.rules.levels) {
            let tenant = match (scope, tenant) {
                (Scope::Org, _) => 0,
                (Scope::Tenant, Some(tenant)) => tenant,
                (Scope::Tenant, None) => continue,
            };
            let level = match (coordinates, listed) {
                (Coordinates::Tag, Some(listed)) => self.tags_say(tenant, listed, &mut possible),
                (Coordinates::Tag, None) => Level::Passed,
                _ => self.level_says(scope, coordinates, tenant, tool, &mut possible),
            };
            if matches!(level, Level::Last) {
                return possible.outlook();
            }
        }
        let of_tool = listed.and_then(|listed| listed.tool.default_permission());
        let approved = listed.is_some_and(|listed| listed.tool.status() == Status::Approved);
        let fallback = if approved { Permission::Allowed } else { Permission::RequiresApproval };
        let of_category = listed.and_then(|listed| listed.category_default);
        possible.add(of_tool.or(of_category).unwrap_or(fallback), of_tool.is_some());
        possible.outlook()
    }

    fn level_says(
        &self,
        scope: Scope,
        coordinates: Coordinates,
        tenant: u32,
        tool: Matches<'_>,
        possible: &mut Possible,
    ) -> Level {
        let exact = tool.exact.map(|symbol| symbol.id);
        let tools = tool.ids().chain([0]).filter(|id| (*id != 0) == coordinates.names_tool());
        if coordinates.names_resource() || coordinates.names_method() {
            let level = self.walk.only(scope, coordinates);
            for tool in tools {
                for permission in self.openings.at((tenant, tool), level) {
                    possible.add(permission, Some(tool) == exact);
                }
            }
            return Level::Passed;
        }
        for rule in tools.flat_map(|tool| self.rules.at(Key::new(tenant, 0, tool, 0))) {
            possible.add(rule.permission, rule.names_one_tool);
            if rule.when.is_none() {
                return Level::Last;
            }
        }
        Level::Passed
    }

    /// Of the tag rules whose condition holds, the strictest decides: those without a condition always take part.
    fn tags_say(&self, tenant: u32, listed: &Listed, possible: &mut Possible) -> Level {
        let rules = || self.rules.of_tags(tenant, &listed.tags);
        let always = rules().filter(|rule| rule.when.is_none()).map(|rule| rule.permission).max();
        for rule in rules().filter(|rule| rule.when.is_some()) {
            possible.add(always.map_or(rule.permission, |always| always.max(rule.permission)), false);
        }
        let Some(always) = always else { return Level::Passed };
        possible.add(always, false);
        Level::Last
    }
}

impl Possible {
    const fn new(clamp: Clamp) -> Self {
        Self { clamp, allowed: false, requires_approval: false, disabled: false }
    }

    const fn add(&mut self, permission: Permission, names_tool: bool) {
        match permission {
            Permission::Allowed if self.clamp.applies(names_tool) => self.requires_approval = true,
            Permission::Allowed => self.allowed = true,
            Permission::RequiresApproval => self.requires_approval = true,
            Permission::Disabled => self.disabled = true,
        }
    }

    const fn outlook(&self) -> Outlook {
        match (self.allowed, self.requires_approval, self.disabled) {
            (true, false, false) => Outlook::Allowed,
            (false, true, false) => Outlook::RequiresApproval,
            (false, false, _) => Outlook::Disabled,
            _ => Outlook::Depends,
        }
    }
}
