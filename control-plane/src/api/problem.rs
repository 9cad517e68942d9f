//! Everything that can be wrong with a request, and how the answer says it: one table.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use edge::Full;
use policy::approval::Refused;
use protocol::http1::FramingRefused;
use receipt::Refusal;
use serde::Serialize;
use strum::{EnumIter, IntoEnumIterator};
use utoipa::ToSchema;

use super::checks::CheckDocument;
use crate::approvals::DecideError;
use crate::names::NameError;
use crate::nonces::NoncesUnavailable;
use crate::policies::NotProposed;
use crate::recorder::NotRecorded;
use crate::store::StoreError;

/// When whoever came at a busy time may come back.
const RETRY_AFTER_SECONDS: &str = "1";

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq, EnumIter)]
pub(super) enum Problem {
    AlreadyDecided,
    AlreadyLogged,
    ApprovalEnded,
    ArgsUnexpected,
    BodyNotJson,
    BodyTimeout,
    BodyTooLarge,
    BodyUnexpected,
    Busy,
    CallUnexpected,
    CannotConfigure,
    CannotNameTenant,
    CannotRun,
    ContentType,
    DraftAccepted,
    ExpiryPast,
    HostNotAllowed,
    HostUnclear,
    IdReserved,
    IdTaken,
    IdempotencyKey,
    IdempotencyKeyReused,
    IfMatch,
    InUse(Vec<String>),
    KeyCannotDecide,
    KeyExpired,
    KeyRevoked,
    LastManagementKey,
    LinkUnexpected,
    LinksOff,
    MethodNotAllowed,
    NameUnexpected,
    NoPolicy,
    NoncesUnavailable,
    NoDefinition,
    /// What was found instead of a grant.
    NotAllowed(Option<Box<CheckDocument>>),
    NotFound,
    NotInGroup,
    NoteTooLong,
    /// The mistakes in it.
    PolicyRefused(Vec<String>),
    ProxyCannotAsk,
    QueryUnexpected,
    ReceiptFailed,
    ReceiptRefused(RefusedReceipt),
    ReceiptsOff,
    RelayToken,
    /// Which rule of HTTP/1.1 it breaks.
    RequestMalformed(Malformed),
    RequesterCannotDecide,
    RevisionPruned,
    SamePerson,
    Stopping,
    /// Where it is.
    StoreDamaged(String),
    StoreFailed,
    StoreFull,
    TierHasNoTenant,
    TimedOut,
    ToolListed,
    TooBusy,
    TooMany,
    TooManyLinks,
    ToolUnknown,
    Unauthenticated,
    VersionChanged,
    VersionNeeded,
}

/// A problem as it is answered (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemDocument {
    /// Always `about:blank`: `code` tells problems apart.
    r#type: &'static str,
    title: Option<&'static str>,
    status: u16,
    /// Stable.
    code: &'static str,
    /// What is wrong and what to do.
    detail: &'static str,
    /// Each mistake, where there can be several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<String>,
    /// Why a receipt was refused, or what is wrong with the form of a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// What was found of a call that is not allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Box<CheckDocument>>,
}

/// Why a receipt was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RefusedReceipt(pub(super) Refusal);

impl Default for RefusedReceipt {
    fn default() -> Self {
        Self(Refusal::Missing)
    }
}

/// What is wrong with the form of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) FramingRefused);

impl Default for Malformed {
    fn default() -> Self {
        Self(FramingRefused::BadRequestLine)
    }
}

const fn status(refused: FramingRefused) -> StatusCode {
    match StatusCode::from_u16(refused.status()) {
        Ok(status) => status,
        Err(_) => StatusCode::BAD_REQUEST,
    }
}

impl Problem {
    /// Every code there is, sorted.
    pub(super) fn codes() -> Vec<&'static str> {
        let mut codes: Vec<_> = Self::iter().map(|problem| problem.status_and_code().1).collect();
        codes.sort_unstable();
        codes
    }

    /// Status and code. Codes are stable.
    pub(super) const fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::AlreadyDecided => (StatusCode::CONFLICT, "already_decided"),
            Self::AlreadyLogged => (StatusCode::CONFLICT, "already_logged"),
            Self::ApprovalEnded => (StatusCode::CONFLICT, "approval_ended"),
            Self::ArgsUnexpected => (StatusCode::UNPROCESSABLE_ENTITY, "args_unexpected"),
            Self::BodyNotJson => (StatusCode::BAD_REQUEST, "body_not_json"),
            Self::BodyTimeout => (StatusCode::REQUEST_TIMEOUT, "body_timeout"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::BodyUnexpected => (StatusCode::UNPROCESSABLE_ENTITY, "body_unexpected"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            Self::CallUnexpected => (StatusCode::UNPROCESSABLE_ENTITY, "call_unexpected"),
            Self::CannotConfigure => (StatusCode::FORBIDDEN, "cannot_configure"),
            Self::CannotNameTenant => (StatusCode::FORBIDDEN, "cannot_name_tenant"),
            Self::CannotRun => (StatusCode::FORBIDDEN, "cannot_run"),
            Self::ContentType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type"),
            Self::DraftAccepted => (StatusCode::CONFLICT, "draft_accepted"),
            Self::ExpiryPast => (StatusCode::UNPROCESSABLE_ENTITY, "expiry_past"),
            Self::HostNotAllowed => (StatusCode::MISDIRECTED_REQUEST, "host_not_allowed"),
            Self::HostUnclear => (StatusCode::BAD_REQUEST, "host_unclear"),
            Self::IdReserved => (StatusCode::UNPROCESSABLE_ENTITY, "id_reserved"),
            Self::IdTaken => (StatusCode::CONFLICT, "id_taken"),
            Self::IdempotencyKey => (StatusCode::BAD_REQUEST, "idempotency_key"),
            Self::IdempotencyKeyReused => (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused"),
            Self::IfMatch => (StatusCode::BAD_REQUEST, "if_match"),
            Self::InUse(_) => (StatusCode::CONFLICT, "in_use"),
            Self::KeyCannotDecide => (StatusCode::FORBIDDEN, "key_cannot_decide"),
            Self::KeyExpired => (StatusCode::CONFLICT, "key_expired"),
            Self::KeyRevoked => (StatusCode::CONFLICT, "key_revoked"),
            Self::LastManagementKey => (StatusCode::CONFLICT, "last_management_key"),
            Self::LinkUnexpected => (StatusCode::BAD_REQUEST, "link_unexpected"),
            Self::LinksOff => (StatusCode::SERVICE_UNAVAILABLE, "links_off"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::NameUnexpected => (StatusCode::UNPROCESSABLE_ENTITY, "name_unexpected"),
            Self::NoPolicy => (StatusCode::CONFLICT, "no_policy"),
            Self::NoncesUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "nonces_unavailable"),
            Self::NoDefinition => (StatusCode::CONFLICT, "no_definition"),
            Self::NotAllowed(_) => (StatusCode::FORBIDDEN, "not_allowed"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::NotInGroup => (StatusCode::FORBIDDEN, "not_in_group"),
            Self::NoteTooLong => (StatusCode::UNPROCESSABLE_ENTITY, "note_too_long"),
            Self::PolicyRefused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "policy_refused"),
            Self::ProxyCannotAsk => (StatusCode::FORBIDDEN, "proxy_cannot_ask"),
            Self::QueryUnexpected => (StatusCode::BAD_REQUEST, "query_unexpected"),
            Self::ReceiptFailed => (StatusCode::SERVICE_UNAVAILABLE, "receipt_failed"),
            Self::ReceiptRefused(RefusedReceipt(Refusal::Replayed)) => {
                (StatusCode::CONFLICT, "receipt_refused")
            }
            Self::ReceiptRefused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "receipt_refused"),
            Self::ReceiptsOff => (StatusCode::SERVICE_UNAVAILABLE, "receipts_off"),
            Self::RelayToken => (StatusCode::UNAUTHORIZED, "relay_token"),
            Self::RequestMalformed(Malformed(refused)) => (status(*refused), "request_malformed"),
            Self::RequesterCannotDecide => (StatusCode::FORBIDDEN, "requester_cannot_decide"),
            Self::RevisionPruned => (StatusCode::GONE, "revision_pruned"),
            Self::SamePerson => (StatusCode::FORBIDDEN, "same_person"),
            Self::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
            Self::StoreDamaged(_) => (StatusCode::INTERNAL_SERVER_ERROR, "store_damaged"),
            Self::StoreFailed => (StatusCode::SERVICE_UNAVAILABLE, "store_failed"),
            Self::StoreFull => (StatusCode::INSUFFICIENT_STORAGE, "store_full"),
            Self::TierHasNoTenant => (StatusCode::UNPROCESSABLE_ENTITY, "tier_has_no_tenant"),
            Self::TimedOut => (StatusCode::SERVICE_UNAVAILABLE, "timed_out"),
            Self::ToolListed => (StatusCode::CONFLICT, "tool_listed"),
            Self::TooBusy => (StatusCode::SERVICE_UNAVAILABLE, "too_busy"),
            Self::TooMany => (StatusCode::CONFLICT, "too_many"),
            Self::TooManyLinks => (StatusCode::SERVICE_UNAVAILABLE, "too_many_links"),
            Self::ToolUnknown => (StatusCode::NOT_FOUND, "tool_unknown"),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            Self::VersionChanged => (StatusCode::PRECONDITION_FAILED, "version_changed"),
            Self::VersionNeeded => (StatusCode::PRECONDITION_REQUIRED, "version_needed"),
        }
    }

    /// The name of a refusal.
    const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::ReceiptRefused(RefusedReceipt(refusal)) => Some(refusal.name()),
            Self::RequestMalformed(Malformed(refused)) => Some(refused.name()),
            _ => None,
        }
    }

    /// What it says to people.
    #[expect(clippy::too_many_lines, reason = "one table")]
    const fn detail(&self) -> &'static str {
        match self {
            Self::AlreadyDecided => "the approval is approved already",
            Self::AlreadyLogged => "what became of this call was logged before",
            Self::ApprovalEnded => "the approval has ended",
            Self::ArgsUnexpected => {
                "`args` must be an object that names each key once and has no integer beyond 2^53 - 1"
            }
            Self::BodyNotJson => "the body is not JSON",
            Self::BodyTimeout => "the body did not arrive in time",
            Self::BodyTooLarge => "the body is larger than what is taken here",
            Self::BodyUnexpected => {
                "the body has an unknown, missing or repeated field, or one of a wrong type"
            }
            Self::Busy => "too much of this is under way; try again later",
            Self::CallUnexpected => {
                "`backend` must have 1 to 256 bytes, `tool`, `tenant` and `method` at most 256, `resource` and `reasoning` at most 2048, none a NUL; as JSON, tool, tenant, resource and method have at most 3072 together"
            }
            Self::CannotConfigure => "this needs a management key, `oak_mgmt_…`; other keys cannot configure",
            Self::CannotNameTenant => {
                "this key may not name a tenant; leave `tenant` out, and the key's own counts"
            }
            Self::CannotRun => {
                "this needs a standard or an agent key; a management key or a person cannot run"
            }
            Self::ContentType => "the body must be sent as `application/json`",
            Self::DraftAccepted => "the draft is accepted already; change its tool in the policy",
            Self::ExpiryPast => "`expires_at` is not in the future; to end a key now, revoke it",
            Self::HostNotAllowed => "this server does not answer to the name in the `Host` field",
            Self::HostUnclear => "the request's target names another host than its `Host` field",
            Self::IdReserved => {
                "an id must not begin with `jwt:` or `spiffe:`, which callers without a key have, and not be `host`, which is whoever works on the host itself"
            }
            Self::IdTaken => "there is or was a key or an agent of that id; ids are never used again",
            Self::IdempotencyKey => "`Idempotency-Key` must be sent once, with 1 to 255 visible characters",
            Self::IdempotencyKeyReused => "another request had the same `Idempotency-Key`; use a new one",
            Self::IfMatch => "`If-Match` must be sent once, with one entity tag or `*`",
            Self::InUse(_) => "rules of the policy name it; change those first",
            Self::KeyCannotDecide => {
                "an agent's or runtime's key can never decide; a person's session is needed"
            }
            Self::KeyExpired => "it has expired; change `expires_at` first",
            Self::KeyRevoked => "it is revoked, for good; make a new one",
            Self::LastManagementKey => {
                "it is the last management key without an end, and without one nobody could configure the organisation; make another first"
            }
            Self::LinkUnexpected => {
                "a link is a WebSocket (RFC 6455) of the protocol `oakgate.sync.v1`; only proxies open one"
            }
            Self::LinksOff => {
                "this control plane has no policy key, so no proxy can be linked to it: set `control_plane.policy_key_file`"
            }
            Self::MethodNotAllowed => "the method is not allowed here",
            Self::NameUnexpected => {
                "a name must have 1 to 256 bytes, an id 1 to 128, without control characters and those that do not show or that turn the direction of others, and can be neither `.` nor `..`; a proxy's has 1 to 64 letters, digits, `-`, `_` and `.`"
            }
            Self::NoPolicy => "the organisation has no policy yet; put one with `PUT /v1/policy`",
            Self::NoncesUnavailable => {
                "the shared nonces cannot be reached, so nothing was redeemed; try again"
            }
            Self::NoDefinition => "its backend has listed no definition of it that could be pinned",
            Self::NotAllowed(_) => "the call is not allowed, so there is no grant of it; see `verdict`",
            Self::NotFound => "there is nothing here",
            Self::NotInGroup => "you are not in the group whose decision is needed now",
            Self::NoteTooLong => "the note is longer than 1000 bytes",
            Self::PolicyRefused(_) => "the policy would have mistakes, so nothing was changed; see `errors`",
            Self::ProxyCannotAsk => {
                "a proxy's token opens its link, and nothing else; use a key or a person's session"
            }
            Self::QueryUnexpected => "the query has an unknown or repeated parameter, or one of a wrong form",
            Self::ReceiptFailed => "no receipt could be signed, so there is no answer",
            Self::ReceiptRefused(_) => "the receipt is not good for this call; `reason` says why",
            Self::ReceiptsOff => "this control plane has no keys for receipts: set `control_plane.receipts`",
            Self::RelayToken => {
                "no good relay token came with this: `Sec-WebSocket-Protocol` must be `oakgate.sync.v1, TOKEN`"
            }
            Self::RequestMalformed(_) => "the request is not well-formed HTTP/1.1; `reason` says why",
            Self::RequesterCannotDecide => "who asked for an approval can never decide it",
            Self::RevisionPruned => {
                "this revision is not kept any more; `/v1/policy/revisions` lists those that are, `control_plane.history` says how many"
            }
            Self::SamePerson => "the second yes must come from a different person than the first",
            Self::Stopping => "the control plane is stopping",
            Self::StoreDamaged(_) => {
                "the store holds what cannot be read, and trying again does not help: `errors` says where; restore the store from a backup"
            }
            Self::StoreFailed => "the store does not answer; try again",
            Self::StoreFull => "the store's disk is full: nothing was written; reading goes on",
            Self::TierHasNoTenant => "a management key has no tenant, and only a standard key may name one",
            Self::TimedOut => "the request took too long; look at what became of it before you repeat it",
            Self::ToolListed => "the policy lists this tool already; change it there",
            Self::TooBusy => "too many questions wait to be recorded; try again",
            Self::TooMany => "the organisation has as many of these as it may",
            Self::TooManyLinks => "as many proxies are linked to this control plane as may be; use another",
            Self::ToolUnknown => "the policy in force lists no tool of that name",
            Self::Unauthenticated => {
                "no good credential came with this: `Authorization: Bearer` and a key, or a person's session"
            }
            Self::VersionChanged => "it was changed meanwhile: get it again, and repeat your change on that",
            Self::VersionNeeded => {
                "`If-Match` must name the version that this replaces, as `ETag` had it; `\"0\"` if there is none"
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        let may_come_back = matches!(self, Self::Busy | Self::TooBusy);
        let mut document = ProblemDocument {
            r#type: "about:blank",
            title: status.canonical_reason(),
            status: status.as_u16(),
            code,
            detail: self.detail(),
            errors: Vec::new(),
            reason: self.reason(),
            verdict: None,
        };
        match self {
            Self::InUse(rules) => {
                document.errors = rules.into_iter().map(|rule| format!("rule `{rule}`")).collect();
            }
            Self::NotAllowed(verdict) => document.verdict = verdict,
            Self::PolicyRefused(mistakes) => document.errors = mistakes,
            Self::StoreDamaged(place) => document.errors = vec![place],
            _ => {}
        }
        let mut response = (status, Json(document)).into_response();
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            fields.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if may_come_back {
            fields.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        response
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Ended(_) | Refused::TooLate | Refused::NotApproved => Self::ApprovalEnded,
            Refused::Decided => Self::AlreadyDecided,
            Refused::NotInGroup => Self::NotInGroup,
            Refused::Requester => Self::RequesterCannotDecide,
            Refused::SamePerson => Self::SamePerson,
        }
    }
}

impl From<NameError> for Problem {
    fn from(error: NameError) -> Self {
        match error {
            NameError::Length { .. }
            | NameError::Control
            | NameError::Hidden
            | NameError::Dots
            | NameError::Plain => Self::NameUnexpected,
            NameError::Reserved | NameError::Host => Self::IdReserved,
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if !matches!(error, StoreError::Pruned) {
            tracing::error!(%error, "a request failed at the store");
        }
        match error {
            StoreError::Pruned => Self::RevisionPruned,
            StoreError::Damaged { table, what } => Self::StoreDamaged(format!("table `{table}`: {what}")),
            StoreError::Unreadable(what) => Self::StoreDamaged(format!("unreadable {what}")),
            StoreError::Corrupt(_) => Self::StoreDamaged("the database says that it is damaged".to_owned()),
            StoreError::Full(_) => Self::StoreFull,
            StoreError::Database(_)
            | StoreError::Migration(_)
            | StoreError::Newer(_)
            | StoreError::File(_)
            | StoreError::Stopped
            | StoreError::Conflict => Self::StoreFailed,
        }
    }
}

impl From<NotProposed> for Problem {
    fn from(error: NotProposed) -> Self {
        match error {
            NotProposed::Unknown => Self::NotFound,
            NotProposed::Changed => Self::VersionChanged,
            NotProposed::Refused(mistakes) => Self::PolicyRefused(mistakes),
            NotProposed::Store(error) => error.into(),
        }
    }
}

impl From<DecideError> for Problem {
    fn from(error: DecideError) -> Self {
        match error {
            DecideError::Unknown => Self::NotFound,
            DecideError::Refused(refused) => refused.into(),
            DecideError::Store(error) => error.into(),
            DecideError::Stopped => Self::Stopping,
        }
    }
}

impl From<NotRecorded> for Problem {
    fn from(why: NotRecorded) -> Self {
        match why {
            NotRecorded::Busy => Self::TooBusy,
            NotRecorded::StoreFailed => Self::StoreFailed,
            NotRecorded::StoreFull => Self::StoreFull,
            NotRecorded::Stopped => Self::Stopping,
        }
    }
}

impl From<Full> for Problem {
    fn from(_: Full) -> Self {
        Self::Busy
    }
}

impl From<NoncesUnavailable> for Problem {
    fn from(_: NoncesUnavailable) -> Self {
        Self::NoncesUnavailable
    }
}
