//! The settings of the policy: what is not of one category, tool or rule.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ReasonQuery;
use crate::api::pieces::{self, PieceBody, PieceDocument, Put};
use crate::api::session::Reader;
use crate::api::write::Change;
use crate::api::{Api, Problem};
use crate::store::PieceKind;

/// Settings, as in the policy document. What is left out has its default.
#[derive(Serialize, Deserialize, ToSchema)]
#[schema(as = PolicySettings)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct SettingsDocument {
    #[serde(default)]
    #[schema(inline)]
    mode: ModeName,
    #[serde(default)]
    #[schema(inline)]
    precedence: PrecedenceName,
    #[serde(default)]
    #[schema(inline)]
    unlisted_tools: UnlistedName,
}

#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(default = "enforce")]
enum ModeName {
    #[default]
    Enforce,
    Observe,
}

#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
#[schema(default = "tool-first")]
enum PrecedenceName {
    #[default]
    ToolFirst,
    ResourceFirst,
}

#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(default = "clamp")]
enum UnlistedName {
    #[default]
    Clamp,
    Trust,
}

impl PieceDocument for SettingsDocument {
    const KIND: PieceKind = PieceKind::Settings;
}

/// The settings of the policy.
#[utoipa::path(get, path = "/v1/policy/settings", tag = "policy", security(("management" = []), ("session" = [])),
    responses((status = 200, description = "The settings. `ETag` is the revision that they came with.", body = SettingsDocument, headers(("ETag" = String))),
        (status = 304, description = "They are what `If-None-Match` names.")))]
pub(in crate::api) async fn show(
    State(api): State<Api>,
    Reader(actor): Reader,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    pieces::show::<SettingsDocument>(&api, &actor.org, "", &headers).await
}

/// Changes the settings of the policy.
#[utoipa::path(put, path = "/v1/policy/settings", tag = "policy", params(ReasonQuery), request_body = SettingsDocument,
    security(("management" = [])),
    responses((status = 200, description = "They are in force.", body = SettingsDocument, headers(("ETag" = String))),
        (status = 201, description = "They are in force, and begin the policy.", body = SettingsDocument, headers(("ETag" = String)))))]
pub(in crate::api) async fn replace(
    State(api): State<Api>,
    query: Result<Query<ReasonQuery>, QueryRejection>,
    Change { write, body }: Change<PieceBody>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|_| Problem::QueryUnexpected)?;
    let put = Put { name: String::new(), body, before: None, reason: query.reason };
    pieces::put::<SettingsDocument>(&api, write, put).await
}
