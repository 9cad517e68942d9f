//! What became of calls whose receipts were redeemed.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use policy::UnixMillis;
use receipt::Nonce;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::check_note;
use super::paging::{Page, PageOf, older};
use super::session::Reader;
use super::write::{Done, Run};
use super::{Api, Problem};
use crate::store::{Execution, ExecutionFilter, Outcome, Record, Report, Tier};

/// What became of a call.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LogBody {
    /// `jti` of the receipt that was redeemed.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9_-]{21}[AQgw]$")]
    jti: Nonce,
    #[schema(inline)]
    outcome: OutcomeName,
    /// Such as an HTTP status.
    status: Option<u32>,
    duration_ms: Option<u32>,
    #[schema(max_length = 1000)]
    note: Option<String>,
}

/// How a call ended.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum OutcomeName {
    /// It did what it should.
    Success,
    /// The tool said no.
    Failed,
    /// It broke.
    Error,
    /// Nobody knows.
    Unknown,
}

/// What may be asked of the list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    #[param(min_length = 1, pattern = r"^[^\u0000]+$")]
    tool: Option<String>,
    #[param(inline)]
    outcome: Option<FilterName>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// The outcomes by which the list can be narrowed; `open`: nobody has said yet.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum FilterName {
    Open,
    Success,
    Failed,
    Error,
    Unknown,
}

/// A call whose receipt was redeemed. What it lacks is left out.
#[derive(Serialize, ToSchema)]
#[schema(as = Execution)]
pub(super) struct ExecutionDocument {
    jti: String,
    backend: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    caller: String,
    redeemed_by: String,
    #[schema(value_type = u64)]
    redeemed_at_unix_ms: UnixMillis,
    /// `open` until somebody says what became of it.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logged_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    logged_at_unix_ms: Option<UnixMillis>,
}

/// The operations on executions.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, log))
}

/// Logs what became of a call whose receipt was redeemed, once. An agent's key logs what it redeemed itself.
#[utoipa::path(post, path = "/v1/executions", tag = "receipts", security(("standard" = []), ("agent" = [])),
    request_body = LogBody,
    responses((status = 201, description = "It is logged.", body = ExecutionDocument)))]
async fn log(State(api): State<Api>, Run { write, holder, body }: Run<LogBody>) -> Result<Response, Problem> {
    check_note(body.note.as_deref())?;
    let mut edit = match write.begin(&api).await? {
        Ok(edit) => edit,
        Err(repeated) => return Ok(repeated),
    };
    let execution = edit.execution(&body.jti.to_string()).await?;
    let may_log = |execution: &Execution| holder.tier != Tier::Agent || execution.redeemed_by == holder.id;
    let execution = execution.filter(may_log).ok_or(Problem::NotFound)?;
    if execution.report.outcome != Outcome::Open {
        return Err(Problem::AlreadyLogged);
    }
    let report = Report {
        outcome: body.outcome.into(),
        status: body.status,
        duration_ms: body.duration_ms,
        note: body.note,
    };
    let execution = edit.close_execution(execution, report).await?;
    let report = &execution.report;
    let details =
        json!({"tool": execution.tool, "outcome": report.outcome.as_str(), "status": report.status});
    let record = Record {
        tenant: execution.tenant.clone(),
        details: Some(details),
        ..Record::of("execution.log", &execution.jti)
    };
    let document = ExecutionDocument::from(execution);
    Ok(Done::json(StatusCode::CREATED, &document)?.commit(edit, &record).await?.into_response())
}

/// Calls of the organisation whose receipts were redeemed in the last 30 days, newest first.
#[utoipa::path(get, path = "/v1/executions", tag = "receipts", params(ListQuery),
    security(("management" = []), ("session" = [])),
    responses((status = 200, description = "A page.", body = Page<ExecutionDocument>)))]
async fn list(
    State(api): State<Api>,
    Reader(actor): Reader,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<Page<ExecutionDocument>>, Problem> {
    let Query(query) = query.map_err(|_| Problem::QueryUnexpected)?;
    let page = PageOf::read(query.cursor.as_deref(), query.limit)?;
    let before = page.before()?.map(position).transpose()?;
    let outcome = query.outcome.map(Outcome::from);
    let tool = query.tool;
    if tool.as_ref().is_some_and(|tool| tool.is_empty() || tool.contains('\0')) {
        return Err(Problem::QueryUnexpected);
    }
    let filter = ExecutionFilter { org: actor.org, tool, outcome, before, limit: page.limit };
    let executions = api.store.executions(&filter).await?;
    let place = |last: &Execution| older(last.redeemed_at, &last.jti);
    Ok(Json(page.fill(executions, &api.metrics, place, ExecutionDocument::from)))
}

impl From<OutcomeName> for Outcome {
    fn from(name: OutcomeName) -> Self {
        match name {
            OutcomeName::Success => Self::Success,
            OutcomeName::Failed => Self::Failed,
            OutcomeName::Error => Self::Error,
            OutcomeName::Unknown => Self::Unknown,
        }
    }
}

impl From<FilterName> for Outcome {
    fn from(name: FilterName) -> Self {
        match name {
            FilterName::Open => Self::Open,
            FilterName::Success => Self::Success,
            FilterName::Failed => Self::Failed,
            FilterName::Error => Self::Error,
            FilterName::Unknown => Self::Unknown,
        }
    }
}

impl From<Execution> for ExecutionDocument {
    fn from(execution: Execution) -> Self {
        let Report { outcome, status, duration_ms, note } = execution.report;
        Self {
            jti: execution.jti,
            backend: execution.backend,
            tool: execution.tool,
            tenant: execution.tenant,
            resource: execution.resource,
            method: execution.method,
            caller: execution.caller,
            redeemed_by: execution.redeemed_by,
            redeemed_at_unix_ms: execution.redeemed_at,
            outcome: outcome.as_str(),
            status,
            duration_ms,
            note,
            logged_by: execution.logged_by,
            logged_at_unix_ms: execution.logged_at,
        }
    }
}

fn position((redeemed_at, jti): (UnixMillis, &str)) -> Result<(UnixMillis, String), Problem> {
    let is_jti =
        jti.len() == 22 && jti.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_jti { Ok((redeemed_at, jti.to_owned())) } else { Err(Problem::QueryUnexpected) }
}
