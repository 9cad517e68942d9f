//! Drafts: tools that proxies saw and nobody has accepted.

pub(super) mod decide;
mod representation;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use policy::UnixMillis;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use self::representation::{DraftDocument, DraftPage};
use super::name::Name;
use super::paging::{page, read_limit};
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

/// Drafts of the organisation, newest first. What is rejected or accepted is listed only if it is asked for.
#[utoipa::path(get, path = "/v1/drafts", tag = "drafts", params(DraftQuery), security(("management" = []), ("session" = [])),
    responses((status = 200, description = "A page.", body = DraftPage)))]
pub(super) async fn list(
    State(api): State<Api>,
    Reader(actor): Reader,
    query: Result<Query<DraftQuery>, QueryRejection>,
) -> Result<Json<DraftPage>, Problem> {
    let Query(query) = query.map_err(|_| Problem::QueryUnexpected)?;
    let limit = read_limit(query.limit)?;
    if query.backend.as_ref().is_some_and(|name| name.contains('\0')) {
        return Err(Problem::QueryUnexpected);
    }
    let before = match query.cursor {
        Some(cursor) => Some(read_cursor(&cursor).ok_or(Problem::QueryUnexpected)?),
        None => None,
    };
    let state = match query.state {
        None | Some(StateName::Draft) => DraftState::Draft,
        Some(StateName::Accepted) => DraftState::Accepted,
        Some(StateName::Rejected) => DraftState::Rejected,
    };
    let filter = DraftFilter { org: actor.org, state, backend: query.backend, before, limit };
    let drafts = api.store.drafts(&filter).await?;
    let cursor = |last: &Draft| write_cursor(&last.position());
    let (items, next_cursor) = page(drafts, limit, &api.metrics, cursor, DraftDocument::from);
    Ok(Json(DraftPage { items, next_cursor }))
}

/// One draft.
#[utoipa::path(get, path = "/v1/drafts/{name}", tag = "drafts", security(("management" = []), ("session" = [])),
    params(("name" = String, Path, description = "The tool's name, percent-encoded.")),
    responses((status = 200, description = "The draft.", body = DraftDocument, headers(("ETag" = String)))))]
pub(super) async fn show(
    State(api): State<Api>,
    Reader(actor): Reader,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let name = read_name(name)?;
    let draft = api.store.draft(&actor.org, name.as_str()).await?.ok_or(Problem::NotFound)?;
    let etag = etag(draft.version);
    Ok(([(axum::http::header::ETAG, etag)], Json(DraftDocument::from(draft))).into_response())
}

/// Forgets a draft, rejected or not: its tool is new when it is seen again.
#[utoipa::path(delete, path = "/v1/drafts/{name}", tag = "drafts", security(("management" = [])),
    params(("name" = String, Path, description = "The tool's name, percent-encoded.")),
    responses((status = 204, description = "It is forgotten.")))]
pub(super) async fn forget(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
    change: Change<NoBody>,
) -> Result<Response, Problem> {
    let name = read_name(name)?;
    let if_match = change.write.if_match.clone();
    let mut edit = match change.write.begin(&api).await? {
        Ok(edit) => edit,
        Err(repeated) => return Ok(repeated),
    };
    found(&mut edit, name.as_str(), if_match.as_deref()).await?;
    edit.forget_draft(name.as_str()).await?;
    Ok(Done::empty().commit(edit, &Record::of("draft.forget", name.as_str())).await?.into_response())
}

/// The draft of that name, if `If-Match` lets it be changed.
async fn found(edit: &mut Edit, name: &str, if_match: Option<&str>) -> Result<Draft, Problem> {
    let draft = edit.draft(name).await?.ok_or(Problem::NotFound)?;
    check_match(if_match, draft.version)?;
    Ok(draft)
}

fn read_name(path: Result<Path<String>, PathRejection>) -> Result<Name, Problem> {
    let Path(name) = path.map_err(|_| Problem::NotFound)?;
    Name::try_from(name).map_err(|_| Problem::NotFound)
}

fn write_cursor(position: &DraftPosition) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}.{}", position.first_seen_at.0, position.name))
}

fn read_cursor(text: &str) -> Option<DraftPosition> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (first_seen_at, name) = text.split_once('.')?;
    let name = Name::try_from(name.to_owned()).ok()?;
    Some(DraftPosition { first_seen_at: UnixMillis(first_seen_at.parse().ok()?), name: name.into() })
}
