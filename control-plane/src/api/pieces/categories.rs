//! The categories of the policy.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use utoipa::ToSchema;

use super::{PermissionName, PieceBody, PieceDocument, Put, name};
use crate::api::paging::{Page, PageQuery};
use crate::api::policy::ReasonQuery;
use crate::api::session::Reader;
use crate::api::write::{Change, NoBody};
use crate::api::{Api, Problem};
use crate::store::PieceKind;

/// A category, as in the policy document.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Category)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct CategoryDocument {
    /// As in the path; may be left out there.
    #[schema(required = false, max_length = 1024)]
    name: String,
    /// What holds for its tools where no rule matches and the tool has no default of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<PermissionName>,
}

impl PieceDocument for CategoryDocument {
    const KIND: PieceKind = PieceKind::Category;
}

/// Categories of the policy, in its order. Every page is of the revision that was in force when the first was asked for.
#[utoipa::path(get, path = "/v1/categories", tag = "categories", params(PageQuery),
    security(("management" = []), ("session" = [])),
    responses((status = 200, description = "A page.", body = Page<CategoryDocument>)))]
pub(in crate::api) async fn list(
    State(api): State<Api>,
    Reader(actor): Reader,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<CategoryDocument>>, Problem> {
    let page = query.map_err(|_| Problem::QueryUnexpected)?.0.read()?;
    super::list(&api, &actor.org, page, |_| true).await
}

/// A category of the policy.
#[utoipa::path(get, path = "/v1/categories/{name}", tag = "categories", params(("name" = String, Path)),
    security(("management" = []), ("session" = [])),
    responses((status = 200, description = "The category. `ETag` is the revision that it came with.", body = CategoryDocument, headers(("ETag" = String))),
        (status = 304, description = "It is what `If-None-Match` names.")))]
pub(in crate::api) async fn show(
    State(api): State<Api>,
    Reader(actor): Reader,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    super::show::<CategoryDocument>(&api, &actor.org, &name(path)?, &headers).await
}

/// Adds a category to the policy, or replaces the one of that name.
#[utoipa::path(put, path = "/v1/categories/{name}", tag = "categories", params(("name" = String, Path), ReasonQuery),
    request_body = CategoryDocument, security(("management" = [])),
    responses((status = 200, description = "It is in force.", body = CategoryDocument, headers(("ETag" = String))),
        (status = 201, description = "It is new, and in force.", body = CategoryDocument, headers(("ETag" = String)))))]
pub(in crate::api) async fn put(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<ReasonQuery>, QueryRejection>,
    Change { write, body }: Change<PieceBody>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|_| Problem::QueryUnexpected)?;
    let put = Put { name: name(path)?, body, before: None, reason: query.reason };
    super::put::<CategoryDocument>(&api, write, put).await
}

/// Takes a category out of the policy.
#[utoipa::path(delete, path = "/v1/categories/{name}", tag = "categories", params(("name" = String, Path), ReasonQuery),
    security(("management" = [])), responses((status = 204, description = "It is gone.")))]
pub(in crate::api) async fn delete(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<ReasonQuery>, QueryRejection>,
    Change { write, body: NoBody }: Change<NoBody>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|_| Problem::QueryUnexpected)?;
    super::delete::<CategoryDocument>(&api, write, name(path)?, query.reason).await
}
