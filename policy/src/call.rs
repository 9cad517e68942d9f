//! A tool call as policy sees it, whatever protocol it came over.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::DefinitionDigest;

/// Who is calling: known from a credential, never from the call itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Caller {
    /// The credential's id (never the credential).
    pub id: String,
    /// What kind of credential it is.
    pub kind: CallerKind,
    /// Claims of a verified token; empty for API keys.
    pub claims: Map<String, Value>,
}

/// The kinds of callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallerKind {
    /// A program that runs calls.
    Standard,
    /// One agent's identity: may ask, may never decide.
    Agent,
    /// Nobody in particular: a listener without authentication.
    Anonymous,
}

impl CallerKind {
    /// The word used in conditions, records and documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Agent => "agent",
            Self::Anonymous => "anonymous",
        }
    }
}

/// One tool call. A dimension that the call lacks is `None`; the empty string is a value like another.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The backend that it goes to.
    pub backend: &'a str,
    /// The tool's name, compared byte for byte.
    pub tool: &'a str,
    /// The tenant, from the caller's credential.
    pub tenant: Option<&'a str>,
    /// The resource it touches.
    pub resource: Option<&'a str>,
    /// The method it uses on the resource.
    pub method: Option<&'a str>,
    /// The tool's arguments: the JSON text of one object, as it came (`{}` if there were none).
    pub arguments: &'a str,
    /// What else it carries.
    pub unread: Unread<'a>,
    /// Who is calling.
    pub caller: &'a Caller,
    /// The agent's own words on why it calls.
    pub reasoning: Option<&'a str>,
    /// What its backend has shown of the tool.
    pub definition: Definition,
}

/// What a call carries beside its arguments. No rule sees into it, but an approval is about these very bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unread<'a> {
    /// Nothing.
    #[default]
    Nothing,
    /// A body that gave no arguments.
    Body(&'a [u8]),
    /// The call goes on after the tool asked something (MCP 2026-07-28, multi-round-trip requests).
    Answers {
        /// JSON text of the answers, `inputResponses`.
        answers: Option<&'a str>,
        /// JSON text of what the tool wants to be reminded of, `requestState`.
        state: Option<&'a str>,
    },
}

/// What a backend has shown of a tool, beside the definition that the policy pins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Definition {
    /// Nothing that differs from what was accepted, or the policy pins no definition of the tool.
    #[default]
    Accepted,
    /// Another definition than the accepted one: the tool is a draft until someone accepts it.
    Changed(DefinitionDigest),
    /// It can't be told: the tool is a draft too.
    Unknown,
}
