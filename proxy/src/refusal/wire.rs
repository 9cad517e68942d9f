//! The one table from each reason to the wire.

use protocol::http1::FramingRefused;

use super::{Reason, Refusal};

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
const LATER: Retry = Retry::Later { seconds: 5 };
const INTERNAL: i32 = -32_603;
const INVALID_PARAMS: i32 = -32_602;
const INVALID_REQUEST: i32 = -32_600;
const METHOD_NOT_FOUND: i32 = -32_601;

impl Refusal {
    /// How it looks on the wire.
    pub(crate) fn wire(&self) -> Wire {
        let wire = Reason::from(self).wire();
        match self {
            Self::Framing(why) => wire.of_framing(*why),
            Self::HeaderMismatch(why) => Wire { name: why.name(), ..wire },
            Self::Malformed(why) => Wire { name: why.name(), mcp: Mcp::Error(why.code()), ..wire },
            Self::NotText(why) => Wire { name: why.name(), ..wire },
            Self::RateLimited { seconds }
            | Self::RateLimitedCaller { seconds }
            | Self::RateLimitedTool { seconds } => Wire { retry: Retry::Later { seconds: *seconds }, ..wire },
            Self::Rest(why) => Wire { name: why.name(), ..wire },
            Self::Token(why) => Wire { name: why.name(), ..wire },
            _ => wire,
        }
    }
}

impl Wire {
    /// The same, for what is refused by its form.
    pub(super) const fn of_framing(self, why: FramingRefused) -> Self {
        let retry = if matches!(why, FramingRefused::HeaderTimeout) { LATER } else { self.retry };
        Self { name: why.name(), status: why.status(), retry, ..self }
    }
}

impl Reason {
    /// The one table from reason to wire.
    #[expect(clippy::too_many_lines, reason = "one table, a line for each reason")]
    pub(super) const fn wire(self) -> Wire {
        let later = LATER;
        let minute = Retry::Later { seconds: 60 };
        let repeat = Retry::SameCall { seconds: 5 };
        let never = Retry::Never;
        let (name, status, mcp, retry) = match self {
            Self::ApprovalDenied => ("approval-denied", 403, Mcp::Result, never),
            Self::ApprovalExpired => ("approval-expired", 403, Mcp::Result, repeat),
            Self::ApprovalInBatch => ("approval-in-batch", 403, Mcp::Result, never),
            Self::ApprovalPending => ("approval-pending", 202, Mcp::Result, repeat),
            Self::ApprovalStoreFailed => ("approval-store-failed", 503, Mcp::Result, later),
            Self::ApprovalUsed => ("approval-used", 409, Mcp::Result, never),
            Self::ApprovalWithdrawn => ("approval-withdrawn", 403, Mcp::Result, repeat),
            Self::ApprovalsForeign => ("approvals-foreign", 403, Mcp::Result, never),
            Self::ApprovalsUnavailable => ("approvals-unavailable", 503, Mcp::Result, later),
            Self::ArgumentsInvalid => ("arguments-invalid", 422, Mcp::Result, never),
            Self::ArgumentsNotCanonical => ("arguments-not-canonical", 422, Mcp::Result, never),
            Self::AuditFailed => ("audit-failed", 503, Mcp::Result, later),
            Self::BackendBroken => ("backend-broken", 502, Mcp::Result, Retry::Unknown),
            Self::BackendNoMessage => ("backend-no-message", 502, Mcp::Result, Retry::Unknown),
            Self::BackendOverloaded => ("backend-overloaded", 503, Mcp::Result, later),
            Self::BackendRedirects => ("backend-redirects", 502, Mcp::Result, never),
            Self::BackendTimeout => ("backend-timeout", 504, Mcp::Result, Retry::Unknown),
            Self::BackendUnreachable => ("backend-unreachable", 502, Mcp::Result, later),
            Self::BackendUntrusted => ("backend-untrusted", 502, Mcp::Result, later),
            Self::BadDimensionHeader => ("bad-dimension-header", 400, Mcp::Error(INVALID_PARAMS), never),
            Self::BadHost => ("bad-host", 403, Mcp::Http, never),
            Self::BadOrigin => ("bad-origin", 403, Mcp::Http, never),
            Self::BadPreflight => ("bad-preflight", 400, Mcp::Http, never),
            Self::BadTenant => ("bad-tenant", 400, Mcp::Http, never),
            Self::BatchOverRate => ("batch-over-rate", 429, Mcp::Result, never),
            Self::BatchRefused => ("batch-refused", 403, Mcp::Result, never),
            Self::BodiesFull => ("bodies-full", 503, Mcp::Http, later),
            Self::BodyTimeout => ("body-timeout", 408, Mcp::Http, later),
            Self::BodyTooLarge => ("body-too-large", 413, Mcp::Http, never),
            Self::BodyUnreadable => ("body-unreadable", 400, Mcp::Http, never),
            Self::CallsFull => ("calls-full", 503, Mcp::Result, later),
            Self::Cancelled => ("cancelled", 409, Mcp::Result, never),
            Self::CertificateRefused => ("certificate-refused", 401, Mcp::Http, never),
            Self::Compressed => ("compressed", 415, Mcp::Http, never),
            Self::CoordinatesTooLong => ("coordinates-too-long", 400, Mcp::Error(INVALID_PARAMS), never),
            Self::Denied => ("denied", 403, Mcp::Result, never),
            Self::DocumentUnreadable => ("document-unreadable", 502, Mcp::Http, later),
            Self::Draining => ("draining", 503, Mcp::Result, repeat),
            Self::ExpiredCredential => ("credential-expired", 401, Mcp::Http, never),
            Self::Hidden => ("denied-hidden", 403, Mcp::Error(INVALID_PARAMS), never),
            Self::InsufficientScope => ("insufficient-scope", 403, Mcp::Http, never),
            Self::ListUnreadable => ("list-unreadable", 502, Mcp::Error(INTERNAL), later),
            Self::MethodInQuery => ("method-in-query", 400, Mcp::Error(INVALID_PARAMS), never),
            Self::MethodNotAllowed => ("method-not-allowed", 405, Mcp::Http, never),
            Self::NoApprover => ("no-approver", 403, Mcp::Result, never),
            Self::NoBackend => ("no-backend", 404, Mcp::Http, never),
            Self::NoCredential => ("credential-missing", 401, Mcp::Http, never),
            Self::NoPolicy => ("no-policy", 503, Mcp::Result, later),
            Self::Override => ("override-header", 400, Mcp::Error(INVALID_PARAMS), never),
            Self::PolicyTooOld => ("policy-too-old", 503, Mcp::Result, minute),
            Self::RateLimited => ("rate-limited", 429, Mcp::Result, later),
            Self::RateLimitedCaller => ("rate-limited-caller", 429, Mcp::Result, later),
            Self::RateLimitedTool => ("rate-limited-tool", 429, Mcp::Result, later),
            Self::ReceiptFailed => ("receipt-failed", 503, Mcp::Result, later),
            Self::TooManyApprovals => ("too-many-approvals", 429, Mcp::Result, minute),
            Self::TooManyCalls => ("too-many-calls", 429, Mcp::Result, later),
            Self::TooManyHolds => ("too-many-holds", 429, Mcp::Result, minute),
            Self::TooManyPending => ("too-many-pending", 503, Mcp::Result, minute),
            Self::TooManyWebsockets => ("too-many-websockets", 503, Mcp::Http, later),
            Self::ToolFull => ("tool-full", 429, Mcp::Result, later),
            Self::UnclearHost => ("unclear-host", 400, Mcp::Http, never),
            Self::UnknownCredential => ("credential-unknown", 401, Mcp::Http, never),
            Self::UnknownSession => ("unknown-session", 404, Mcp::Http, never),
            Self::UnknownMethod => ("unknown-method", 404, Mcp::Error(METHOD_NOT_FOUND), never),
            Self::UnreadableRequest => ("unreadable-request", 400, Mcp::Http, never),
            Self::UnverifiableCredential => ("credential-unverifiable", 503, Mcp::Http, later),
            Self::WebsocketHandshake => ("websocket-handshake", 400, Mcp::Http, never),
            Self::WebsocketVersion => ("websocket-version", 426, Mcp::Http, never),
            // Of these the particulars decide on the name: see `Refusal::wire`.
            Self::Framing => ("framing", 400, Mcp::Http, never),
            Self::HeaderMismatch => {
                ("header-mismatch", 400, Mcp::Error(protocol::mcp::HEADER_MISMATCH), never)
            }
            Self::Malformed => ("malformed", 400, Mcp::Error(INVALID_REQUEST), never),
            Self::NotText => ("argument-not-text", 400, Mcp::Error(INVALID_PARAMS), never),
            Self::Rest => ("rest", 400, Mcp::Http, never),
            Self::Token => ("token", 401, Mcp::Http, never),
        };
        Wire { name, status, mcp, retry }
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
