//! Drafts: tools that proxies saw and nobody has accepted.

pub(super) mod decide;
mod representation;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::representation::DraftDocument;
use super::paging::{Page, PageOf, older};
use super::pieces::name as name_in;
use super::session::Reader;
use super::write::{Change, Done, NoBody, check_match, etag};
use super::{Api, Problem};
use crate::store::{Draft, DraftFilter, DraftPosition, DraftState, Edit, Record};

/// What may be asked of the list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct DraftQuery {
    /// Those that nobody has decided on, unless asked for otherwise.
    #[param(inline)]
    state: Option<StateName>,
    /// Of one backend.
    backend: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StateName {
    Draft,
    Accepted,
    Rejected,
}

/// The operations on drafts.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show, forget))
        .routes(routes!(decide::accept))
        .routes(routes!(decide::reject))
}

/// Drafts of the organisation, newest first. What is rejected or accepted is listed only if it is asked for.
#[utoipa::path(get, path = "/v1/drafts", tag = "drafts", params(DraftQuery), security(("management" = []), ("session" = [])),
    responses((status = 200, description = "A page.", body = Page<DraftDocument>)))]
async fn list(
    State(api): State<Api>,
    Reader(actor): Reader,
    query: Result<Query<DraftQuery>, QueryRejection>,
) -> Result<Json<Page<DraftDocument>>, Problem> {
    let Query(query) = query.map_err(|_| Problem::QueryUnexpected)?;
    let page = PageOf::read(query.cursor.as_deref(), query.limit)?;
    if query.backend.as_ref().is_some_and(|name| name.contains('\0')) {
        return Err(Problem::QueryUnexpected);
    }
    // No cursor has a NUL.
    let before = page.before()?;
    let before = before.map(|(first_seen_at, name)| DraftPosition { first_seen_at, name: name.to_owned() });
    let state = match query.state {
        None | Some(StateName::Draft) => DraftState::Draft,
        Some(StateName::Accepted) => DraftState::Accepted,
        Some(StateName::Rejected) => DraftState::Rejected,
    };
    let filter = DraftFilter { org: actor.org, state, backend: query.backend, before, limit: page.limit };
    let drafts = api.store.drafts(&filter).await?;
    let place = |last: &Draft| older(last.first_seen_at, &last.name);
    Ok(Json(page.fill(drafts, &api.metrics, place, DraftDocument::from)))
}

/// One draft.
#[utoipa::path(get, path = "/v1/drafts/{name}", tag = "drafts", security(("management" = []), ("session" = [])),
    params(("name" = String, Path, description = "The tool's name, percent-encoded.")),
    responses((status = 200, description = "The draft.", body = DraftDocument, headers(("ETag" = String)))))]
async fn show(
    State(api): State<Api>,
    Reader(actor): Reader,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    // A tool has the name that its backend gave it, however it looks.
    let name = name_in(name)?;
    let draft = api.store.draft(&actor.org, &name).await?.ok_or(Problem::NotFound)?;
    let etag = etag(draft.version);
    Ok(([(axum::http::header::ETAG, etag)], Json(DraftDocument::from(draft))).into_response())
}

/// Forgets a draft, rejected or not: its tool is new when it is seen again.
#[utoipa::path(delete, path = "/v1/drafts/{name}", tag = "drafts", security(("management" = [])),
    params(("name" = String, Path, description = "The tool's name, percent-encoded.")),
    responses((status = 204, description = "It is forgotten.")))]
async fn forget(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
    change: Change<NoBody>,
) -> Result<Response, Problem> {
    let name = name_in(name)?;
    let if_match = change.write.if_match.clone();
    let mut edit = match change.write.begin(&api).await? {
        Ok(edit) => edit,
        Err(repeated) => return Ok(repeated),
    };
    found(&mut edit, &name, if_match.as_deref()).await?;
    edit.forget_draft(&name).await?;
    Ok(Done::empty().commit(edit, &Record::of("draft.forget", &name)).await?.into_response())
}

/// The draft of that name, if `If-Match` lets it be changed.
async fn found(edit: &mut Edit, name: &str, if_match: Option<&str>) -> Result<Draft, Problem> {
    let draft = edit.draft(name).await?.ok_or(Problem::NotFound)?;
    check_match(if_match, draft.version)?;
    Ok(draft)
}
