//! Every way a request is refused, and the one table from each to the wire.

use policy::approval::{NotCanonical, Reference};
use policy::{Denial, WrongArguments};
use protocol::malformed::Malformed;
use protocol::mcp::HeaderMismatch;
use protocol::pointer::NotText;
use protocol::rest::RestRefused;

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("approval {reference} was denied{}", note_text(.note.as_ref()))]
    ApprovalDenied { reference: Reference, note: Option<String> },
    #[error("approval {reference} expired before anybody decided")]
    ApprovalExpired { reference: Reference },
    #[error("it waits for approval {reference}")]
    ApprovalPending { reference: Reference },
    #[error("the approval's store could not be written")]
    ApprovalStoreFailed,
    #[error("approval {reference} was used by an identical call")]
    ApprovalUsed { reference: Reference },
    #[error("approval {reference} was withdrawn")]
    ApprovalWithdrawn { reference: Reference },
    #[error("it needs approval, and approvals can't be reached just now")]
    ApprovalsUnavailable,
    #[error("its arguments are not what the tool takes, so nobody was asked to approve it: {0}")]
    ArgumentsInvalid(WrongArguments),
    #[error("it needs approval, and no approval can be asked for: {0}")]
    ArgumentsNotCanonical(NotCanonical),
    #[error("the audit record could not be written")]
    AuditFailed,
    #[error("the backend `{backend}` failed after the call was sent to it")]
    BackendBroken { backend: String },
    #[error("the backend `{backend}` answered with status {status} and no message")]
    BackendNoMessage { backend: String, status: u16 },
    #[error("the backend `{backend}` did not answer in time")]
    BackendTimeout { backend: String },
    #[error("the backend `{backend}` could not be reached")]
    BackendUnreachable { backend: String },
    #[error("the header `{header}`, which policy decides on, is not one line of text")]
    BadDimensionHeader { header: String },
    #[error("this address does not answer to that host name; add it to the listener's `hosts`")]
    BadHost,
    #[error("pages of that origin may not call this address; add it to the listener's `origins`")]
    BadOrigin,
    #[error("`Oakgate-Tenant` is not one line of text")]
    BadTenant,
    #[error("too many request bodies are waiting")]
    BodiesFull,
    #[error("the body did not arrive in time")]
    BodyTimeout,
    #[error("the body is larger than {max_bytes} bytes")]
    BodyTooLarge { max_bytes: u32 },
    #[error("the body did not arrive whole")]
    BodyUnreadable,
    #[error("the caller took the call back")]
    Cancelled,
    #[error("compressed bodies are not accepted; send it as it is")]
    Compressed,
    #[error("tool, resource, method and tenant together are longer than {max_bytes} bytes")]
    CoordinatesTooLong { max_bytes: usize },
    #[error("policy does not allow it{}", reason_text(.0))]
    Denied(Box<Denial>),
    #[error("this proxy is stopping")]
    Draining,
    #[error("that key has expired")]
    ExpiredCredential,
    #[error("{0}")]
    HeaderMismatch(HeaderMismatch),
    #[error("Unknown tool: {tool}")]
    Hidden { tool: String },
    #[error("the backend's list of tools can't be read: {why}")]
    ListUnreadable { why: &'static str },
    #[error("{0}")]
    Malformed(Malformed),
    #[error("that HTTP method is not used here")]
    MethodNotAllowed,
    #[error("it needs approval, and nobody can give it")]
    NoApprover,
    #[error("nothing is served at that path")]
    NoBackend,
    #[error("a key is needed, in `X-API-Key` or `Authorization: Bearer`")]
    NoCredential,
    #[error("no policy is in force")]
    NoPolicy,
    #[error("{0}")]
    NotText(NotText),
    #[error("the header `{header}` would make another call of it")]
    Override { header: &'static str },
    #[error("the receipt could not be made")]
    ReceiptFailed,
    #[error("{0}")]
    Rest(RestRefused),
    #[error("this caller has asked for too many approvals in this minute")]
    TooManyApprovals,
    #[error("this caller has too many calls under way")]
    TooManyCalls,
    #[error("this caller, or all of them together, have too many calls waiting for approval")]
    TooManyHolds,
    #[error("too many approvals are pending")]
    TooManyPending,
    #[error("that key is not known here")]
    UnknownCredential,
    #[error("Method not found: {method}")]
    UnknownMethod { method: String },
}

/// How a refusal looks on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wire {
    /// The reason's stable name: metric label, audit reason, problem code.
    pub(crate) name: &'static str,
    /// The HTTP status, where MCP does not say otherwise.
    pub(crate) status: u16,
    /// What an MCP client gets.
    pub(crate) mcp: Mcp,
    pub(crate) retry: Retry,
}

/// What an MCP client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mcp {
    /// A tool result with `isError`; for other methods than `tools/call`, an error with [`REFUSED`].
    Result,
    /// A JSON-RPC error with this code.
    Error(i32),
    /// Nothing of its own: the HTTP status says it all.
    Http,
}

/// Whether and when to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    Never,
    Later {
        seconds: u32,
    },
    SameCall {
        seconds: u32,
    },
    /// It may have been executed.
    Unknown,
}

/// JSON-RPC code of a refusal by policy, outside the ranges that JSON-RPC and MCP reserve.
pub(crate) const REFUSED: i32 = -31_403;
const INTERNAL: i32 = -32_603;
const INVALID_PARAMS: i32 = -32_602;
const METHOD_NOT_FOUND: i32 = -32_601;

impl Refusal {
    pub(crate) const fn name(&self) -> &'static str {
        self.wire().name
    }

    /// The one table from reason to wire.
    pub(crate) const fn wire(&self) -> Wire {
        let later = Retry::Later { seconds: 5 };
        let minute = Retry::Later { seconds: 60 };
        let repeat = Retry::SameCall { seconds: 5 };
        let never = Retry::Never;
        let (name, status, mcp, retry) = match self {
            Self::ApprovalDenied { .. } => ("approval-denied", 403, Mcp::Result, never),
            Self::ApprovalExpired { .. } => ("approval-expired", 403, Mcp::Result, repeat),
            Self::ApprovalPending { .. } => ("approval-pending", 202, Mcp::Result, repeat),
            Self::ApprovalStoreFailed => ("approval-store-failed", 503, Mcp::Result, later),
            Self::ApprovalUsed { .. } => ("approval-used", 409, Mcp::Result, never),
            Self::ApprovalWithdrawn { .. } => ("approval-withdrawn", 403, Mcp::Result, repeat),
            Self::ApprovalsUnavailable => ("approvals-unavailable", 503, Mcp::Result, later),
            Self::ArgumentsInvalid(_) => ("arguments-invalid", 422, Mcp::Result, never),
            Self::ArgumentsNotCanonical(_) => ("arguments-not-canonical", 422, Mcp::Result, never),
            Self::AuditFailed => ("audit-failed", 503, Mcp::Result, later),
            Self::BackendBroken { .. } => ("backend-broken", 502, Mcp::Result, Retry::Unknown),
            Self::BackendNoMessage { .. } => ("backend-no-message", 502, Mcp::Result, Retry::Unknown),
            Self::BackendTimeout { .. } => ("backend-timeout", 504, Mcp::Result, Retry::Unknown),
            Self::BackendUnreachable { .. } => ("backend-unreachable", 502, Mcp::Result, later),
            Self::BadDimensionHeader { .. } => {
                ("bad-dimension-header", 400, Mcp::Error(INVALID_PARAMS), never)
            }
            Self::BadHost => ("bad-host", 403, Mcp::Http, never),
            Self::BadOrigin => ("bad-origin", 403, Mcp::Http, never),
            Self::BadTenant => ("bad-tenant", 400, Mcp::Http, never),
            Self::BodiesFull => ("bodies-full", 503, Mcp::Http, later),
            Self::BodyTimeout => ("body-timeout", 408, Mcp::Http, later),
            Self::BodyTooLarge { .. } => ("body-too-large", 413, Mcp::Http, never),
            Self::BodyUnreadable => ("body-unreadable", 400, Mcp::Http, never),
            Self::Cancelled => ("cancelled", 409, Mcp::Result, never),
            Self::Compressed => ("compressed", 415, Mcp::Http, never),
            Self::CoordinatesTooLong { .. } => {
                ("coordinates-too-long", 400, Mcp::Error(INVALID_PARAMS), never)
            }
            Self::Denied(_) => ("denied", 403, Mcp::Result, never),
            Self::Draining => ("draining", 503, Mcp::Result, repeat),
            Self::ExpiredCredential => ("credential-expired", 401, Mcp::Http, never),
            Self::HeaderMismatch(why) => (why.name(), 400, Mcp::Error(protocol::mcp::HEADER_MISMATCH), never),
            Self::Hidden { .. } => ("denied-hidden", 403, Mcp::Error(INVALID_PARAMS), never),
            Self::ListUnreadable { .. } => ("list-unreadable", 502, Mcp::Error(INTERNAL), later),
            Self::Malformed(why) => (why.name(), 400, Mcp::Error(why.code()), never),
            Self::MethodNotAllowed => ("method-not-allowed", 405, Mcp::Http, never),
            Self::NoApprover => ("no-approver", 403, Mcp::Result, never),
            Self::NoBackend => ("no-backend", 404, Mcp::Http, never),
            Self::NoCredential => ("credential-missing", 401, Mcp::Http, never),
            Self::NoPolicy => ("no-policy", 503, Mcp::Result, later),
            Self::NotText(why) => (why.name(), 400, Mcp::Error(INVALID_PARAMS), never),
            Self::Override { .. } => ("override-header", 400, Mcp::Error(INVALID_PARAMS), never),
            Self::ReceiptFailed => ("receipt-failed", 503, Mcp::Result, later),
            Self::Rest(why) => (why.name(), 400, Mcp::Http, never),
            Self::TooManyApprovals => ("too-many-approvals", 429, Mcp::Result, minute),
            Self::TooManyCalls => ("too-many-calls", 429, Mcp::Result, later),
            Self::TooManyHolds => ("too-many-holds", 429, Mcp::Result, minute),
            Self::TooManyPending => ("too-many-pending", 503, Mcp::Result, minute),
            Self::UnknownCredential => ("credential-unknown", 401, Mcp::Http, never),
            Self::UnknownMethod { .. } => ("unknown-method", 404, Mcp::Error(METHOD_NOT_FOUND), never),
        };
        Wire { name, status, mcp, retry }
    }

    /// The approval that the caller can be told about.
    pub(crate) const fn reference(&self) -> Option<&Reference> {
        match self {
            Self::ApprovalDenied { reference, .. }
            | Self::ApprovalExpired { reference }
            | Self::ApprovalPending { reference }
            | Self::ApprovalUsed { reference }
            | Self::ApprovalWithdrawn { reference } => Some(reference),
            _ => None,
        }
    }
}

impl Retry {
    /// What to do next, as a sentence.
    pub(crate) fn advice(self) -> String {
        match self {
            Self::Never => "Do not retry it unchanged.".to_owned(),
            Self::Later { seconds } => format!("It may be retried in {seconds} s."),
            Self::SameCall { .. } => "Repeat the same call, with the same arguments, to continue.".to_owned(),
            Self::Unknown => "Do not retry it before you know whether it was executed.".to_owned(),
        }
    }

    pub(crate) const fn after_seconds(self) -> Option<u32> {
        match self {
            Self::Later { seconds } | Self::SameCall { seconds } => Some(seconds),
            Self::Never | Self::Unknown => None,
        }
    }
}

fn note_text(note: Option<&String>) -> String {
    note.map_or_else(String::new, |note| format!(": {note}"))
}

fn reason_text(denial: &Denial) -> String {
    denial.verdict().reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"))
}
