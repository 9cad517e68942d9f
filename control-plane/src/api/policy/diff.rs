//! What a candidate for the policy would change.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use policy::diff::{Comparison, Direction, SettingChange, VerdictChange};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::recorded::RecordedDocument;
use super::{PolicyText, Turn, pieces};
use crate::api::body::read_whole;
use crate::api::session::still_reads;
use crate::api::write::ReadBody;
use crate::api::{Api, Problem};
use crate::policies::Difference;

/// Most changes that are answered of each kind.
const CHANGES_MAX: usize = 10_000;

/// Recorded calls that are decided again, unless asked for otherwise.
const RECORDED_DEFAULT: u32 = 200;

/// Most recorded calls that are decided again.
const RECORDED_MAX: u32 = 1000;

/// What the candidate is compared with.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct DiffQuery {
    /// A revision. Without it the policy in force, or one that says nothing if there is none.
    #[param(minimum = 1)]
    against: Option<u64>,
    /// How many of the newest recorded calls are decided again.
    #[param(maximum = 1000, default = 200)]
    recorded: Option<u32>,
}

/// What would change.
#[derive(Serialize, ToSchema)]
#[schema(as = PolicyDiff)]
pub(in crate::api) struct DiffDocument {
    /// The revision that the candidate was compared with; 0: there is none.
    against: u64,
    /// Nothing was left out. Otherwise the two differ in too much for all of it to be looked at or listed.
    complete: bool,
    /// Something goes through more easily.
    loosens: bool,
    /// Something does, or it depends on a condition, or not everything was looked at.
    may_loosen: bool,
    /// Calls whose verdict changes, looser ones first, as `oakgate policy diff --json` has them.
    #[schema(value_type = Vec<serde_json::Value>)]
    verdicts: Vec<VerdictChange>,
    /// Settings that change.
    #[schema(value_type = Vec<serde_json::Value>)]
    settings: Vec<SettingChange>,
    /// The same in words, as `oakgate policy diff` prints it.
    lines: Vec<String>,
    recorded: RecordedDocument,
}

/// Says for which calls the verdict would change, and what would become of the newest recorded ones. Changes nothing.
#[utoipa::path(post, path = "/v1/policy/diff", tag = "policy", params(DiffQuery),
    request_body(content((serde_json::Value = "application/json"), (String = "application/yaml"))),
    security(("management" = []), ("session" = [])),
    responses((status = 200, description = "What would change.", body = DiffDocument)))]
pub(in crate::api) async fn diff(
    State(api): State<Api>,
    Turn { permit }: Turn,
    query: Result<Query<DiffQuery>, QueryRejection>,
    request: Request,
) -> Result<Json<DiffDocument>, Problem> {
    let Query(query) = query.map_err(|_| Problem::QueryUnexpected)?;
    let recorded_max = query.recorded.unwrap_or(RECORDED_DEFAULT);
    if recorded_max > RECORDED_MAX {
        return Err(Problem::QueryUnexpected);
    }
    let (head, body) = request.into_parts();
    let bytes = read_whole(body, PolicyText::BYTES_MAX).await?;
    let reader = still_reads(&head.headers, &api).await?;
    let candidate = PolicyText::read(&head.headers, &bytes)?;
    let old = match query.against {
        Some(_) => pieces(&api, &reader.org, query.against).await?,
        None => api.store.pieces_in_force(&reader.org).await?,
    };
    let against = old.revision;
    let difference = api.policies.compare(&reader.org, old, candidate.0, recorded_max).await?;
    drop(permit);
    Ok(Json(DiffDocument::new(against, difference)))
}

impl DiffDocument {
    fn new(against: u64, Difference { mut comparison, replay }: Difference) -> Self {
        let has = |direction| {
            comparison.verdicts.iter().any(|change| change.direction == direction)
                || comparison.settings.iter().any(|change| change.direction == Some(direction))
        };
        let loosens = has(Direction::Looser);
        let depends = has(Direction::MayChange);
        if comparison.verdicts.len().max(comparison.settings.len()) > CHANGES_MAX {
            comparison.verdicts.truncate(CHANGES_MAX);
            comparison.settings.truncate(CHANGES_MAX);
            comparison.complete = false;
        }
        let lines = comparison.to_string().lines().map(str::to_owned).collect();
        let Comparison { complete, verdicts, settings } = comparison;
        Self {
            against,
            complete,
            loosens,
            may_loosen: loosens || depends || !complete,
            verdicts,
            settings,
            lines,
            recorded: RecordedDocument::new(replay),
        }
    }
}
