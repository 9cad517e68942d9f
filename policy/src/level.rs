//! The levels of the cascade: every place where a verdict can come from, and the order of the walk.

use std::fmt;

use serde::{Serialize, Serializer};

/// Where a verdict came from. Printed as in every record and metric: `tenant/resource+tool`, `fail-safe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// The gate: the tool is listed and switched off.
    ToolDisabled,
    /// A rule of one scope, of one set of coordinates.
    Rule(Scope, Coordinates),
    /// The tool's own default.
    ToolDefault,
    /// The default of the tool's category.
    CategoryDefault,
    /// The tool has been approved.
    ToolApproved,
    /// Nothing said anything.
    FailSafe,
}

/// Whose rules: those of the call's tenant, or those that name no tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Rules that name the call's tenant.
    Tenant,
    /// Rules that name no tenant.
    Org,
}

/// The dimensions that a rule names, besides the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coordinates {
    /// Resource, tool and method.
    ResourceToolMethod,
    /// Resource and tool.
    ResourceTool,
    /// Tool and method.
    ToolMethod,
    /// The tool alone.
    Tool,
    /// Resource and method.
    ResourceMethod,
    /// The resource alone.
    Resource,
    /// The method alone.
    Method,
    /// A tag that the tool carries.
    Tag,
    /// None: a wildcard.
    Any,
}

/// Which of the two published orders of this cascade is walked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precedence {
    /// What names the tool comes before what names the resource.
    #[default]
    ToolFirst,
    /// What names the resource comes before what names the tool.
    ResourceFirst,
}

/// The number of levels that hold rules, in one scope.
pub(crate) const LEVELS_PER_SCOPE: usize = 9;

impl Precedence {
    /// The coordinates of one scope, in the order in which they are looked at.
    #[must_use]
    pub const fn order(self) -> [Coordinates; LEVELS_PER_SCOPE] {
        use Coordinates::{
            Any, Method, Resource, ResourceMethod, ResourceTool, ResourceToolMethod, Tag, Tool, ToolMethod,
        };
        match self {
            Self::ToolFirst => [
                ResourceToolMethod,
                ResourceTool,
                ToolMethod,
                Tool,
                ResourceMethod,
                Resource,
                Method,
                Tag,
                Any,
            ],
            Self::ResourceFirst => [
                ResourceToolMethod,
                ResourceTool,
                ResourceMethod,
                Resource,
                ToolMethod,
                Tool,
                Method,
                Tag,
                Any,
            ],
        }
    }
}

impl Coordinates {
    /// The coordinates that name exactly these dimensions.
    #[must_use]
    pub const fn of(resource: bool, tool: bool, method: bool) -> Self {
        match (resource, tool, method) {
            (true, true, true) => Self::ResourceToolMethod,
            (true, true, false) => Self::ResourceTool,
            (false, true, true) => Self::ToolMethod,
            (false, true, false) => Self::Tool,
            (true, false, true) => Self::ResourceMethod,
            (true, false, false) => Self::Resource,
            (false, false, true) => Self::Method,
            (false, false, false) => Self::Any,
        }
    }

    /// Whether a resource is among them.
    #[must_use]
    pub const fn names_resource(self) -> bool {
        matches!(self, Self::ResourceToolMethod | Self::ResourceTool | Self::ResourceMethod | Self::Resource)
    }

    /// Whether a tool is among them.
    #[must_use]
    pub const fn names_tool(self) -> bool {
        matches!(self, Self::ResourceToolMethod | Self::ResourceTool | Self::ToolMethod | Self::Tool)
    }

    /// Whether a method is among them.
    #[must_use]
    pub const fn names_method(self) -> bool {
        matches!(self, Self::ResourceToolMethod | Self::ToolMethod | Self::ResourceMethod | Self::Method)
    }
}

impl Level {
    /// The level's name on the wire, in metrics and in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        use Coordinates::{
            Any, Method, Resource, ResourceMethod, ResourceTool, ResourceToolMethod, Tag, Tool, ToolMethod,
        };
        use Scope::{Org, Tenant};
        match self {
            Self::ToolDisabled => "gate/tool-disabled",
            Self::Rule(Tenant, ResourceToolMethod) => "tenant/resource+tool+method",
            Self::Rule(Tenant, ResourceTool) => "tenant/resource+tool",
            Self::Rule(Tenant, ToolMethod) => "tenant/tool+method",
            Self::Rule(Tenant, Tool) => "tenant/tool",
            Self::Rule(Tenant, ResourceMethod) => "tenant/resource+method",
            Self::Rule(Tenant, Resource) => "tenant/resource",
            Self::Rule(Tenant, Method) => "tenant/method",
            Self::Rule(Tenant, Tag) => "tenant/tag",
            Self::Rule(Tenant, Any) => "tenant/any",
            Self::Rule(Org, ResourceToolMethod) => "org/resource+tool+method",
            Self::Rule(Org, ResourceTool) => "org/resource+tool",
            Self::Rule(Org, ToolMethod) => "org/tool+method",
            Self::Rule(Org, Tool) => "org/tool",
            Self::Rule(Org, ResourceMethod) => "org/resource+method",
            Self::Rule(Org, Resource) => "org/resource",
            Self::Rule(Org, Method) => "org/method",
            Self::Rule(Org, Tag) => "org/tag",
            Self::Rule(Org, Any) => "org/any",
            Self::ToolDefault => "tool-default",
            Self::CategoryDefault => "category-default",
            Self::ToolApproved => "tool-approved",
            Self::FailSafe => "fail-safe",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Level {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
