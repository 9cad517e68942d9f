//! The tools of the policy.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::{PermissionName, PieceBody, PieceDocument, Put, name};
use crate::api::paging::{Page, PageOf};
use crate::api::policy::ReasonQuery;
use crate::api::session::Reader;
use crate::api::write::{Change, NoBody};
use crate::api::{Api, Problem};
use crate::store::PieceKind;

/// Which tools.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ListQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// Only tools of this status.
    #[param(inline)]
    status: Option<StatusName>,
    /// Only tools of this category.
    category: Option<String>,
    /// Only tools with this tag.
    tag: Option<String>,
}

/// A tool, as in the policy document.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Tool)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ToolDocument {
    /// As in the path; may be left out there.
    #[schema(required = false, max_length = 1024)]
    name: String,
    /// One of the categories.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    category: Option<String>,
    /// `registered` if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    status: Option<StatusName>,
    /// `false` switches it off, whatever the rules say.
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    /// What holds where no rule matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<PermissionName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 32)]
    tags: Option<Vec<String>>,
    /// What its author says of it. It counts once somebody puts it here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    annotations: Option<AnnotationsDocument>,
    /// Two different people must approve a held call of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    second_approval: Option<bool>,
    /// How long a held call of it waits for a decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 31_536_000)]
    approval_timeout_seconds: Option<u32>,
    /// Whether a caller must say why it calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    reasoning: Option<ReasoningName>,
    /// The JSON Schema of its arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    input_schema: Option<Box<RawValue>>,
    /// SHA-256 of its definition when it was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9a-f]{64}$")]
    definition_sha256: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StatusName {
    Draft,
    Registered,
    Approved,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ReasoningName {
    None,
    Soft,
    Hard,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AnnotationsDocument {
    /// It changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    read_only: Option<bool>,
    /// It may destroy something.
    #[serde(skip_serializing_if = "Option::is_none")]
    destructive: Option<bool>,
    /// Calling it again changes nothing more.
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotent: Option<bool>,
    /// It deals with a world outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    open_world: Option<bool>,
}

impl PieceDocument for ToolDocument {
    const KIND: PieceKind = PieceKind::Tool;
}

/// Tools of the policy, in its order. Every page is of the revision that was in force when the first was asked for.
#[utoipa::path(get, path = "/v1/tools", tag = "tools", params(ListQuery),
    security(("management" = []), ("session" = [])),
    responses((status = 200, description = "A page.", body = Page<ToolDocument>)))]
pub(in crate::api) async fn list(
    State(api): State<Api>,
    Reader(actor): Reader,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Page<ToolDocument>>, Problem> {
    let Query(query) = query.map_err(|_| Problem::QueryUnexpected)?;
    let page = PageOf::read(query.cursor.as_deref(), query.limit)?;
    let is_wanted = |tool: &ToolDocument| {
        let has_status = |status| tool.status.unwrap_or(StatusName::Registered) == status;
        let has_tag = |tag| tool.tags.iter().flatten().any(|carried| carried == tag);
        query.status.is_none_or(has_status)
            && (query.category.is_none() || tool.category == query.category)
            && query.tag.as_ref().is_none_or(has_tag)
    };
    super::list(&api, &actor.org, page, is_wanted).await
}

/// A tool of the policy.
#[utoipa::path(get, path = "/v1/tools/{name}", tag = "tools", params(("name" = String, Path)),
    security(("management" = []), ("session" = [])),
    responses((status = 200, description = "The tool. `ETag` is the revision that it came with.", body = ToolDocument, headers(("ETag" = String))),
        (status = 304, description = "It is what `If-None-Match` names.")))]
pub(in crate::api) async fn show(
    State(api): State<Api>,
    Reader(actor): Reader,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    super::show::<ToolDocument>(&api, &actor.org, &name(path)?, &headers).await
}

/// Adds a tool to the policy, or replaces the one of that name.
#[utoipa::path(put, path = "/v1/tools/{name}", tag = "tools", params(("name" = String, Path), ReasonQuery),
    request_body = ToolDocument, security(("management" = [])),
    responses((status = 200, description = "It is in force.", body = ToolDocument, headers(("ETag" = String))),
        (status = 201, description = "It is new, and in force.", body = ToolDocument, headers(("ETag" = String)))))]
pub(in crate::api) async fn put(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<ReasonQuery>, QueryRejection>,
    Change { write, body }: Change<PieceBody>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|_| Problem::QueryUnexpected)?;
    let put = Put { name: name(path)?, body, before: None, reason: query.reason };
    super::put::<ToolDocument>(&api, write, put).await
}

/// Takes a tool out of the policy.
#[utoipa::path(delete, path = "/v1/tools/{name}", tag = "tools", params(("name" = String, Path), ReasonQuery),
    security(("management" = [])), responses((status = 204, description = "It is gone.")))]
pub(in crate::api) async fn delete(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<ReasonQuery>, QueryRejection>,
    Change { write, body: NoBody }: Change<NoBody>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|_| Problem::QueryUnexpected)?;
    super::delete::<ToolDocument>(&api, write, name(path)?, query.reason).await
}
