//! Drafts as JSON. What a draft is stands apart from what its backend says of it.

use policy::UnixMillis;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store::Draft;

/// A tool that was seen and that the policy does not list.
#[derive(Serialize, ToSchema)]
#[schema(as = Draft)]
pub(in crate::api) struct DraftDocument {
    name: String,
    /// `draft`, `accepted` or `rejected`.
    state: &'static str,
    backend: String,
    proxy: String,
    /// `list` (its backend lists it), or `call` (a caller named it, and its backend has shown no list).
    seen_in: String,
    /// What holds where no rule says anything: `requires_approval`.
    default: &'static str,
    /// What is supposed of it until somebody knows better.
    annotations: Supposed,
    /// Nobody checked a word of it.
    backend_says: BackendSays,
    #[schema(value_type = u64)]
    first_seen_at_unix_ms: UnixMillis,
    #[schema(value_type = u64)]
    last_seen_at_unix_ms: UnixMillis,
    /// Who accepted or rejected it.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    decided_at_unix_ms: Option<UnixMillis>,
}

/// A draft that was accepted or rejected.
#[derive(Serialize, ToSchema)]
#[schema(as = DraftDecided)]
pub(in crate::api) struct DecidedDocument {
    pub(super) draft: DraftDocument,
    /// The revision of the policy that lists the tool, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revision: Option<u64>,
}

/// The worst that a tool can be.
#[derive(Serialize, ToSchema)]
#[schema(as = DraftAnnotations)]
struct Supposed {
    read_only: bool,
    destructive: bool,
    idempotent: bool,
    open_world: bool,
}

/// What the backend said of the tool when it first listed it, bounded; what would not show as itself is replaced.
#[derive(Serialize, ToSchema)]
#[schema(as = DraftBackendSays)]
struct BackendSays {
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<Hints>,
    /// JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    input_schema: Option<String>,
    /// What pins this definition.
    #[serde(skip_serializing_if = "Option::is_none")]
    definition_sha256: Option<String>,
}

/// MCP's annotations, those that the backend gives.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = DraftHints)]
struct Hints {
    #[serde(skip_serializing_if = "Option::is_none")]
    read_only: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destructive: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotent: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_world: Option<bool>,
}

impl From<Draft> for DraftDocument {
    fn from(draft: Draft) -> Self {
        Self {
            name: draft.name,
            state: draft.state.as_str(),
            backend: draft.backend,
            proxy: draft.proxy,
            seen_in: draft.seen_in,
            default: "requires_approval",
            annotations: Supposed {
                read_only: false,
                destructive: true,
                idempotent: false,
                open_world: true,
            },
            backend_says: BackendSays {
                description: draft.description,
                annotations: draft.annotations.and_then(|json| serde_json::from_str(&json).ok()),
                input_schema: draft.input_schema,
                definition_sha256: draft.definition_sha256,
            },
            first_seen_at_unix_ms: draft.first_seen_at,
            last_seen_at_unix_ms: draft.last_seen_at,
            decided_by: draft.decided_by,
            decided_at_unix_ms: draft.decided_at,
        }
    }
}
