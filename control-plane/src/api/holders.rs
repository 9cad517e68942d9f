//! Keys of programs and of agents: made, changed, rotated and revoked. A key is shown once, in the answer to the
//! request that made it.

pub(super) mod document;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};
use policy::UnixMillis;
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::document::{HolderDocument, NewAgent, NewKey, Page, Patch, Rotate, WithKey};
use super::moment::Moment;
use super::paging::{PageQuery, location};
use super::session::Reader;
use super::write::{Change, Done, NoBody, Write, check_match, etag};
use super::{Api, Problem};
use crate::clock;
use crate::key::Key;
use crate::names::{Description, EntryName, HolderId};
use crate::store::{Credential, Edit, Holder, HolderAdded, HolderKind, Record, Secret, Tier};

/// Keys of programs.
pub(super) fn keys() -> OpenApiRouter<Api> {
    routes_of(HolderKind::Key, OpenApiRouter::new().routes(routes!(list, create_key)))
}

/// Agents, each with its key.
pub(super) fn agents() -> OpenApiRouter<Api> {
    routes_of(HolderKind::Agent, OpenApiRouter::new().routes(routes!(list, create_agent)))
}

fn routes_of(kind: HolderKind, router: OpenApiRouter<Api>) -> OpenApiRouter<Api> {
    router
        .routes(routes!(show, change))
        .routes(routes!(rotate))
        .routes(routes!(revoke))
        .layer(Extension(kind))
}

/// Every holder, by id: never a key.
#[utoipa::path(get, path = "/", tag = "credentials", params(PageQuery), security(("management" = []), ("session" = [])),
    responses((status = 200, description = "A page.", body = Page)))]
async fn list(
    State(api): State<Api>,
    Reader(actor): Reader,
    Extension(kind): Extension<HolderKind>,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page>, Problem> {
    let page = query.map_err(|_| Problem::QueryUnexpected)?.0.read()?;
    let holders = api.store.credentials(&actor.org, kind, &page.after, page.limit).await?;
    let last = holders.last().map(|last| last.holder.id.as_str());
    let next_cursor = page.next_cursor(holders.len(), last);
    let now = clock::now();
    let items = holders.into_iter().map(|holder| HolderDocument::of(holder, now)).collect();
    Ok(Json(Page { items, next_cursor }))
}

/// One holder: never its key.
#[utoipa::path(get, path = "/{id}", tag = "credentials", params(("id" = String, Path)), security(("management" = []), ("session" = [])),
    responses((status = 200, description = "The holder.", body = HolderDocument, headers(("ETag" = String)))))]
async fn show(
    State(api): State<Api>,
    Reader(actor): Reader,
    Extension(kind): Extension<HolderKind>,
    id: Result<Path<HolderId>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(id) = id.map_err(|_| Problem::NotFound)?;
    let found = api.store.credential(&actor.org, kind, id.as_str()).await?.ok_or(Problem::NotFound)?;
    let version = etag(found.holder.version);
    Ok(([(ETAG, version)], Json(HolderDocument::of(found, clock::now()))).into_response())
}

/// Makes a key.
#[utoipa::path(post, path = "/", tag = "credentials", request_body = NewKey, security(("management" = [])),
    responses((status = 201, description = "Made. The key is shown only now.", body = WithKey<'_>, headers(("ETag" = String)))))]
async fn create_key(State(api): State<Api>, change: Change<NewKey>) -> Result<Response, Problem> {
    let NewKey { id, tier, description, tenant, may_name_tenant, expires_at } = change.body;
    let new = NewHolder { id, tier: tier.into(), description, tenant, may_name_tenant, expires_at };
    create(&api, HolderKind::Key, new, change.write).await
}

/// Makes an agent: one identity of this organisation, with its key.
#[utoipa::path(post, path = "/", tag = "credentials", request_body = NewAgent, security(("management" = [])),
    responses((status = 201, description = "Made. The key is shown only now.", body = WithKey<'_>, headers(("ETag" = String)))))]
async fn create_agent(State(api): State<Api>, change: Change<NewAgent>) -> Result<Response, Problem> {
    let NewAgent { id, description, tenant, expires_at } = change.body;
    let new = NewHolder { id, tier: Tier::Agent, description, tenant, may_name_tenant: false, expires_at };
    create(&api, HolderKind::Agent, new, change.write).await
}

/// Changes what is said of a holder, its tenant, or when it stops working.
#[utoipa::path(patch, path = "/{id}", tag = "credentials", params(("id" = String, Path)), request_body = Patch, security(("management" = [])),
    responses((status = 200, description = "The holder as it is now.", body = HolderDocument, headers(("ETag" = String)))))]
pub(super) async fn change(
    State(api): State<Api>,
    Extension(kind): Extension<HolderKind>,
    id: Result<Path<HolderId>, PathRejection>,
    change: Change<Patch>,
) -> Result<Response, Problem> {
    let Change { write, body } = change;
    let mut changing = match Changing::begin(&api, kind, id, write).await? {
        Ok(changing) => changing,
        Err(repeated) => return Ok(repeated),
    };
    let Changing { edit, credential, .. } = &mut changing;
    let lasted = credential.holder.configures_for_good();
    apply(&mut credential.holder, body, edit.now)?;
    if lasted && !credential.holder.configures_for_good() {
        keep_one(edit, &credential.holder).await?;
    }
    edit.change_holder(&mut credential.holder).await?;
    changing.commit(Deed::Change).await
}

/// Gives a holder a new key. The one before goes on working for a while; if two work already, the older ends at once.
#[utoipa::path(post, path = "/{id}/rotate", tag = "credentials", params(("id" = String, Path)), request_body = Rotate, security(("management" = [])),
    responses((status = 200, description = "Done. The key is shown only now.", body = WithKey<'_>, headers(("ETag" = String)))))]
pub(super) async fn rotate(
    State(api): State<Api>,
    Extension(kind): Extension<HolderKind>,
    id: Result<Path<HolderId>, PathRejection>,
    change: Change<Rotate>,
) -> Result<Response, Problem> {
    let Change { write, body } = change;
    let Changing { mut edit, mut credential, kind } = match Changing::begin(&api, kind, id, write).await? {
        Ok(changing) => changing,
        Err(repeated) => return Ok(repeated),
    };
    if credential.holder.is_expired(edit.now) {
        return Err(Problem::KeyExpired);
    }
    let key = mint(credential.holder.tier)?;
    let overlap_seconds = body.overlap_seconds.seconds();
    edit.replace_secret(&mut credential.holder, &key, overlap_seconds).await?;
    let id = credential.holder.id.clone();
    let credential = edit.credential(kind, &id).await?.ok_or(Problem::NotFound)?;
    let version = credential.holder.version;
    let document = HolderDocument::of(credential, edit.now);
    let shown = document.with_policy_key(policy_key_for(&api, kind));
    let details = json!({"prefix": key.shown(), "overlap_seconds": overlap_seconds});
    let record = Record { details: Some(details), ..Record::of(action(kind, Deed::Rotate), &id) };
    let done = Done::json(StatusCode::OK, &shown)?.version(version);
    Ok(done.shown_once(&shown.with_key(&key))?.commit(edit, &record).await?.into_response())
}

/// Revokes every key of a holder, at once and for good.
#[utoipa::path(post, path = "/{id}/revoke", tag = "credentials", params(("id" = String, Path)), security(("management" = [])),
    responses((status = 200, description = "The holder as it is now.", body = HolderDocument, headers(("ETag" = String)))))]
pub(super) async fn revoke(
    State(api): State<Api>,
    Extension(kind): Extension<HolderKind>,
    id: Result<Path<HolderId>, PathRejection>,
    change: Change<NoBody>,
) -> Result<Response, Problem> {
    let mut changing = match Changing::begin(&api, kind, id, change.write).await? {
        Ok(changing) => changing,
        Err(repeated) => return Ok(repeated),
    };
    let Changing { edit, credential, .. } = &mut changing;
    if credential.holder.configures_for_good() {
        keep_one(edit, &credential.holder).await?;
    }
    credential.holder.revoked_at = Some(edit.now);
    edit.change_holder(&mut credential.holder).await?;
    changing.commit(Deed::Revoke).await
}

/// What is done to a holder.
#[derive(Clone, Copy)]
enum Deed {
    Create,
    Change,
    Rotate,
    Revoke,
}

/// A holder to be made.
pub(super) struct NewHolder {
    pub(super) id: HolderId,
    pub(super) tier: Tier,
    pub(super) description: Option<Description>,
    pub(super) tenant: Option<EntryName>,
    pub(super) may_name_tenant: bool,
    pub(super) expires_at: Option<Moment>,
}

/// Makes a holder, and answers with its key.
pub(super) async fn create(
    api: &Api,
    kind: HolderKind,
    new: NewHolder,
    write: Write,
) -> Result<Response, Problem> {
    let mut edit = match write.begin(api).await? {
        Ok(edit) => edit,
        Err(repeated) => return Ok(repeated),
    };
    let holder = Holder {
        org: edit.actor.org.clone(),
        id: new.id.into(),
        tier: new.tier,
        description: new.description.map(String::from),
        tenant: new.tenant.map(String::from),
        may_name_tenant: new.may_name_tenant,
        version: 1,
        created_at: edit.now,
        expires_at: new.expires_at.map(|moment| moment.0),
        revoked_at: None,
    };
    check(&holder)?;
    if holder.is_expired(edit.now) {
        return Err(Problem::ExpiryPast);
    }
    let key = mint(holder.tier)?;
    match edit.add_holder(&holder, &key).await? {
        HolderAdded::Done => {}
        HolderAdded::Exists => return Err(Problem::IdTaken),
        HolderAdded::TooMany => {
            api.metrics.limit_reached("holders");
            return Err(Problem::TooMany);
        }
    }
    let details = json!({"tier": holder.tier.as_str(), "prefix": key.shown()});
    let record = Record { details: Some(details), ..Record::of(action(kind, Deed::Create), &holder.id) };
    let place = location(kind.collection(), &holder.id);
    let secret = Secret { prefix: key.shown().to_owned(), created_at: edit.now, expires_at: None };
    let document = HolderDocument::of(Credential { holder, secrets: vec![secret] }, edit.now);
    let shown = document.with_policy_key(policy_key_for(api, kind));
    let done = Done::json(StatusCode::CREATED, &shown)?.version(1).location(place);
    Ok(done.shown_once(&shown.with_key(&key))?.commit(edit, &record).await?.into_response())
}

/// A holder that is about to be changed, and is not revoked.
struct Changing {
    edit: Edit,
    credential: Credential,
    kind: HolderKind,
}

impl Changing {
    /// Begins the change; or, if it was done before, gives the answer it had then.
    async fn begin(
        api: &Api,
        kind: HolderKind,
        id: Result<Path<HolderId>, PathRejection>,
        mut write: Write,
    ) -> Result<Result<Self, Response>, Problem> {
        let Path(id) = id.map_err(|_| Problem::NotFound)?;
        let if_match = write.if_match.take();
        let mut edit = match write.begin(api).await? {
            Ok(edit) => edit,
            Err(repeated) => return Ok(Err(repeated)),
        };
        let credential = edit.credential(kind, id.as_str()).await?.ok_or(Problem::NotFound)?;
        check_match(if_match.as_deref(), credential.holder.version)?;
        if credential.holder.revoked_at.is_some() {
            return Err(Problem::KeyRevoked);
        }
        Ok(Ok(Self { edit, credential, kind }))
    }

    /// Commits it, and answers with the holder as it is now.
    async fn commit(self, deed: Deed) -> Result<Response, Problem> {
        let Self { edit, credential, kind } = self;
        let record = Record::of(action(kind, deed), &credential.holder.id);
        let version = credential.holder.version;
        let document = HolderDocument::of(credential, edit.now);
        let done = Done::json(StatusCode::OK, &document)?.version(version);
        Ok(done.commit(edit, &record).await?.into_response())
    }
}

fn apply(holder: &mut Holder, patch: Patch, now: UnixMillis) -> Result<(), Problem> {
    if let Some(description) = patch.description {
        holder.description = description.map(String::from);
    }
    if let Some(tenant) = patch.tenant {
        holder.tenant = tenant.map(String::from);
    }
    if let Some(may_name_tenant) = patch.may_name_tenant {
        holder.may_name_tenant = may_name_tenant;
    }
    if let Some(expires_at) = patch.expires_at {
        holder.expires_at = expires_at.map(|moment| moment.0);
        if holder.is_expired(now) {
            return Err(Problem::ExpiryPast);
        }
    }
    check(holder)
}

/// Management keys and proxies make no calls, so they have no tenant; and only a standard key may name one.
fn check(holder: &Holder) -> Result<(), Problem> {
    let fits = match holder.tier {
        Tier::Management | Tier::Proxy => holder.tenant.is_none() && !holder.may_name_tenant,
        Tier::Standard => true,
        Tier::Agent => !holder.may_name_tenant,
    };
    if fits { Ok(()) } else { Err(Problem::TierHasNoTenant) }
}

/// An organisation always keeps a management key that has no end: without one, nobody could configure it.
async fn keep_one(edit: &mut Edit, leaving: &Holder) -> Result<(), Problem> {
    let others = edit.others_that_configure_for_good(&leaving.id).await?;
    if others == 0 { Err(Problem::LastManagementKey) } else { Ok(()) }
}

/// What a proxy knows its control plane by; nobody else needs it.
fn policy_key_for(api: &Api, kind: HolderKind) -> Option<&str> {
    api.policy_public_key.as_deref().filter(|_| kind == HolderKind::Proxy)
}

fn mint(tier: Tier) -> Result<Key, Problem> {
    Key::mint(tier).map_err(|error| {
        tracing::error!(%error, "no random numbers for a key");
        Problem::StoreFailed
    })
}

impl HolderKind {
    const fn collection(self) -> &'static str {
        match self {
            Self::Key => "/v1/keys",
            Self::Agent => "/v1/agents",
            Self::Proxy => "/v1/proxies",
        }
    }
}

/// The word for records.
const fn action(kind: HolderKind, deed: Deed) -> &'static str {
    match (kind, deed) {
        (HolderKind::Key, Deed::Create) => "key.create",
        (HolderKind::Key, Deed::Change) => "key.change",
        (HolderKind::Key, Deed::Rotate) => "key.rotate",
        (HolderKind::Key, Deed::Revoke) => "key.revoke",
        (HolderKind::Agent, Deed::Create) => "agent.create",
        (HolderKind::Agent, Deed::Change) => "agent.change",
        (HolderKind::Agent, Deed::Rotate) => "agent.rotate",
        (HolderKind::Agent, Deed::Revoke) => "agent.revoke",
        (HolderKind::Proxy, Deed::Create) => "proxy.create",
        (HolderKind::Proxy, Deed::Change) => "proxy.change",
        (HolderKind::Proxy, Deed::Rotate) => "proxy.rotate",
        (HolderKind::Proxy, Deed::Revoke) => "proxy.revoke",
    }
}
