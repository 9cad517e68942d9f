//! A tool as the policy lists it.

use std::sync::Arc;

use serde::Serialize;

use crate::{DefinitionDigest, InputSchema, Permission};

/// A listed tool: what the cascade, the approvals and the checks of arguments need to know of it.
#[derive(Clone, Debug)]
pub struct Tool {
    pub(crate) name: Arc<str>,
    pub(crate) category: Option<Arc<str>>,
    pub(crate) status: Status,
    pub(crate) enabled: bool,
    pub(crate) default: Option<Permission>,
    pub(crate) tags: Box<[Arc<str>]>,
    pub(crate) annotations: Annotations,
    pub(crate) second_approval: bool,
    pub(crate) approval_timeout_seconds: Option<u32>,
    pub(crate) reasoning: Reasoning,
    pub(crate) input_schema: Option<Arc<InputSchema>>,
    pub(crate) definition_sha256: Option<DefinitionDigest>,
}

/// How far a tool has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Seen, but accepted by nobody: it is never allowed by a rule that does not name it.
    Draft,
    /// Accepted.
    #[default]
    Registered,
    /// Accepted, and allowed where no rule says otherwise.
    Approved,
}

/// Whether the caller must say why it calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reasoning {
    /// Not asked for.
    #[default]
    None,
    /// Asked for.
    Soft,
    /// A call without it is refused.
    Hard,
}

/// What the tool's author says of it, after MCP's tool annotations. Absent is not the same as false.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Annotations {
    /// It changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// It may destroy something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destructive: Option<bool>,
    /// Calling it again changes nothing more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
    /// It deals with a world outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_world: Option<bool>,
}

impl Tool {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The category that it is in.
    #[must_use]
    pub fn category(&self) -> Option<&str> {
        self.category.as_deref()
    }

    /// How far it has come.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// Whether it is switched on.
    #[must_use]
    pub const fn enabled(&self) -> bool {
        self.enabled
    }

    /// What holds where no rule says anything.
    #[must_use]
    pub const fn default_permission(&self) -> Option<Permission> {
        self.default
    }

    /// Its tags, each once.
    #[must_use]
    pub const fn tags(&self) -> &[Arc<str>] {
        &self.tags
    }

    /// What its author says of it.
    #[must_use]
    pub const fn annotations(&self) -> Annotations {
        self.annotations
    }

    /// Whether an approval of it needs a second person.
    #[must_use]
    pub const fn second_approval(&self) -> bool {
        self.second_approval
    }

    /// How long an approval of it waits for a decision.
    #[must_use]
    pub const fn approval_timeout_seconds(&self) -> Option<u32> {
        self.approval_timeout_seconds
    }

    /// Whether the caller must say why.
    #[must_use]
    pub const fn reasoning(&self) -> Reasoning {
        self.reasoning
    }

    /// The JSON Schema (2020-12) of its arguments.
    #[must_use]
    pub const fn input_schema(&self) -> Option<&Arc<InputSchema>> {
        self.input_schema.as_ref()
    }

    /// SHA-256 of its definition when it was accepted.
    #[must_use]
    pub const fn definition_sha256(&self) -> Option<DefinitionDigest> {
        self.definition_sha256
    }
}
