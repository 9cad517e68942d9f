//! What travels over the link. Each message is a JSON object with a `type`.

use policy::UnixMillis;
use policy::approval::{Fingerprint, Reference};
use serde::{Deserialize, Serialize};

use crate::Discovered;

/// One held call of one proxy: unique while that proxy runs, and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HoldId(pub u64);

/// From a proxy to its control plane.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum ProxyMessage {
    /// A call is held: open an approval for it, or join the one that its fingerprint has already. Said again for each hold that
    /// still waits when a link that was cut is up again.
    #[serde(rename = "approval.request")]
    ApprovalRequest(Box<ApprovalRequest>),
    /// A held call wants to go on: use the approval up for it. Answered by `approval.consumed`.
    #[serde(rename = "approval.consume")]
    ApprovalConsume {
        /// The hold that goes on.
        hold: HoldId,
        /// The approval it joined.
        reference: Reference,
    },
    /// A hold ended and its caller will repeat the call: the approval stays.
    #[serde(rename = "approval.detach")]
    ApprovalDetach {
        /// The hold that ended.
        hold: HoldId,
    },
    /// A hold ended because its caller left and must not be run for later: nobody waits for it any more.
    #[serde(rename = "approval.withdraw")]
    ApprovalWithdraw {
        /// The hold that ended.
        hold: HoldId,
    },
    /// Tools were seen that the policy in force does not list. Not answered.
    #[serde(rename = "discovered")]
    Discovered(Box<Discovered>),
}

impl ProxyMessage {
    /// The types of all of them.
    pub(crate) const TYPES: [&str; 5] =
        ["approval.request", "approval.consume", "approval.detach", "approval.withdraw", "discovered"];
}

impl ControlMessage {
    /// The types of all of them.
    pub(crate) const TYPES: [&str; 4] =
        ["approval.created", "approval.refused", "approval.decided", "approval.consumed"];
}

/// What a person needs to know to decide on a held call. Arguments and reasoning arrive masked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApprovalRequest {
    /// The hold that asks.
    pub hold: HoldId,
    /// The proxy's configured name.
    pub proxy: String,
    /// What the approval is about.
    pub fingerprint: Fingerprint,
    /// The organisation.
    pub org: String,
    /// The caller's id: it can never decide.
    pub caller: String,
    /// The backend, tool and further coordinates of the call.
    pub backend: String,
    /// The tool.
    pub tool: String,
    /// The tenant, if the call has one.
    pub tenant: Option<String>,
    /// The resource, if the call has one.
    pub resource: Option<String>,
    /// The method, if the call has one.
    pub method: Option<String>,
    /// The arguments as JSON text, masked.
    pub arguments: String,
    /// The agent's own words, masked.
    pub reasoning: Option<String>,
    /// The cascade level that asked for approval, such as `org/tool`.
    pub level: String,
    /// The rule that asked for approval, if it was one.
    pub rule: Option<String>,
    /// The rule's reason, if it has one.
    pub reason: Option<String>,
    /// The policy revision in force.
    pub policy: u64,
    /// Whether the tool's backend shows another definition of it than the accepted one.
    #[serde(default)]
    pub definition_changed: bool,
    /// Whether two different people must say yes.
    pub second_approval: bool,
    /// How long a decision is waited for, if the tool says so.
    pub timeout_seconds: Option<u64>,
    /// The approval that this hold has joined already, over a link that was cut: the hold hears what became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joined: Option<Reference>,
}

/// From a control plane to a proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum ControlMessage {
    /// The hold has an approval now: a new one, or one that it joined.
    #[serde(rename = "approval.created")]
    ApprovalCreated {
        /// The hold that asked.
        hold: HoldId,
        /// The approval.
        reference: Reference,
        /// When it expires undecided.
        expires_at_unix_ms: UnixMillis,
    },
    /// No approval could be opened.
    #[serde(rename = "approval.refused")]
    ApprovalRefused {
        /// The hold that asked.
        hold: HoldId,
        /// Why not.
        why: Refusal,
    },
    /// The hold's approval was decided, or ended without a decision.
    #[serde(rename = "approval.decided")]
    ApprovalDecided {
        /// The hold that waits.
        hold: HoldId,
        /// The approval.
        reference: Reference,
        /// What became of it.
        outcome: Outcome,
        /// The approver's note, if any.
        note: Option<String>,
    },
    /// The answer to `approval.consume`.
    #[serde(rename = "approval.consumed")]
    ApprovalConsumed {
        /// The hold that asked.
        hold: HoldId,
        /// The approval.
        reference: Reference,
        /// Whether this hold is the one call that the approval lets through.
        granted: bool,
    },
}

/// How an approval ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// People said yes.
    Approved,
    /// A person said no.
    Denied,
    /// Nobody decided in time.
    Expired,
    /// It was taken back before it was decided.
    Withdrawn,
}

/// Why no approval could be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The link belongs to another organisation or another proxy than the request names.
    Foreign,
    /// Nobody (or, for two-level approvals, too few different people) could decide it.
    NoApprover,
    /// Too many approvals are pending already.
    TooManyPending,
    /// The store could not be written.
    StoreFailed,
}
