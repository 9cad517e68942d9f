//! The catalogue: tenants, resources and methods, each a list of its own with the same operations.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::moment::Moment;
use super::paging::{Page, PageQuery, location};
use super::session::Reader;
use super::write::{Change, Done, NoBody, check_match, etag};
use super::{Api, Problem};
use crate::names::{Description, Name};
use crate::store::{Entry, EntryKind, Record};

/// An entry as it is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EntryBody {
    #[schema(inline)]
    description: Option<Description>,
}

/// Something that rules may name.
#[derive(Serialize, ToSchema)]
#[schema(as = Entry)]
struct EntryDocument {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[schema(inline)]
    created_at: Moment,
}

/// The operations on tenants, resources and methods.
pub(super) fn routes() -> OpenApiRouter<Api> {
    [EntryKind::Tenant, EntryKind::Resource, EntryKind::Method]
        .into_iter()
        .fold(OpenApiRouter::new(), |router, kind| router.nest(collection(kind), routes_of(kind)))
}

/// The operations on entries of that kind.
fn routes_of(kind: EntryKind) -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show, put, delete)).layer(Extension(kind))
}

/// Every entry, by name.
#[utoipa::path(get, path = "/", tag = "catalogue", params(PageQuery), security(("management" = []), ("session" = [])),
    responses((status = 200, description = "A page.", body = Page<EntryDocument>)))]
async fn list(
    State(api): State<Api>,
    Reader(actor): Reader,
    Extension(kind): Extension<EntryKind>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<EntryDocument>>, Problem> {
    let page = query.map_err(|_| Problem::QueryUnexpected)?.0.read()?;
    let entries = api.store.entries(&actor.org, kind, &page.after, page.limit).await?;
    let place = |last: &Entry| last.name.clone();
    Ok(Json(page.fill(entries, &api.metrics, place, EntryDocument::from)))
}

/// One entry.
#[utoipa::path(get, path = "/{name}", tag = "catalogue", params(("name" = String, Path)), security(("management" = []), ("session" = [])),
    responses((status = 200, description = "The entry.", body = EntryDocument, headers(("ETag" = String)))))]
async fn show(
    State(api): State<Api>,
    Reader(actor): Reader,
    Extension(kind): Extension<EntryKind>,
    name: Result<Path<Name>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(name) = name.map_err(|_| Problem::NotFound)?;
    let entry = api.store.entry(&actor.org, kind, name.as_str()).await?.ok_or(Problem::NotFound)?;
    Ok(([(ETAG, etag(entry.version))], Json(EntryDocument::from(entry))).into_response())
}

/// Adds an entry, or changes what is said of it.
#[utoipa::path(put, path = "/{name}", tag = "catalogue", params(("name" = String, Path)), request_body = EntryBody, security(("management" = [])),
    responses((status = 200, description = "Changed.", body = EntryDocument, headers(("ETag" = String))),
        (status = 201, description = "Added.", body = EntryDocument, headers(("ETag" = String)))))]
async fn put(
    State(api): State<Api>,
    Extension(kind): Extension<EntryKind>,
    name: Result<Path<Name>, PathRejection>,
    change: Change<EntryBody>,
) -> Result<Response, Problem> {
    let Path(name) = name.map_err(|_| Problem::NameUnexpected)?;
    let Change { mut write, body } = change;
    let if_match = write.if_match.take();
    let mut edit = match write.begin(&api).await? {
        Ok(edit) => edit,
        Err(repeated) => return Ok(repeated),
    };
    let description = body.description.map(String::from);
    let (status, entry) = match edit.entry(kind, name.as_str()).await? {
        Some(mut entry) => {
            check_match(if_match.as_deref(), entry.version)?;
            entry.description = description;
            edit.change_entry(kind, &mut entry).await?;
            (StatusCode::OK, entry)
        }
        // There is no version that it could match.
        None if if_match.is_some() => return Err(Problem::VersionChanged),
        None => {
            let entry = Entry { name: name.into(), description, version: 1, created_at: edit.now };
            if !edit.add_entry(kind, &entry).await? {
                api.metrics.limit_reached("catalogue");
                return Err(Problem::TooMany);
            }
            (StatusCode::CREATED, entry)
        }
    };
    let (version, place) = (entry.version, location(collection(kind), &entry.name));
    let record = Record::of(put_action(kind), &entry.name);
    let mut done = Done::json(status, &EntryDocument::from(entry))?.version(version);
    if status == StatusCode::CREATED {
        done = done.location(place);
    }
    Ok(done.commit(edit, &record).await?.into_response())
}

/// Takes an entry away, unless a rule of the policy in force names it.
#[utoipa::path(delete, path = "/{name}", tag = "catalogue", params(("name" = String, Path)), security(("management" = [])),
    responses((status = 204, description = "Gone.")))]
async fn delete(
    State(api): State<Api>,
    Extension(kind): Extension<EntryKind>,
    name: Result<Path<Name>, PathRejection>,
    change: Change<NoBody>,
) -> Result<Response, Problem> {
    let Path(name) = name.map_err(|_| Problem::NotFound)?;
    let mut write = change.write;
    let if_match = write.if_match.take();
    let mut edit = match write.begin(&api).await? {
        Ok(edit) => edit,
        Err(repeated) => return Ok(repeated),
    };
    let entry = edit.entry(kind, name.as_str()).await?.ok_or(Problem::NotFound)?;
    check_match(if_match.as_deref(), entry.version)?;
    let rules = edit.rules_naming(kind, name.as_str()).await?;
    if !rules.is_empty() {
        return Err(Problem::InUse(rules));
    }
    edit.delete_entry(kind, name.as_str()).await?;
    let record = Record::of(delete_action(kind), name.as_str());
    Ok(Done::empty().commit(edit, &record).await?.into_response())
}

const fn collection(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Tenant => "/v1/tenants",
        EntryKind::Resource => "/v1/resources",
        EntryKind::Method => "/v1/methods",
    }
}

const fn put_action(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Tenant => "tenant.put",
        EntryKind::Resource => "resource.put",
        EntryKind::Method => "method.put",
    }
}

const fn delete_action(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Tenant => "tenant.delete",
        EntryKind::Resource => "resource.delete",
        EntryKind::Method => "method.delete",
    }
}

impl From<Entry> for EntryDocument {
    fn from(entry: Entry) -> Self {
        Self { name: entry.name, description: entry.description, created_at: Moment(entry.created_at) }
    }
}
