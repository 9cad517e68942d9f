//! Every way a request is refused.

mod table;
mod wire;

use policy::approval::{NotCanonical, Reference};
use policy::{Denial, WrongArguments};
use protocol::http1::FramingRefused;
use protocol::malformed::Malformed;
use protocol::mcp::HeaderMismatch;
use protocol::pointer::NotText;
use protocol::rest::RestRefused;

use crate::caller::TokenRefused;
use crate::tls::CertificateRefused;

pub use table::{RefusalRow, refusals};
pub(crate) use wire::{Mcp, REFUSED, Retry, Wire};

/// Why a request is refused.
#[derive(Debug, thiserror::Error, strum::EnumDiscriminants)]
#[strum_discriminants(
    name(Reason),
    derive(strum::EnumIter, strum::EnumMessage),
    doc = "Why a request is refused, without the particulars."
)]
pub(crate) enum Refusal {
    /// A person said no; the note is in the text.
    #[error("approval {reference} was denied{}", note_text(.note.as_ref()))]
    ApprovalDenied { reference: Reference, note: Option<String> },
    /// Nobody decided in time.
    #[error("approval {reference} expired before anybody decided")]
    ApprovalExpired { reference: Reference },
    /// A call in a batch needs approval, and a batch does not wait.
    #[error("it needs approval, and a batch does not wait for one; send it on its own")]
    ApprovalInBatch,
    /// The hold ended; the approval is still open.
    #[error("it waits for approval {reference}")]
    ApprovalPending { reference: Reference },
    /// The control plane could not write its store.
    #[error("the approval's store could not be written")]
    ApprovalStoreFailed,
    /// An identical call has used the approval up.
    #[error("approval {reference} was used by an identical call")]
    ApprovalUsed { reference: Reference },
    /// The approval was taken back.
    #[error("approval {reference} was withdrawn")]
    ApprovalWithdrawn { reference: Reference },
    /// The control plane knows this proxy under another name, or as another organisation's than its policy says.
    #[error("it needs approval, and its control plane keeps none for this proxy and its organisation")]
    ApprovalsForeign,
    /// No control plane, or it can't be reached.
    #[error("it needs approval, and approvals can't be reached just now")]
    ApprovalsUnavailable,
    /// The call needs approval, and its arguments are not what the tool's `input_schema` in the policy says; nobody was
    /// asked.
    #[error("its arguments are not what the tool takes, so nobody was asked to approve it: {0}")]
    ArgumentsInvalid(WrongArguments),
    /// The call needs approval, and its arguments have no form that tells them from others (an integer beyond 2^53:
    /// pass it as text).
    #[error("it needs approval, and no approval can be asked for: {0}")]
    ArgumentsNotCanonical(NotCanonical),
    /// The audit record could not be written: see `oakgate_audit_bytes` and the disk.
    #[error("the audit record could not be written")]
    AuditFailed,
    /// The backend failed after the call was sent; whether it was executed is not known.
    #[error("the backend `{backend}` failed after the call was sent to it")]
    BackendBroken { backend: String },
    /// A held call went on, and the backend answered it with a page of its own instead of a message; whether it was
    /// executed is not known.
    #[error("the backend `{backend}` answered with status {status} and no message")]
    BackendNoMessage { backend: String, status: u16 },
    /// `max_calls_per_backend` are under way to the backend; nothing was sent.
    #[error("the backend `{backend}` has too many calls under way")]
    BackendOverloaded { backend: String },
    /// An MCP backend answered with a redirect, which would lead its client around the proxy: give its new address in `url`.
    #[error("the backend `{backend}` redirects elsewhere; give that address in its `url`")]
    BackendRedirects { backend: String },
    /// The backend did not answer in `response_timeout_seconds`; whether the call was executed is not known.
    #[error("the backend `{backend}` did not answer in time")]
    BackendTimeout { backend: String },
    /// No connection to the backend; nothing was sent.
    #[error("the backend `{backend}` could not be reached")]
    BackendUnreachable { backend: String },
    /// Whoever answers at the backend's address could not prove to be the backend by its certificate; nothing was sent. The
    /// log says why.
    #[error("the backend `{backend}` could not prove who it is")]
    BackendUntrusted { backend: String },
    /// A header that a mapping names occurs twice, or is not text.
    #[error("the header `{header}`, which policy decides on, is not one line of text")]
    BadDimensionHeader { header: String },
    /// `Host`, or the target in absolute form, is not one of the listener's names (DNS rebinding).
    #[error("this address does not answer to the host `{host}`; add it to the listener's `hosts`")]
    BadHost { host: String },
    /// `Origin` is foreign.
    #[error("pages of the origin `{origin}` may not call this address; add it to the listener's `origins`")]
    BadOrigin { origin: String },
    /// The preflight of a web page asks for headers in a way that browsers don't, or for too many.
    #[error("the headers that the page asks for are no list of names, or too many")]
    BadPreflight,
    /// `Oakgate-Tenant` is not one line of text.
    #[error("`Oakgate-Tenant` is not one line of text")]
    BadTenant,
    /// A batch has more calls than a rate ever lets through at once (`burst`): send fewer in each.
    #[error("its batch has more calls than a rate lets through at once; send fewer in each")]
    BatchOverRate,
    /// Another message of the same batch was refused.
    #[error("another message of its batch was refused; send it without that one")]
    BatchRefused,
    /// Request bodies in memory have reached `max_buffered_body_bytes`.
    #[error("too many request bodies are waiting")]
    BodiesFull,
    /// The body did not arrive in `body_timeout_seconds`.
    #[error("the body did not arrive in time")]
    BodyTimeout,
    /// The body is larger than `max_body_bytes`.
    #[error("the body is larger than {max_bytes} bytes")]
    BodyTooLarge { max_bytes: u32 },
    /// The body broke off, or there is one where none belongs.
    #[error("the body did not arrive whole")]
    BodyUnreadable,
    /// As many calls are under way as `max_calls` allows.
    #[error("too many calls are under way")]
    CallsFull,
    /// The caller took the held call back (`notifications/cancelled`).
    #[error("the caller took the call back")]
    Cancelled,
    /// The client's certificate is not good here, or not any more: it has expired, its authority was removed, it does not
    /// name exactly one SPIFFE id, or its trust domain is not one of `mtls.trust_domains`.
    #[error("that client certificate is not accepted: {0}")]
    CertificateRefused(#[from] CertificateRefused),
    /// The body is compressed.
    #[error("compressed bodies are not accepted; send it as it is")]
    Compressed,
    /// Tool, resource, method and tenant together are longer than a receipt can carry.
    #[error("tool, resource, method and tenant together are longer than {max_bytes} bytes")]
    CoordinatesTooLong { max_bytes: usize },
    /// Policy says `disabled`; the rule's reason is in the text.
    #[error("policy does not allow it{}", reason_text(.0))]
    Denied(Box<Denial>),
    /// The backend's document about its authorization can't be read, or is too large.
    #[error("the backend's document about its authorization can't be read: {why}")]
    DocumentUnreadable { why: &'static str },
    /// The proxy is stopping.
    #[error("this proxy is stopping")]
    Draining,
    /// The key, or the token, has expired.
    #[error("that key or token has expired")]
    ExpiredCredential,
    /// A request that is not formed as HTTP/1.1 says; answered without a look at its caller, and closed.
    #[error("{0}")]
    Framing(FramingRefused),
    /// A header that says something else than the body.
    #[error("{0}")]
    HeaderMismatch(HeaderMismatch),
    /// Policy disables every call of this tool by this caller, who does not see it either: an MCP client is told `Unknown
    /// tool`.
    #[error("Unknown tool: {tool}")]
    Hidden { tool: String },
    /// The token lacks a scope of `jwt.required_scopes`.
    #[error("the token lacks a scope that is required here")]
    InsufficientScope,
    /// The backend's list of tools can't be read strictly, so that nobody can say what a client would see in it.
    #[error("the backend's list of tools can't be read: {why}")]
    ListUnreadable { why: &'static str },
    /// A message that two readers could read differently.
    #[error("{0}")]
    Malformed(Malformed),
    /// MCP: a query parameter `method`, `_method` or `X-HTTP-Method-Override`, by which some backends see another call.
    #[error("a parameter of the query would make another call of it")]
    MethodInQuery,
    /// An HTTP method that MCP does not use.
    #[error("that HTTP method is not used here")]
    MethodNotAllowed,
    /// Nobody, or for two-level approvals too few different people, could approve.
    #[error("it needs approval, and nobody can give it")]
    NoApprover,
    /// No backend has that path.
    #[error("nothing is served at that path")]
    NoBackend,
    /// No credential.
    #[error("a key in `X-API-Key` or `Authorization: Bearer`, or a token in the latter, is needed")]
    NoCredential,
    /// No policy is in force: see the log for its mistakes.
    #[error("no policy is in force")]
    NoPolicy,
    /// An argument that policy takes a dimension from and that is not text.
    #[error("{0}")]
    NotText(NotText),
    /// A header such as `X-HTTP-Method-Override` or `X-Original-URL`, by which some backends see another call.
    #[error("the header `{header}` would make another call of it")]
    Override { header: &'static str },
    /// The policy is older than `policy.max_policy_age` allows for what the tool may do: its source has not confirmed it for
    /// too long. See `oakgate_policy_age_seconds`.
    #[error("the policy in force is too old for calls of {} tools", .class.replace('_', "-"))]
    PolicyTooOld { class: &'static str },
    /// All callers together make more requests than `rates.all` allows.
    #[error("more calls come in than the rate of this proxy allows")]
    RateLimited { seconds: u32 },
    /// The caller makes more requests than `rates.caller` allows.
    #[error("this caller makes more calls than its rate allows")]
    RateLimitedCaller { seconds: u32 },
    /// The tool is called more often than `rates.tool` or `rates.tools` allows, or by this caller than `rates.caller_tool`.
    #[error("this tool is called more often than its rate allows")]
    RateLimitedTool { seconds: u32 },
    /// The receipt could not be signed.
    #[error("the receipt could not be made")]
    ReceiptFailed,
    /// A REST request that two servers could read differently.
    #[error("{0}")]
    Rest(RestRefused),
    /// A token that is not good for a call; the particulars have names of their own.
    #[error("{0}")]
    Token(TokenRefused),
    /// The caller has reached `max_approvals_per_caller_per_minute`.
    #[error("this caller has asked for too many approvals in this minute")]
    TooManyApprovals,
    /// The caller has reached `max_calls_per_caller`.
    #[error("this caller has too many calls under way")]
    TooManyCalls,
    /// The caller has reached `max_holds_per_caller`, or all of them together `max_holds`.
    #[error("this caller, or all of them together, have too many calls waiting for approval")]
    TooManyHolds,
    /// Too many approvals are pending in the control plane.
    #[error("too many approvals are pending")]
    TooManyPending,
    /// As many calls of this tool are under way as `max_calls_per_tool` allows.
    #[error("too many calls of this tool are under way")]
    ToolFull,
    /// `max_websockets` are open.
    #[error("too many WebSockets are open")]
    TooManyWebsockets,
    /// The request names no host, or several (RFC 9112, section 3.2).
    #[error("a request names one host, in `Host`")]
    UnclearHost,
    /// The key is not known, or two different ones were sent.
    #[error("that key is not known here")]
    UnknownCredential,
    /// An MCP method that nobody has published and that is not in `extra_methods`; 200 before revision 2026-07-28.
    #[error("Method not found: {method}")]
    UnknownMethod { method: String },
    /// A message to a session of the old HTTP+SSE transport that is over, or is another caller's.
    #[error("there is no such session, or it is over")]
    UnknownSession,
    /// The request can't be read for another reason than those that have a name. In HTTP/1.1 it is answered without a body
    /// and the connection is closed; in HTTP/2 it is answered, or its stream is reset.
    #[error("the request is not one that can be read")]
    UnreadableRequest,
    /// The issuer's keys can't be fetched, so that nobody can say whether the token is good: see
    /// `oakgate_jwks_fetches_total`.
    #[error("the keys of the token's issuer can't be had just now")]
    UnverifiableCredential,
    /// Something that some server would take for the opening handshake of a WebSocket, and that is not one.
    #[error("that is not the opening handshake of a WebSocket: {why}")]
    WebsocketHandshake { why: &'static str },
    /// Another version of the WebSocket protocol than 13.
    #[error("only version 13 of the WebSocket protocol is spoken here")]
    WebsocketVersion,
}

impl Refusal {
    /// The reason's stable name: metric label, audit reason, problem code.
    pub(crate) fn name(&self) -> &'static str {
        self.wire().name
    }

    /// Whether it is refused because of how much there is, and not because of what it is: that may be as often as its
    /// caller can send.
    pub(crate) const fn is_of_load(&self) -> bool {
        matches!(
            self,
            Self::CallsFull
                | Self::RateLimited { .. }
                | Self::RateLimitedCaller { .. }
                | Self::RateLimitedTool { .. }
                | Self::TooManyCalls
                | Self::ToolFull
        )
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

fn note_text(note: Option<&String>) -> String {
    note.map_or_else(String::new, |note| format!(": {note}"))
}

fn reason_text(denial: &Denial) -> String {
    denial.verdict().reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"))
}
