//! Listing, showing and deciding approvals.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use axum::http::HeaderMap;
use policy::UnixMillis;
use policy::approval::Reference;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::{StrictJson, check_note};
use super::paging::{Page, PageOf, older};
use super::representation::ApprovalDocument;
use super::serve::Peer;
use super::session::{SignedIn, still_signed_in};
use super::{Api, Problem};
use crate::store::{Answer, Approval, Filter, NewDecision, Position};

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

/// The operations on approvals.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(decide))
}

/// Approvals of the person's organisation, newest first.
#[utoipa::path(get, path = "/v1/approvals", tag = "approvals", params(super::approvals::ListQuery), security(("session" = [])),
    responses((status = 200, description = "A page.", body = Page<ApprovalDocument>)))]
async fn list(
    State(api): State<Api>,
    SignedIn(person): SignedIn,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Page<ApprovalDocument>>, Problem> {
    let Query(query) = query.map_err(|_| Problem::QueryUnexpected)?;
    let page = PageOf::read(query.cursor.as_deref(), query.limit)?;
    let before = page.before()?.map(position).transpose()?;
    let state = query.state.map(StateName::as_str);
    let filter = Filter { org: person.org, state, before, limit: page.limit };
    let approvals = api.store.approvals(&filter).await?;
    let place = |last: &Approval| older(last.created_at, last.reference.as_str());
    Ok(Json(page.fill(approvals, &api.metrics, place, ApprovalDocument::from)))
}

/// One approval, with the decisions on it.
#[utoipa::path(get, path = "/v1/approvals/{reference}", tag = "approvals", security(("session" = [])),
    params(("reference" = String, Path, description = "In upper or lower case.")),
    responses((status = 200, description = "The approval.", body = ApprovalDocument)))]
async fn show(
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
async fn decide(
    State(api): State<Api>,
    _: SignedIn,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    reference: Result<Path<String>, PathRejection>,
    StrictJson(body): StrictJson<DecideBody>,
) -> Result<Json<ApprovalDocument>, Problem> {
    let reference = read_reference(reference)?;
    check_note(body.note.as_deref())?;
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

fn position((created_at, reference): (UnixMillis, &str)) -> Result<Position, Problem> {
    let reference = Reference::parse(reference).map_err(|_| Problem::QueryUnexpected)?;
    Ok(Position { created_at, reference })
}
