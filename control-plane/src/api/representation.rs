//! Approvals as JSON.

use policy::UnixMillis;
use serde::Serialize;
use utoipa::ToSchema;

use crate::store::{Approval, Decision};

/// One approval. What the call lacks is left out.
#[derive(Serialize, ToSchema)]
#[schema(as = Approval)]
pub(super) struct ApprovalDocument {
    reference: String,
    fingerprint: String,
    state: &'static str,
    /// The level whose decision it waits for, while it is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<u8>,
    second_approval: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_by: Option<String>,
    org: String,
    proxy: String,
    caller: String,
    backend: String,
    tool: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    /// JSON text, masked, and cut if it was long.
    arguments: String,
    /// The tool is not what was accepted: its backend has changed it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    definition_changed: bool,
    /// The agent's own words: nobody checked them.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_reasoning: Option<String>,
    policy: PolicyDocument,
    #[schema(value_type = u64)]
    created_at_unix_ms: UnixMillis,
    #[schema(value_type = u64)]
    expires_at_unix_ms: UnixMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    decided_at_unix_ms: Option<UnixMillis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    lapses_at_unix_ms: Option<UnixMillis>,
    /// The note of the last decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// Only where one approval is shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    decisions: Option<Vec<DecisionDocument>>,
}

/// What asked for the approval.
#[derive(Serialize, ToSchema)]
#[schema(as = ApprovalPolicy)]
struct PolicyDocument {
    level: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    revision: u64,
}

/// One decision.
#[derive(Serialize, ToSchema)]
#[schema(as = Decision)]
pub(super) struct DecisionDocument {
    level: u8,
    person: String,
    decision: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[schema(value_type = u64)]
    at_unix_ms: UnixMillis,
    origin: String,
}

impl ApprovalDocument {
    pub(super) fn with(self, decisions: Vec<Decision>) -> Self {
        Self { decisions: Some(decisions.into_iter().map(DecisionDocument::from).collect()), ..self }
    }
}

impl From<Approval> for ApprovalDocument {
    fn from(approval: Approval) -> Self {
        Self {
            reference: approval.reference.to_string(),
            fingerprint: approval.fingerprint.to_string(),
            state: approval.state.as_str(),
            level: approval.level(),
            second_approval: approval.second_approval,
            first_by: approval.first_by.map(|id| id.to_string()),
            org: approval.org,
            proxy: approval.proxy,
            caller: approval.caller,
            backend: approval.backend,
            tool: approval.tool,
            tenant: approval.tenant,
            resource: approval.resource,
            method: approval.method,
            arguments: approval.arguments,
            definition_changed: approval.definition_changed,
            agent_reasoning: approval.reasoning,
            policy: PolicyDocument {
                level: approval.cascade_level,
                rule: approval.rule,
                reason: approval.reason,
                revision: approval.policy_revision,
            },
            created_at_unix_ms: approval.created_at,
            expires_at_unix_ms: approval.expires_at,
            decided_at_unix_ms: approval.decided_at,
            lapses_at_unix_ms: approval.lapses_at,
            note: approval.note,
            decisions: None,
        }
    }
}

impl From<Decision> for DecisionDocument {
    fn from(decision: Decision) -> Self {
        Self {
            level: decision.level,
            person: decision.person,
            decision: decision.decision,
            note: decision.note,
            at_unix_ms: decision.at,
            origin: decision.origin,
        }
    }
}
