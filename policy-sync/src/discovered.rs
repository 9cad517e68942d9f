//! Tools that a proxy saw and its policy does not list.

use serde::{Deserialize, Serialize};

/// Longest name of a tool that is reported, in bytes.
pub const TOOL_NAME_BYTES_MAX: usize = 256;

/// Tools of one backend that the policy in force does not list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discovered {
    /// The proxy's configured name.
    pub proxy: String,
    /// The organisation.
    pub org: String,
    /// The backend that has them, or was asked for them.
    pub backend: String,
    /// The tools.
    pub tools: Vec<SeenTool>,
}

/// One tool, as its backend describes it. Nobody has checked a word of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenTool {
    /// At most [`TOOL_NAME_BYTES_MAX`] bytes.
    pub name: String,
    /// Where it was seen.
    pub seen: SeenIn,
    /// What its backend says of it; absent if only a caller has named it so far, or if it is too long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What its backend says of what it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Hints>,
    /// JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<String>,
    /// What would pin this definition; absent if it has no canonical form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition_sha256: Option<String>,
}

/// Where a tool was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeenIn {
    /// Its backend listed it.
    List,
    /// A caller called it, and its backend has shown no list so far.
    Call,
}

/// MCP's tool annotations, as far as a policy knows them. Absent is not the same as false.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hints {
    /// It changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// It may destroy something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destructive: Option<bool>,
    /// Calling it again changes nothing more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
    /// It deals with a world outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_world: Option<bool>,
}
