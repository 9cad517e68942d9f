//! The policy as one document.

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;
use utoipa::{IntoParams, ToSchema};

use super::body::is_of_type;
use super::revise::{Revised, expected, revise};
use super::session::{Manager, Reader};
use super::write::{Change, Done, ReadBody, etag};
use super::{Api, Problem};
use crate::policies::{self, POLICY_BYTES_MAX, PolicyChange, Wanted};
use crate::store::{NewPiece, PieceKind, Pieces};

/// Which revision is asked for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RevisionQuery {
    /// Without it the one in force.
    #[param(minimum = 1)]
    revision: Option<u64>,
}

/// A policy document, YAML or JSON.
pub(super) struct PolicyText(String);

/// A new revision.
#[derive(Serialize, ToSchema)]
#[schema(as = PolicyWritten)]
pub(super) struct WrittenDocument {
    /// The revision in force now.
    revision: u64,
    /// Whether it is a new one; not if the policy was the same already.
    changed: bool,
    tools: usize,
    rules: usize,
}

/// Leave to have a whole document in memory, for a management key.
pub(super) struct Turn(OwnedSemaphorePermit);

impl FromRequestParts<Api> for Turn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        Manager::from_request_parts(parts, api).await?;
        Ok(Self(api.policies.document_permit().await?))
    }
}

impl ReadBody for PolicyText {
    const BYTES_MAX: usize = POLICY_BYTES_MAX;

    fn read(headers: &HeaderMap, bytes: &[u8]) -> Result<Self, Problem> {
        if !is_of_type(headers, "application/json") && !is_of_type(headers, "application/yaml") {
            return Err(Problem::ContentType);
        }
        let text = str::from_utf8(bytes)
            .map_err(|_| Problem::PolicyRefused(vec!["the document is not UTF-8".to_owned()]))?;
        Ok(Self(text.to_owned()))
    }
}

/// The policy as one document.
#[utoipa::path(get, path = "/v1/policy", tag = "policy", params(RevisionQuery), security(("management" = []), ("session" = [])),
    responses((status = 200, description = "The document. `ETag` is its revision.", body = serde_json::Value)))]
pub(super) async fn show(
    State(api): State<Api>,
    Reader(actor): Reader,
    query: Result<Query<RevisionQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|_| Problem::QueryUnexpected)?;
    let permit = api.policies.document_permit().await?;
    let pieces = pieces(&api, &actor.org, query.revision).await?;
    let text = policies::text(&actor.org, pieces.bodies());
    let fields = [(CONTENT_TYPE, "application/json".to_owned()), (ETAG, etag(pieces.revision))];
    let body = Bytes::from_owner(Held { text, _permit: permit });
    Ok((fields, Body::from(body)).into_response())
}

/// Puts the document in force, as a new revision.
#[utoipa::path(put, path = "/v1/policy", tag = "policy", request_body = serde_json::Value, security(("management" = [])),
    responses((status = 200, description = "It is in force.", body = WrittenDocument)))]
pub(super) async fn replace(
    State(api): State<Api>,
    turn: Turn,
    Change { write, body }: Change<PolicyText>,
) -> Result<Response, Problem> {
    if let Some(response) = write.repeated(&api).await? {
        return Ok(response);
    }
    let if_match = write.if_match.as_deref().ok_or(Problem::VersionNeeded)?;
    let expected = expected(Some(if_match))?;
    let parts = api.policies.read(&write.actor.org, body.0).await?;
    let wanted = Wanted { change: PolicyChange::Replace(new_pieces(parts)), expected, reason: None };
    let (edit, revised) = match revise(&api, write, &wanted).await? {
        Ok(revised) => revised,
        Err(repeated) => return Ok(repeated),
    };
    let record = revised.record("policy.replace", "policy", &wanted);
    let done = written(&revised)?.commit(edit, &record).await?;
    api.policies.remember(&revised.proposal);
    drop(turn.0);
    Ok(done.into_response())
}

fn written(revised: &Revised) -> Result<Done, Problem> {
    let snapshot = &revised.proposal.snapshot;
    let document = WrittenDocument {
        revision: revised.revision,
        changed: revised.has_changed(),
        tools: snapshot.tools_count(),
        rules: snapshot.rules_count(),
    };
    Ok(Done::json(StatusCode::OK, &document)?.version(revised.revision))
}

async fn pieces(api: &Api, org: &str, revision: Option<u64>) -> Result<Pieces, Problem> {
    let pieces = match revision {
        Some(revision) => api.store.pieces_of(org, revision).await?,
        None => Some(api.store.pieces_in_force(org).await?).filter(|pieces| pieces.revision > 0),
    };
    pieces.ok_or(Problem::NotFound)
}

/// A document as pieces.
fn new_pieces(parts: ::policy::document::Parts) -> Vec<NewPiece> {
    let settings = serde_json::Value::Object(parts.settings).to_string();
    let mut pieces = vec![NewPiece { kind: PieceKind::Settings, name: String::new(), body: settings }];
    let lists = [
        (PieceKind::Category, parts.categories),
        (PieceKind::Tool, parts.tools),
        (PieceKind::Rule, parts.rules),
    ];
    for (kind, entries) in lists {
        pieces.extend(entries.into_iter().map(|entry| NewPiece { kind, name: entry.name, body: entry.json }));
    }
    pieces
}

/// A document that is being sent.
struct Held {
    text: String,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}
