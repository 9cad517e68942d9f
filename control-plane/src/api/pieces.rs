//! The policy piece by piece: what its settings, categories, tools and rules have in common.

mod categories;
mod rules;
mod tools;

use axum::Json;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use policy::document::{NAME_BYTES_MAX, object};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::{check_content_type, read_json};
use super::paging::{Filling, Page, PageOf};
use super::policy::is_known;
use super::revise::{expected, revise};
use super::write::{Done, ReadBody, Write, etag};
use super::{Api, Problem};
use crate::names::Description;
use crate::policies::{PolicyChange, Wanted, mistakes};
use crate::store::{NewPiece, Piece, PieceKind, StoreError};

/// Largest piece.
const PIECE_BYTES_MAX: usize = 512 * 1024;

/// Pieces that are looked through for one page.
const SCANNED_MAX: u32 = 10_000;

/// Pieces that are read at once.
const BATCH: u32 = 200;

/// A piece as somebody wants it: a JSON object, whose fields are left to the policy.
pub(super) struct PieceBody(String);

/// What the API shows of pieces of one kind: each as in the policy document.
pub(super) trait PieceDocument: DeserializeOwned + Serialize {
    const KIND: PieceKind;
}

/// A piece that is to be put.
pub(super) struct Put {
    pub(super) name: String,
    pub(super) body: PieceBody,
    /// The one of its kind that it is to stand before.
    pub(super) before: Option<String>,
    pub(super) reason: Option<Description>,
}

/// A permission, as in the policy document.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Permission)]
#[serde(rename_all = "snake_case")]
pub(super) enum PermissionName {
    Allowed,
    RequiresApproval,
    Disabled,
}

impl PermissionName {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::RequiresApproval => "requires_approval",
            Self::Disabled => "disabled",
        }
    }
}

impl ReadBody for PieceBody {
    const BYTES_MAX: usize = PIECE_BYTES_MAX;

    fn read(headers: &HeaderMap, bytes: &[u8]) -> Result<Self, Problem> {
        check_content_type(headers)?;
        let json: &RawValue = read_json(bytes)?;
        if json.get().starts_with('{') {
            Ok(Self(json.get().to_owned()))
        } else {
            Err(Problem::BodyUnexpected)
        }
    }
}

/// The operations on pieces.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(tools::list))
        .routes(routes!(tools::show, tools::put, tools::delete))
        .routes(routes!(categories::list))
        .routes(routes!(categories::show, categories::put, categories::delete))
        .routes(routes!(rules::list))
        .routes(routes!(rules::show, rules::put, rules::delete))
}

/// The name of a piece in a path. No piece has a name that cannot be one.
pub(super) fn name(path: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    let Path(name) = path.map_err(|_| Problem::NotFound)?;
    let is_name = !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.contains('\0');
    if is_name { Ok(name) } else { Err(Problem::NotFound) }
}

/// A page of pieces, of the revision that was in force when the first page was asked for.
pub(super) async fn list<D: PieceDocument>(
    api: &Api,
    org: &str,
    page: PageOf,
    is_wanted: impl Fn(&D) -> bool,
) -> Result<Json<Page<D>>, Problem> {
    let (revision, mut position) = match page.after.as_str() {
        "" => (api.store.newest_revision(org).await?, None),
        after => place(after)?,
    };
    let mut filling = Filling::new(page.limit);
    let mut scanned = 0_u32;
    loop {
        let pieces = api.store.pieces_after(org, D::KIND, (revision, position), BATCH).await?;
        let is_last = u32::try_from(pieces.len()).is_ok_and(|count| count < BATCH);
        for piece in pieces {
            position = Some(piece.position);
            scanned = scanned.saturating_add(1);
            let document = document::<D>(&piece)?;
            let is_full = is_wanted(&document) && filling.add(document, &api.metrics);
            if is_full || scanned >= SCANNED_MAX {
                return Ok(Json(filling.page(Some(&format!("{revision}.{}", piece.position)))));
            }
        }
        if is_last {
            return Ok(Json(filling.page(None)));
        }
    }
}

/// A piece in force.
pub(super) async fn show<D: PieceDocument>(
    api: &Api,
    org: &str,
    name: &str,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let piece = api.store.piece(org, D::KIND, name).await?.ok_or(Problem::NotFound)?;
    let tag = etag(piece.from_revision);
    if is_known(headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response());
    }
    let body =
        serde_json::to_string(&document::<D>(&piece)?).map_err(|_| StoreError::damaged("pieces", "body"))?;
    Ok(([(CONTENT_TYPE, "application/json".to_owned()), (ETAG, tag)], body).into_response())
}

/// Puts a piece in force.
pub(super) async fn put<D: PieceDocument>(api: &Api, write: Write, put: Put) -> Result<Response, Problem> {
    let kind = D::KIND;
    let body = body_of(kind, &put)?;
    let Put { name, before, reason, .. } = put;
    let expected = expected(write.if_match.as_deref())?;
    let piece = NewPiece { kind, name: name.clone(), body };
    let change = PolicyChange::Put { piece, before };
    let wanted = Wanted { change, expected, reason: reason.map(String::from) };
    let (mut edit, revised) = match revise(api, write, &wanted).await? {
        Ok(revised) => revised,
        Err(repeated) => return Ok(repeated),
    };
    let piece = edit.piece(kind, &name).await?.ok_or(StoreError::damaged("pieces", "body"))?;
    let status = if revised.proposal.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let done = Done::json(status, &document::<D>(&piece)?)?.version(piece.from_revision);
    let action = match kind {
        PieceKind::Settings => "settings.put",
        PieceKind::Category => "category.put",
        PieceKind::Tool => "tool.put",
        PieceKind::Rule => "rule.put",
    };
    let record = revised.record(action, &name, &wanted);
    Ok(revised.commit(api, edit, done, &record).await?.into_response())
}

/// Takes a piece out of the policy.
pub(super) async fn delete<D: PieceDocument>(
    api: &Api,
    write: Write,
    name: String,
    reason: Option<Description>,
) -> Result<Response, Problem> {
    let kind = D::KIND;
    let expected = expected(write.if_match.as_deref())?;
    let change = PolicyChange::Delete { kind, name: name.clone() };
    let wanted = Wanted { change, expected, reason: reason.map(String::from) };
    let (edit, revised) = match revise(api, write, &wanted).await? {
        Ok(revised) => revised,
        Err(repeated) => return Ok(repeated),
    };
    let action = match kind {
        PieceKind::Settings => "settings.delete",
        PieceKind::Category => "category.delete",
        PieceKind::Tool => "tool.delete",
        PieceKind::Rule => "rule.delete",
    };
    let record = revised.record(action, &name, &wanted);
    Ok(revised.commit(api, edit, Done::empty(), &record).await?.into_response())
}

/// A piece as it is kept: with its name, keys sorted, every field once.
fn body_of(kind: PieceKind, put: &Put) -> Result<String, Problem> {
    let mut fields = object(&put.body.0).map_err(|errors| mistakes(&errors, ToString::to_string))?;
    let key = match kind {
        PieceKind::Settings => return Ok(Value::Object(fields).to_string()),
        PieceKind::Category | PieceKind::Tool => "name",
        PieceKind::Rule => "id",
    };
    let name = Value::from(put.name.as_str());
    if fields.get(key).is_some_and(|said| *said != name) {
        return Err(Problem::PolicyRefused(vec![format!("`{key}` must be as in the path, or be left out")]));
    }
    fields.insert(key.to_owned(), name);
    Ok(Value::Object(fields).to_string())
}

fn document<D: PieceDocument>(piece: &Piece) -> Result<D, StoreError> {
    serde_json::from_str(&piece.body).map_err(|_| StoreError::damaged("pieces", "body"))
}

/// The revision and position that a page ended with.
fn place(after: &str) -> Result<(u64, Option<i64>), Problem> {
    let (revision, position) = after.split_once('.').ok_or(Problem::QueryUnexpected)?;
    let revision = revision.parse().map_err(|_| Problem::QueryUnexpected)?;
    let position = position.parse().map_err(|_| Problem::QueryUnexpected)?;
    Ok((revision, Some(position)))
}
