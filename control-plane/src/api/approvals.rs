//! Listing, showing and deciding approvals.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use policy::UnixMillis;
use policy::approval::Reference;
use serde::Deserialize;

use super::body::StrictJson;
use super::representation::{ApprovalDocument, Page};
use super::serve::Peer;
use super::session::SignedIn;
use super::{Api, Problem};
use crate::store::{Answer, Filter, NewDecision, Position};

/// Approvals on a page, unless asked for otherwise.
const PAGE_DEFAULT: u32 = 50;

/// Most approvals on a page.
const PAGE_MAX: u32 = 200;

/// Longest note.
const NOTE_BYTES_MAX: usize = 1000;

/// What may be asked of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    state: Option<StateName>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    limit: Option<u32>,
}

/// The states by which the list can be narrowed.
#[derive(Clone, Copy, Deserialize)]
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
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DecideBody {
    decision: DecisionName,
    note: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DecisionName {
    Approve,
    Deny,
}

/// `GET /v1/approvals`: those of the person's org, newest first.
pub(super) async fn list(
    State(api): State<Api>,
    SignedIn(person): SignedIn,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Page>, Problem> {
    let Query(query) = query.map_err(|_| Problem::QueryUnexpected)?;
    let limit = query.limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Problem::QueryUnexpected);
    }
    let before = match query.cursor {
        Some(cursor) => Some(read_cursor(&cursor).ok_or(Problem::QueryUnexpected)?),
        None => None,
    };
    let state = query.state.map(StateName::as_str);
    let filter = Filter { org: person.org, state, before, limit };
    let approvals = api.store.approvals(&filter).await?;
    let is_full = u32::try_from(approvals.len()).is_ok_and(|count| count == limit);
    let next_cursor = approvals.last().filter(|_| is_full).map(|last| write_cursor(&last.position()));
    Ok(Json(Page { items: approvals.into_iter().map(ApprovalDocument::from).collect(), next_cursor }))
}

/// `GET /v1/approvals/{reference}`, with the decisions on it.
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

/// `POST /v1/approvals/{reference}/decide`. Answered once the decision is durable.
pub(super) async fn decide(
    State(api): State<Api>,
    SignedIn(person): SignedIn,
    Extension(peer): Extension<Peer>,
    reference: Result<Path<String>, PathRejection>,
    StrictJson(body): StrictJson<DecideBody>,
) -> Result<Json<ApprovalDocument>, Problem> {
    let reference = read_reference(reference)?;
    if body.note.as_ref().is_some_and(|note| note.len() > NOTE_BYTES_MAX) {
        return Err(Problem::NoteTooLong);
    }
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
