//! What became of the policy: who changed it, when and why, and back again.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use policy::UnixMillis;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{WrittenDocument, written};
use crate::api::paging::{Page, PageQuery};
use crate::api::revise::{expected, revise};
use crate::api::session::Reader;
use crate::api::write::Change;
use crate::api::{Api, Problem};
use crate::names::Description;
use crate::policies::{PolicyChange, Wanted};
use crate::store::Revision;

/// A revision of the policy.
#[derive(Serialize, ToSchema)]
#[schema(as = Revision)]
pub(in crate::api) struct RevisionDocument {
    revision: u64,
    #[schema(value_type = u64)]
    at_unix_ms: UnixMillis,
    /// Who made it: the id of a key's holder or a person.
    actor: String,
    /// The address that it came from.
    origin: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The revision whose contents came back, of a rollback.
    #[serde(skip_serializing_if = "Option::is_none")]
    rolled_back_to: Option<u64>,
}

/// What is to come back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct RollbackBody {
    #[schema(minimum = 1)]
    revision: u64,
    reason: Option<Description>,
}

/// Revisions of the policy, newest first.
#[utoipa::path(get, path = "/v1/policy/revisions", tag = "policy", params(PageQuery),
    security(("management" = []), ("session" = [])),
    responses((status = 200, description = "A page.", body = Page<RevisionDocument>)))]
pub(in crate::api) async fn list(
    State(api): State<Api>,
    Reader(actor): Reader,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<RevisionDocument>>, Problem> {
    let page = query.map_err(|_| Problem::QueryUnexpected)?.0.read()?;
    let before = match page.after.as_str() {
        "" => None,
        after => Some(after.parse().map_err(|_| Problem::QueryUnexpected)?),
    };
    let revisions = api.store.revisions(&actor.org, before, page.limit).await?;
    let place = |last: &Revision| last.revision.to_string();
    let mut page = page.fill(revisions, &api.metrics, place, RevisionDocument::from);
    // There is none before the first.
    page.next_cursor = page.next_cursor.filter(|_| page.items.last().is_some_and(|last| last.revision > 1));
    Ok(Json(page))
}

/// Makes a new revision that says what an older one said.
#[utoipa::path(post, path = "/v1/policy/rollback", tag = "policy", request_body = RollbackBody,
    security(("management" = [])),
    responses((status = 200, description = "It is in force.", body = WrittenDocument, headers(("ETag" = String)))))]
pub(in crate::api) async fn rollback(
    State(api): State<Api>,
    Change { write, body }: Change<RollbackBody>,
) -> Result<Response, Problem> {
    let expected = expected(write.if_match.as_deref())?;
    let change = PolicyChange::Restore(body.revision);
    let wanted = Wanted { change, expected, reason: body.reason.map(String::from) };
    let (edit, revised) = match revise(&api, write, &wanted).await? {
        Ok(revised) => revised,
        Err(repeated) => return Ok(repeated),
    };
    let record = revised.record("policy.rollback", "policy", &wanted);
    let done = written(&revised)?;
    Ok(revised.commit(&api, edit, done, &record).await?.into_response())
}

impl From<Revision> for RevisionDocument {
    fn from(revision: Revision) -> Self {
        Self {
            revision: revision.revision,
            at_unix_ms: revision.at,
            actor: revision.actor,
            origin: revision.origin,
            reason: revision.reason,
            rolled_back_to: revision.rolled_back_to,
        }
    }
}
