//! Accepting and rejecting a draft.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::found;
use super::representation::{DecidedDocument, DraftDocument};
use crate::api::pieces::name as name_in;
use crate::api::revise::{Revised, revise};
use crate::api::write::{Change, Done, Write, check_match};
use crate::api::{Api, Problem};
use crate::names::Name;
use crate::policies::{Expected, PolicyChange, Wanted};
use crate::store::{Draft, DraftState, Edit, NewPiece, PieceKind, Record};

/// What the policy is to say of the tool. What it does is for a person to say: the backend's word is not taken for it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct AcceptBody {
    #[schema(inline)]
    annotations: Annotations,
    /// What holds where no rule says anything; without it, a person is asked.
    #[schema(inline)]
    default: Option<PermissionName>,
    /// `registered`, unless it is to be allowed where no rule says otherwise.
    #[schema(inline)]
    status: Option<StatusName>,
    category: Option<Name>,
    #[serde(default)]
    tags: Vec<Name>,
    /// Whether it is a draft again if its definition is ever another one than the draft's.
    #[serde(default)]
    pin_definition: bool,
}

/// Whether a tool that is not wanted is switched off, or just not shown again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct RejectBody {
    /// Puts the tool into the policy as disabled: every call of it is refused.
    #[serde(default)]
    disable: bool,
}

/// What it does, all four said.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Annotations {
    read_only: bool,
    destructive: bool,
    idempotent: bool,
    open_world: bool,
}

#[derive(Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum PermissionName {
    Allowed,
    RequiresApproval,
    Disabled,
}

#[derive(Clone, Copy, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StatusName {
    #[default]
    Registered,
    Approved,
}

/// Puts the tool into the policy, as a new revision.
#[utoipa::path(post, path = "/v1/drafts/{name}/accept", tag = "drafts", security(("management" = [])),
    params(("name" = String, Path, description = "The tool's name, percent-encoded.")), request_body = AcceptBody,
    responses((status = 200, description = "The policy lists it.", body = DecidedDocument)))]
pub(in crate::api) async fn accept(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
    Change { write, body }: Change<AcceptBody>,
) -> Result<Response, Problem> {
    let name = name_in(name)?;
    if let Some(repeated) = write.repeated(&api).await? {
        return Ok(repeated);
    }
    let draft = undecided(&api, &write, &name).await?;
    let pin = match &draft.definition_sha256 {
        Some(sha256) if body.pin_definition => Some(sha256.as_str()),
        None if body.pin_definition => return Err(Problem::NoDefinition),
        Some(_) | None => None,
    };
    put(&api, write, (draft.version, DraftState::Accepted), ("draft.accept", tool(&name, &body, pin))).await
}

/// Remembers that nobody wants the tool: it is not shown again.
#[utoipa::path(post, path = "/v1/drafts/{name}/reject", tag = "drafts", security(("management" = [])),
    params(("name" = String, Path, description = "The tool's name, percent-encoded.")), request_body = RejectBody,
    responses((status = 200, description = "It is rejected.", body = DecidedDocument)))]
pub(in crate::api) async fn reject(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
    Change { write, body }: Change<RejectBody>,
) -> Result<Response, Problem> {
    let name = name_in(name)?;
    if let Some(repeated) = write.repeated(&api).await? {
        return Ok(repeated);
    }
    if body.disable {
        let draft = undecided(&api, &write, &name).await?;
        let tool = piece(&name, &json!({"name": name, "enabled": false}));
        return put(&api, write, (draft.version, DraftState::Rejected), ("draft.reject", tool)).await;
    }
    let if_match = write.if_match.clone();
    let mut edit = match write.begin(&api).await? {
        Ok(edit) => edit,
        Err(repeated) => return Ok(repeated),
    };
    let draft = found(&mut edit, &name, if_match.as_deref()).await?;
    if draft.state == DraftState::Accepted {
        return Err(Problem::DraftAccepted);
    }
    let record = Record::of("draft.reject", &name);
    let done = decided(&mut edit, draft, DraftState::Rejected, None).await?;
    Ok(done.commit(edit, &record).await?.into_response())
}

/// Puts the tool of a draft, as it was at that version, into the policy, and notes what became of the draft.
async fn put(
    api: &Api,
    write: Write,
    (version, state): (u64, DraftState),
    (action, piece): (&'static str, NewPiece),
) -> Result<Response, Problem> {
    let name = piece.name.clone();
    let change = PolicyChange::Put { piece, before: None };
    let wanted = Wanted { change, expected: Expected::Revision(0), reason: None };
    let (mut edit, revised) = match revise(api, write, &wanted).await? {
        Ok(revised) => revised,
        Err(repeated) => return Ok(repeated),
    };
    let draft = edit.draft(&name).await?.filter(|draft| draft.version == version);
    let draft = draft.ok_or(Problem::VersionChanged)?;
    let record = revised.record(action, &name, &wanted);
    let done = decided(&mut edit, draft, state, Some(&revised)).await?;
    Ok(revised.commit(api, edit, done, &record).await?.into_response())
}

async fn decided(
    edit: &mut Edit,
    draft: Draft,
    state: DraftState,
    revised: Option<&Revised>,
) -> Result<Done, Problem> {
    let draft = edit.decide_draft(draft, state).await?;
    let version = draft.version;
    let revision = revised.map(|revised| revised.revision);
    let document = DecidedDocument { draft: DraftDocument::from(draft), revision };
    Ok(Done::json(StatusCode::OK, &document)?.version(version))
}

/// The draft, if it can be put into the policy.
async fn undecided(api: &Api, write: &Write, name: &str) -> Result<Draft, Problem> {
    let org = &write.actor.org;
    let draft = api.store.draft(org, name).await?.ok_or(Problem::NotFound)?;
    check_match(write.if_match.as_deref(), draft.version)?;
    if draft.state == DraftState::Accepted {
        return Err(Problem::DraftAccepted);
    }
    match api.store.piece(org, PieceKind::Tool, name).await? {
        Some(_) => Err(Problem::ToolListed),
        None => Ok(draft),
    }
}

/// The tool as the policy lists it.
fn tool(name: &str, body: &AcceptBody, pin: Option<&str>) -> NewPiece {
    let optional = [
        ("default", body.default.map(|default| json!(default))),
        ("category", body.category.as_ref().map(|category| json!(category))),
        ("tags", (!body.tags.is_empty()).then(|| json!(body.tags))),
        ("definition_sha256", pin.map(Value::from)),
    ];
    let fields = [
        ("name", json!(name)),
        ("status", json!(body.status.unwrap_or_default())),
        ("annotations", json!(body.annotations)),
    ];
    let given = optional.into_iter().filter_map(|(field, value)| Some((field, value?)));
    let tool = fields.into_iter().chain(given).map(|(field, value)| (field.to_owned(), value)).collect();
    piece(name, &Value::Object(tool))
}

fn piece(name: &str, tool: &Value) -> NewPiece {
    NewPiece { kind: PieceKind::Tool, name: name.to_owned(), body: tool.to_string() }
}
