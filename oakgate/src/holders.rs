//! `oakgate keys` and `oakgate agents` in the control plane: who holds keys. A secret is shown once, when it is made.

use serde_json::{Map, Value, json};
use ureq::http::Method;

use crate::api::{Answer, Api, ApiError, Body, segment};
use crate::cli::{AgentsCommand, ApiOptions, ChangeOptions, HeldCommand, NewHolder};
use crate::exit::{Done, Failure};
use crate::pieces::{self, if_match};
use crate::table;
use crate::terminal::{complain, say, visible};

const KEY_COLUMNS: [&str; 7] =
    ["id", "tier", "state", "secrets/*/prefix", "tenant", "expires_at", "description"];
const AGENT_COLUMNS: [&str; 6] = ["id", "state", "secrets/*/prefix", "tenant", "expires_at", "description"];

/// What holds a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A program.
    Key,
    Agent,
}

impl Kind {
    const fn path(self) -> &'static str {
        match self {
            Self::Key => "/v1/keys",
            Self::Agent => "/v1/agents",
        }
    }

    const fn command(self) -> &'static str {
        match self {
            Self::Key => "keys",
            Self::Agent => "agents",
        }
    }
}

pub(crate) fn run_agents(command: &AgentsCommand) -> Done {
    match command {
        AgentsCommand::Create { new, api } => create(Kind::Agent, new, Vec::new(), api),
        AgentsCommand::Held(command) => run(Kind::Agent, command),
    }
}

/// Makes a holder and its first secret; `special` is what only some of its kind have.
pub(crate) fn create(
    kind: Kind,
    new: &NewHolder,
    special: Vec<(&'static str, Value)>,
    api: &ApiOptions,
) -> Done {
    let texts = [
        ("id", Some(new.id.clone())),
        ("description", new.description.clone()),
        ("tenant", new.tenant.clone()),
        ("expires_at", new.expires_at.map(|moment| moment.to_string())),
    ];
    let texts = texts.into_iter().filter_map(|(name, text)| Some((name, Value::from(text?))));
    let body: Map<String, Value> =
        texts.chain(special).map(|(name, value)| (name.to_owned(), value)).collect();
    let answer = Api::open(api)?.write(&Method::POST, kind.path(), Body::Json(&body.into()), None)?;
    show_secret(kind, &new.id, &answer)
}

pub(crate) fn run(kind: Kind, command: &HeldCommand) -> Done {
    let place = |id: &str| format!("{}/{}", kind.path(), segment(id));
    match command {
        HeldCommand::List { list, api } => {
            let items = Api::open(api)?.list(kind.path(), list.limit)?;
            let columns: &[&str] = if kind == Kind::Key { &KEY_COLUMNS } else { &AGENT_COLUMNS };
            table::show(&items, list.json, columns, &format!("no {}", kind.command()));
        }
        HeldCommand::Show { id, json, api } => pieces::show(&Api::open(api)?, &place(id), *json)?,
        HeldCommand::Change { id, change, only, api } => {
            let body = Body::Json(&changed(change));
            Api::open(api)?.write(&Method::PATCH, &place(id), body, if_match(only).as_deref())?;
            say(format!("{} is changed", visible(id)));
        }
        HeldCommand::Rotate { id, overlap_seconds, only, api } => {
            let body =
                overlap_seconds.map_or_else(|| json!({}), |seconds| json!({"overlap_seconds": seconds}));
            let path = format!("{}/rotate", place(id));
            let if_match = if_match(only);
            let answer =
                Api::open(api)?.write(&Method::POST, &path, Body::Json(&body), if_match.as_deref())?;
            return show_secret(kind, id, &answer);
        }
        HeldCommand::Revoke { id, only, api } => {
            let path = format!("{}/revoke", place(id));
            Api::open(api)?.write(&Method::POST, &path, Body::None, if_match(only).as_deref())?;
            say(format!("{} is revoked", visible(id)));
        }
    }
    Ok(())
}

/// What is to be another.
fn changed(change: &ChangeOptions) -> Value {
    let expires_at = change.expires_at.map(|moment| moment.to_string());
    given([
        ("description", or_null(change.description.clone(), change.no_description)),
        ("tenant", or_null(change.tenant.clone(), change.no_tenant)),
        ("may_name_tenant", change.may_name_tenant.map(Value::from)),
        ("expires_at", or_null(expires_at, change.no_expires_at)),
    ])
}

/// A text that takes the place of the one there, or `null`, which takes it away (RFC 7396).
pub(crate) fn or_null(text: Option<String>, no: bool) -> Option<Value> {
    match text {
        Some(text) => Some(Value::from(text)),
        None => no.then_some(Value::Null),
    }
}

/// An object of the members that have a value.
pub(crate) fn given<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    members.collect::<Map<_, _>>().into()
}

/// The secret alone on standard output, so that it can go to a file.
fn show_secret(kind: Kind, id: &str, answer: &Answer) -> Done {
    let document = answer.json()?;
    match document.get("key").and_then(Value::as_str) {
        Some(key) => {
            complain(format!("the key of {}, shown only now:", visible(id)));
            say(visible(key));
            Ok(())
        }
        // The answer with the secret was lost on the way, and this is the one to the request sent again.
        None if answer.is_repeated => Err(Failure::Fault(format!(
            "the key was made, and lost with the connection: `oakgate {} rotate` makes another",
            kind.command()
        ))),
        None => Err(ApiError::Unreadable.into()),
    }
}
