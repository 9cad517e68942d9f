//! The policy as one document.

pub(super) mod diff;
mod recorded;
pub(super) mod revisions;
pub(super) mod settings;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use edge::Place;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::is_of_type;
use super::revise::{Revised, expected, revise};
use super::session::Reader;
use super::write::{Change, Done, ReadBody, etag};
use super::{Api, Problem};
use crate::names::Description;
use crate::policies::{self, POLICY_BYTES_MAX, PolicyChange, Wanted};
use crate::store::{NewPiece, PieceKind, Pieces};

/// Up to so many bytes a document is sent however long its reader takes.
const SMALL_BYTES: usize = 256 * 1024;

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

/// Leave to send a whole document here, for who may read the policy.
pub(super) struct Turn {
    permit: Place,
}

impl FromRequestParts<Api> for Turn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let Reader(reader) = Reader::from_request_parts(parts, api).await?;
        let permit = api.policies.receive(&reader.org)?;
        Ok(Self { permit })
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

/// Why it is written.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ReasonQuery {
    #[param(inline)]
    pub(super) reason: Option<Description>,
}

/// The operations on the policy as a whole.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(show, replace))
        .routes(routes!(settings::show, settings::replace))
        .routes(routes!(revisions::list))
        .routes(routes!(revisions::rollback))
        .routes(routes!(diff::diff))
}

/// The policy as one document: JSON, or YAML if `Accept` names `application/yaml`.
#[utoipa::path(get, path = "/v1/policy", tag = "policy", params(RevisionQuery), security(("management" = []), ("session" = [])),
    responses(
        (status = 200, description = "The document. `ETag` is its revision.",
            content((serde_json::Value = "application/json"), (String = "application/yaml")), headers(("ETag" = String))),
        (status = 304, description = "It is what `If-None-Match` names.")))]
async fn show(
    State(api): State<Api>,
    Reader(reader): Reader,
    query: Result<Query<RevisionQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|_| Problem::QueryUnexpected)?;
    let newest = api.store.newest_revision(&reader.org).await?;
    let revision = query.revision.unwrap_or(newest);
    if !(1..=newest).contains(&revision) {
        return Err(Problem::NotFound);
    }
    let tag = etag(revision);
    if is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response());
    }
    let place = api.policies.send(&reader.org)?;
    let permit = api.policies.writing_permit().await?;
    let pieces = pieces(&api, &reader.org, Some(revision)).await?;
    let (media_type, text) = if wants_yaml(&headers) {
        ("application/yaml", policies::yaml(&reader.org, pieces.bodies())?)
    } else {
        ("application/json", policies::text(&reader.org, pieces.bodies()))
    };
    let fields = [(CONTENT_TYPE, media_type.to_owned()), (ETAG, tag), (VARY, "accept".to_owned())];
    drop(permit);
    if text.len() <= SMALL_BYTES {
        return Ok((fields, text).into_response());
    }
    let body = Bytes::from_owner(Sending { text, _place: place });
    Ok((fields, Body::from(body)).into_response())
}

/// Puts a document in force, as a new revision. `If-Match` must name the revision that it replaces.
#[utoipa::path(put, path = "/v1/policy", tag = "policy", params(ReasonQuery), security(("management" = [])),
    request_body(content((serde_json::Value = "application/json"), (String = "application/yaml"))),
    responses((status = 200, description = "It is in force.", body = WrittenDocument, headers(("ETag" = String)))))]
async fn replace(
    State(api): State<Api>,
    turn: Turn,
    query: Result<Query<ReasonQuery>, QueryRejection>,
    Change { write, body }: Change<PolicyText>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|_| Problem::QueryUnexpected)?;
    if let Some(response) = write.repeated(&api).await? {
        return Ok(response);
    }
    let if_match = write.if_match.as_deref().ok_or(Problem::VersionNeeded)?;
    let expected = expected(Some(if_match))?;
    let parts = api.policies.read(&write.actor.org, body.0).await?;
    let change = PolicyChange::Replace(new_pieces(parts));
    let wanted = Wanted { change, expected, reason: query.reason.map(String::from) };
    let (edit, revised) = match revise(&api, write, &wanted).await? {
        Ok(revised) => revised,
        Err(repeated) => return Ok(repeated),
    };
    let record = revised.record("policy.replace", "policy", &wanted);
    let done = written(&revised)?;
    let done = revised.commit(&api, edit, done, &record).await?;
    drop(turn);
    Ok(done.into_response())
}

/// Whether `If-None-Match` names the tag (RFC 9110, section 13.1.2).
pub(super) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let fields = headers.get_all(IF_NONE_MATCH).iter().filter_map(|field| field.to_str().ok());
    let mut tags = fields.flat_map(|field| field.split(',')).map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// Whether YAML is named before JSON.
fn wants_yaml(headers: &HeaderMap) -> bool {
    let fields = headers.get_all(ACCEPT).iter().filter_map(|field| field.to_str().ok());
    let types = fields.flat_map(|field| field.split(','));
    let mut names = types.map(|name| name.split(';').next().unwrap_or_default().trim());
    names.find(|name| matches!(*name, "application/json" | "application/yaml")) == Some("application/yaml")
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

/// A large document that is being sent.
struct Sending {
    text: String,
    _place: Place,
}

impl AsRef<[u8]> for Sending {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}
