//! Listing, showing and deciding approvals.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use axum::http::HeaderMap;
use policy::UnixMillis;
use policy::approval::Reference;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::body::StrictJson;
use super::paging::{page, read_limit};
use super::representation::{ApprovalDocument, Page};
use super::serve::Peer;
use super::session::{SignedIn, still_signed_in};
use super::{Api, Problem};
use crate::store::{Answer, Approval, Filter, NewDecision, Position};

/// Longest note.
const NOTE_BYTES_MAX: usize = 1000;

/// What may be asked of the list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    #[param(inline)]
    state: Option<StateName>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// The states by which the list can be narrowed.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StateName {
    Pending,
    Approved,
    Denied,
    Expired,
    Withdrawn,
    Consumed,
    Lapsed,
}

/// A person's decision.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DecideBody {
    #[schema(inline)]
    decision: DecisionName,
    #[schema(max_length = 1000)]
    note: Option<String>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum DecisionName {
    Approve,
    Deny,
}

/// Approvals of the person's organisation, newest first.
#[utoipa::path(get, path = "/v1/approvals", tag = "approvals", params(super::approvals::ListQuery), security(("session" = [])),
    responses((status = 200, description = "A page.", body = Page)))]
pub(super) async fn list(
    State(api): State<Api>,
    SignedIn(person): SignedIn,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Page>, Problem> {
    let Query(query) = query.map_err(|_| Problem::QueryUnexpected)?;
    let limit = read_limit(query.limit)?;
    let before = match query.cursor {
        Some(cursor) => Some(read_cursor(&cursor).ok_or(Problem::QueryUnexpected)?),
        None => None,
    };
    let state = query.state.map(StateName::as_str);
    let filter = Filter { org: person.org, state, before, limit };
    let approvals = api.store.approvals(&filter).await?;
    let cursor = |last: &Approval| write_cursor(&last.position());
    let (items, next_cursor) = page(approvals, limit, &api.metrics, cursor, ApprovalDocument::from);
    Ok(Json(Page { items, next_cursor }))
}

/// One approval, with the decisions on it.
#[utoipa::path(get, path = "/v1/approvals/{reference}", tag = "approvals", security(("session" = [])),
    params(("reference" = String, Path, description = "In upper or lower case.")),
    responses((status = 200, description = "The approval.", body = ApprovalDocument)))]
pub(super) async fn show(
    State(api): State<Api>,
    SignedIn(person): SignedIn,
    reference: Result<Path<String>, PathRejection>,
) -> Result<Json<ApprovalDocument>, Problem> {
    let reference = read_reference(reference)?;
    let (approval, decisions) =
        api.store.approval(&person.org, &reference).await?.ok_or(Problem::NotFound)?;
    Ok(Json(ApprovalDocument::from(approval).with(decisions)))
}

/// Approves or denies. Answered once the decision is durable.
#[utoipa::path(post, path = "/v1/approvals/{reference}/decide", tag = "approvals", security(("session" = [])),
    params(("reference" = String, Path, description = "In upper or lower case.")), request_body = DecideBody,
    responses((status = 200, description = "The approval as it is now.", body = ApprovalDocument)))]
pub(super) async fn decide(
    State(api): State<Api>,
    _: SignedIn,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    reference: Result<Path<String>, PathRejection>,
    StrictJson(body): StrictJson<DecideBody>,
) -> Result<Json<ApprovalDocument>, Problem> {
    let reference = read_reference(reference)?;
    if body.note.as_ref().is_some_and(|note| note.len() > NOTE_BYTES_MAX) {
        return Err(Problem::NoteTooLong);
    }
    // PostgreSQL keeps none.
    if body.note.as_ref().is_some_and(|note| note.contains('\0')) {
        return Err(Problem::BodyUnexpected);
    }
    let person = still_signed_in(&headers, &api).await?;
    let decision = NewDecision {
        org: person.org,
        reference,
        by: person.approver,
        answer: match body.decision {
            DecisionName::Approve => Answer::Approve,
            DecisionName::Deny => Answer::Deny,
        },
        note: body.note,
        origin: peer.remote.to_string(),
    };
    Ok(Json(api.decider.decide(decision).await?.into()))
}

impl StateName {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::Consumed => "consumed",
            Self::Lapsed => "lapsed",
        }
    }
}

fn read_reference(path: Result<Path<String>, PathRejection>) -> Result<Reference, Problem> {
    let Path(text) = path.map_err(|_| Problem::NotFound)?;
    Reference::parse(&text).map_err(|_| Problem::NotFound)
}

fn write_cursor(position: &Position) -> String {
    format!("{}.{}", position.created_at.0, position.reference)
}

fn read_cursor(text: &str) -> Option<Position> {
    let (created_at, reference) = text.split_once('.')?;
    Some(Position {
        created_at: UnixMillis(created_at.parse().ok()?),
        reference: Reference::parse(reference).ok()?,
    })
}
