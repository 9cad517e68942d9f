//! What was done and asked in an organisation. Nothing here takes a record away; old ones are swept.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::moment::Moment;
use super::paging::{Page, PageOf, write_cursor};
use super::pieces::PermissionName;
use super::session::Reader;
use super::{Api, Problem};
use crate::store::{ActivityFilter, KeptActivity, StoreError};

/// Longest value of a filter.
const FILTER_BYTES_MAX: usize = 2048;

/// Which records are asked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ActivityQuery {
    /// Such as `rule.put`, or `rule.*` for everything that is done to rules.
    #[param(pattern = r"^[a-z_]+\.([a-z_]+|\*)$")]
    action: Option<String>,
    /// The id of who did or asked it.
    actor: Option<String>,
    /// What it was done to: a tool, a rule, a key.
    object: Option<String>,
    /// The tenant of a call.
    tenant: Option<String>,
    #[param(inline)]
    permission: Option<PermissionName>,
    /// From then on.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Moment>,
    /// Before then.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Moment>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// A record.
#[derive(Serialize, ToSchema)]
#[schema(as = Activity)]
pub(super) struct ActivityDocument {
    id: String,
    #[schema(inline)]
    at: Moment,
    action: String,
    /// What it was done to.
    object: String,
    /// Who did or asked it.
    actor: String,
    /// `management`, `standard`, `agent`, `person`, or `host` for commands on the host itself.
    actor_kind: String,
    /// The address that the request came from; empty for the host's own.
    origin: String,
    /// Of a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    /// Of a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    permission: Option<String>,
    /// Whatever else there is to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    details: Option<Box<RawValue>>,
}

/// What can be read of the records.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

/// Every record of the organisation that fits, newest first.
#[utoipa::path(get, path = "/v1/activity", tag = "activity", params(ActivityQuery), security(("management" = []), ("session" = [])),
    responses((status = 200, description = "A page.", body = Page<ActivityDocument>)))]
async fn list(
    State(api): State<Api>,
    Reader(actor): Reader,
    query: Result<Query<ActivityQuery>, QueryRejection>,
) -> Result<Json<Page<ActivityDocument>>, Problem> {
    let Query(query) = query.map_err(|_| Problem::QueryUnexpected)?;
    let page = PageOf::read(query.cursor.as_deref(), query.limit)?;
    let filter = query.filter(actor.org, &page).ok_or(Problem::QueryUnexpected)?;
    let read = api.store.activity_page(&filter).await?;
    let records = read.items.into_iter().map(ActivityDocument::read).collect::<Result<_, _>>()?;
    let mut page = page.fill(records, &api.metrics, |record| record.id.clone(), |record| record);
    // It may be the end of those that could be looked at.
    page.next_cursor = page.next_cursor.or_else(|| read.next.map(|id| write_cursor(&id.to_string())));
    Ok(Json(page))
}

/// One record.
#[utoipa::path(get, path = "/v1/activity/{id}", tag = "activity", security(("management" = []), ("session" = [])),
    params(("id" = String, Path)), responses((status = 200, description = "The record.", body = ActivityDocument)))]
async fn show(
    State(api): State<Api>,
    Reader(actor): Reader,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<ActivityDocument>, Problem> {
    let Path(id) = id.map_err(|_| Problem::NotFound)?;
    let id = Uuid::parse_str(&id).map_err(|_| Problem::NotFound)?;
    let record = api.store.activity(&actor.org, id).await?.ok_or(Problem::NotFound)?;
    Ok(Json(ActivityDocument::read(record)?))
}

impl ActivityQuery {
    /// `None`: a parameter has a wrong form.
    fn filter(self, org: String, page: &PageOf) -> Option<ActivityFilter> {
        let (action, action_kind) = match self.action.as_deref().map(read_action) {
            None => (None, None),
            Some(action) => action?,
        };
        let before = match page.after.as_str() {
            "" => None,
            id => Some(Uuid::parse_str(id).ok()?),
        };
        let texts = [&self.actor, &self.object, &self.tenant];
        let is_good = |text: &&String| text.len() <= FILTER_BYTES_MAX && !text.contains('\0');
        if !texts.into_iter().flatten().all(|text| is_good(&text)) {
            return None;
        }
        Some(ActivityFilter {
            org,
            action,
            action_kind,
            actor: self.actor,
            object: self.object,
            tenant: self.tenant,
            permission: self.permission.map(PermissionName::as_str),
            since: self.since.map(|Moment(since)| since),
            until: self.until.map(|Moment(until)| until),
            before,
            limit: page.limit,
        })
    }
}

/// An action, or the first word of one.
fn read_action(text: &str) -> Option<(Option<String>, Option<String>)> {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let (kind, what) = text.split_once('.')?;
    match what {
        "*" if is_word(kind) => Some((None, Some(kind.to_owned()))),
        what if is_word(kind) && is_word(what) => Some((Some(text.to_owned()), None)),
        _ => None,
    }
}

impl ActivityDocument {
    fn read(record: KeptActivity) -> Result<Self, StoreError> {
        let details = record.details.map(RawValue::from_string).transpose();
        Ok(Self {
            id: record.id,
            at: Moment(record.at),
            action: record.action,
            object: record.object,
            actor: record.actor,
            actor_kind: record.actor_kind,
            origin: record.origin,
            tenant: record.tenant,
            permission: record.permission,
            details: details.map_err(|_| StoreError::damaged("activity", "details"))?,
        })
    }
}
