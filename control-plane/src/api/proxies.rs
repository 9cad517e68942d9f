//! Proxies that follow this control plane: each a holder of the token that opens its link, and what was last seen of it.

use std::collections::HashMap;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};
use policy::UnixMillis;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::holders::document::{HolderDocument, WithKey};
use super::holders::{self, NewHolder, create};
use super::moment::Moment;
use super::paging::{Page, PageQuery};
use super::session::Reader;
use super::write::{Change, etag};
use super::{Api, Problem};
use crate::clock;
use crate::names::{Description, HolderId, ProxyName};
use crate::store::{Credential, HolderKind, ProxySeen, Tier};

/// Proxies, each with its token. What is not of proxies alone is as with keys.
pub(super) fn routes() -> OpenApiRouter<Api> {
    let proxies = OpenApiRouter::new()
        .routes(routes!(list, create_proxy))
        .routes(routes!(show, holders::change))
        .routes(routes!(holders::rotate))
        .routes(routes!(holders::revoke))
        .layer(Extension(HolderKind::Proxy));
    OpenApiRouter::new().nest("/v1/proxies", proxies)
}

/// A proxy to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewProxy {
    // `proxy.name` of its settings; never used again for another. No doc comment: it would be described as an object too.
    #[schema(value_type = ProxyName, inline)]
    id: String,
    #[schema(inline)]
    description: Option<Description>,
    /// When its token stops working; absent: never.
    #[schema(inline)]
    expires_at: Option<Moment>,
}

/// A proxy, and what was last seen of it. What is not known is left out.
#[derive(Serialize, ToSchema)]
#[schema(as = Proxy)]
struct ProxyDocument {
    #[serde(flatten)]
    holder: HolderDocument,
    #[schema(inline)]
    link: LinkName,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_link: Option<LinkDocument>,
}

/// `never`: it was never linked. `gone`: it was, and is not now.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum LinkName {
    Never,
    Connected,
    Gone,
}

/// The last link of a proxy, and what was seen over it.
#[derive(Serialize, ToSchema)]
#[schema(as = ProxyLink)]
struct LinkDocument {
    // When it began, and when it was last known to be there: of one that is gone, since when. No doc comments: they would be
    // described as objects too.
    #[schema(inline)]
    connected_at: Moment,
    #[schema(inline)]
    seen_at: Moment,
    /// How long ago it was last known to have this in force, in seconds.
    age_seconds: u64,
    /// Of its program.
    version: String,
    /// Tells one run of it from the next.
    boot: String,
    /// The control plane that it was linked to.
    control_plane: String,
    /// The revision of the policy that it has in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_revision: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_sha256: Option<String>,
    /// Counts the changes of keys and agents, up to the last that it knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    keys_revision: Option<u64>,
    /// Why it did not take what it was last sent and refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    last_refusal_at: Option<Moment>,
}

/// Every proxy, by name: never its token.
#[utoipa::path(get, path = "/", tag = "proxies", params(PageQuery), security(("management" = []), ("session" = [])),
    responses((status = 200, description = "A page.", body = Page<ProxyDocument>)))]
async fn list(
    State(api): State<Api>,
    Reader(actor): Reader,
    query: Result<Query<PageQuery>, QueryRejection>,
) -> Result<Json<Page<ProxyDocument>>, Problem> {
    let page = query.map_err(|_| Problem::QueryUnexpected)?.0.read()?;
    let holders = api.store.credentials(&actor.org, HolderKind::Proxy, &page.after, page.limit).await?;
    let seen = match (holders.first(), holders.last()) {
        (Some(first), Some(last)) => {
            api.store.proxies_seen(&actor.org, &first.holder.id, &last.holder.id).await?
        }
        _ => HashMap::new(),
    };
    let now = clock::now();
    let place = |last: &Credential| last.holder.id.clone();
    let document = |holder: Credential| {
        let seen = seen.get(&holder.holder.id).cloned();
        ProxyDocument::of(holder, seen, now)
    };
    Ok(Json(page.fill(holders, &api.metrics, place, document)))
}

/// One proxy: never its token.
#[utoipa::path(get, path = "/{id}", tag = "proxies", params(("id" = String, Path)), security(("management" = []), ("session" = [])),
    responses((status = 200, description = "The proxy.", body = ProxyDocument, headers(("ETag" = String)))))]
async fn show(
    State(api): State<Api>,
    Reader(actor): Reader,
    id: Result<Path<HolderId>, PathRejection>,
) -> Result<Response, Problem> {
    let Path(id) = id.map_err(|_| Problem::NotFound)?;
    let id = id.as_str();
    let found = api.store.credential(&actor.org, HolderKind::Proxy, id).await?.ok_or(Problem::NotFound)?;
    let seen = api.store.proxies_seen(&actor.org, id, id).await?.remove(id);
    let version = etag(found.holder.version);
    Ok(([(ETAG, version)], Json(ProxyDocument::of(found, seen, clock::now()))).into_response())
}

/// Makes a proxy with the token that opens its link.
#[utoipa::path(post, path = "/", tag = "proxies", request_body = NewProxy, security(("management" = [])),
    responses((status = 201, description = "Made. The token is shown only now, as `key`.", body = WithKey<'_>, headers(("ETag" = String)))))]
async fn create_proxy(State(api): State<Api>, change: Change<NewProxy>) -> Result<Response, Problem> {
    let NewProxy { id, description, expires_at } = change.body;
    let id = ProxyName::try_from(id)?.into();
    let new =
        NewHolder { id, tier: Tier::Proxy, description, tenant: None, may_name_tenant: false, expires_at };
    create(&api, HolderKind::Proxy, new, change.write).await
}

impl ProxyDocument {
    /// As it is at `now`.
    fn of(credential: Credential, seen: Option<ProxySeen>, now: UnixMillis) -> Self {
        let link = match &seen {
            None => LinkName::Never,
            Some(seen) if seen.is_connected(now) => LinkName::Connected,
            Some(_) => LinkName::Gone,
        };
        Self {
            holder: HolderDocument::of(credential, now),
            link,
            last_link: seen.map(|seen| LinkDocument::of(seen, now)),
        }
    }
}

impl LinkDocument {
    fn of(seen: ProxySeen, now: UnixMillis) -> Self {
        Self {
            connected_at: Moment(seen.connected_at),
            seen_at: Moment(seen.seen_at),
            age_seconds: now.0.saturating_sub(seen.seen_at.0) / 1000,
            version: seen.version,
            boot: seen.boot,
            control_plane: seen.instance,
            policy_revision: seen.policy_revision,
            policy_sha256: seen.policy_sha256,
            keys_revision: seen.keys_revision,
            last_refusal: seen.last_refusal,
            last_refusal_at: seen.last_refusal_at.map(Moment),
        }
    }
}
