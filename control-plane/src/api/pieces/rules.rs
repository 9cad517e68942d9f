//! The rules of the policy.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use utoipa::{IntoParams, ToSchema};

use super::{PermissionName, PieceBody, PieceDocument, Put, name};
use crate::api::paging::{Page, PageOf};
use crate::api::policy::ReasonQuery;
use crate::api::session::Reader;
use crate::api::write::{Change, NoBody};
use crate::api::{Api, Problem};
use crate::names::Description;
use crate::store::PieceKind;

/// Which rules.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ListQuery {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// Only rules that name this tenant, as written.
    tenant: Option<String>,
    /// Only rules that name this resource, as written.
    resource: Option<String>,
    /// Only rules that name this tool, as written.
    tool: Option<String>,
    /// Only rules that name this method, as written.
    method: Option<String>,
    /// Only rules that name this tag, as written.
    tag: Option<String>,
}

/// Where a rule goes, and why.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct PutQuery {
    /// The id of the rule that it is to stand before. Without it a rule stays where it is, and a new one comes last.
    before: Option<String>,
    #[param(inline)]
    reason: Option<Description>,
}

/// A rule, as in the policy document.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = Rule)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct RuleDocument {
    /// As in the path; may be left out there.
    #[schema(required = false, max_length = 1024)]
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    tenant: Option<String>,
    /// May end in `*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    resource: Option<String>,
    /// May end in `*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    tool: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    method: Option<String>,
    /// Instead of the others but `tenant`: tools with this tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1024)]
    tag: Option<String>,
    permission: PermissionName,
    /// A CEL expression; the rule applies only where it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4096)]
    when: Option<String>,
    /// Shown to the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 4096)]
    reason: Option<String>,
}

impl PieceDocument for RuleDocument {
    const KIND: PieceKind = PieceKind::Rule;
}

/// Rules of the policy, in its order. Every page is of the revision that was in force when the first was asked for.
#[utoipa::path(get, path = "/v1/rules", tag = "rules", params(ListQuery),
    security(("management" = []), ("session" = [])),
    responses((status = 200, description = "A page.", body = Page<RuleDocument>)))]
pub(in crate::api) async fn list(
    State(api): State<Api>,
    Reader(actor): Reader,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Page<RuleDocument>>, Problem> {
    let Query(query) = query.map_err(|_| Problem::QueryUnexpected)?;
    let page = PageOf::read(query.cursor.as_deref(), query.limit)?;
    let is_wanted = |rule: &RuleDocument| {
        (query.tenant.is_none() || rule.tenant == query.tenant)
            && (query.resource.is_none() || rule.resource == query.resource)
            && (query.tool.is_none() || rule.tool == query.tool)
            && (query.method.is_none() || rule.method == query.method)
            && (query.tag.is_none() || rule.tag == query.tag)
    };
    super::list(&api, &actor.org, page, is_wanted).await
}

/// A rule of the policy.
#[utoipa::path(get, path = "/v1/rules/{id}", tag = "rules", params(("id" = String, Path)),
    security(("management" = []), ("session" = [])),
    responses((status = 200, description = "The rule. `ETag` is the revision that it came with.", body = RuleDocument, headers(("ETag" = String))),
        (status = 304, description = "It is what `If-None-Match` names.")))]
pub(in crate::api) async fn show(
    State(api): State<Api>,
    Reader(actor): Reader,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    super::show::<RuleDocument>(&api, &actor.org, &name(path)?, &headers).await
}

/// Adds a rule to the policy, or replaces the one of that id.
#[utoipa::path(put, path = "/v1/rules/{id}", tag = "rules", params(("id" = String, Path), PutQuery),
    request_body = RuleDocument, security(("management" = [])),
    responses((status = 200, description = "It is in force.", body = RuleDocument, headers(("ETag" = String))),
        (status = 201, description = "It is new, and in force.", body = RuleDocument, headers(("ETag" = String)))))]
pub(in crate::api) async fn put(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<PutQuery>, QueryRejection>,
    Change { write, body }: Change<PieceBody>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|_| Problem::QueryUnexpected)?;
    let put = Put { name: name(path)?, body, before: query.before, reason: query.reason };
    super::put::<RuleDocument>(&api, write, put).await
}

/// Takes a rule out of the policy.
#[utoipa::path(delete, path = "/v1/rules/{id}", tag = "rules", params(("id" = String, Path), ReasonQuery),
    security(("management" = [])), responses((status = 204, description = "It is gone.")))]
pub(in crate::api) async fn delete(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<ReasonQuery>, QueryRejection>,
    Change { write, body: NoBody }: Change<NoBody>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|_| Problem::QueryUnexpected)?;
    super::delete::<RuleDocument>(&api, write, name(path)?, query.reason).await
}
