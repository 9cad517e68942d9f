//! `oakgate rules`, `categories` and `policy tools`: the policy in force, piece by piece.

use std::path::Path;

use serde_json::Value;
use ureq::http::Method;

use crate::api::{Api, ApiError, Body, query, segment};
use crate::cli::{OnlyOptions, PieceCommand, PieceOptions, SettingsCommand, SettingsOptions};
use crate::exit::{Done, Failure};
use crate::input;
use crate::table;
use crate::terminal::{complain, say, visible};

/// Kinds of pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Rule,
    Category,
    Tool,
}

impl Kind {
    const fn path(self) -> &'static str {
        match self {
            Self::Rule => "/v1/rules",
            Self::Category => "/v1/categories",
            Self::Tool => "/v1/tools",
        }
    }

    const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Rule => &["id", "permission", "tool", "tenant", "resource", "method", "when"],
            Self::Category => &["name", "default"],
            Self::Tool => &["name", "category", "status", "default", "tags"],
        }
    }

    const fn none(self) -> &'static str {
        match self {
            Self::Rule => "no rules",
            Self::Category => "no categories",
            Self::Tool => "no tools",
        }
    }
}

pub(crate) fn run(kind: Kind, options: &PieceOptions) -> Done {
    let api = Api::open(&options.api)?;
    let path = |name: &str| format!("{}/{}", kind.path(), segment(name));
    match &options.command {
        PieceCommand::List(list) => {
            let items = api.list(kind.path(), list.limit)?;
            table::show(&items, list.json, kind.columns(), kind.none());
        }
        PieceCommand::Show(show) => self::show(&api, &path(&show.name), show.json)?,
        PieceCommand::Put { name, file, before, reason, only } => {
            let asked = [("before", before.as_deref()), ("reason", reason.as_deref())];
            put(&api, &query(&path(name), &asked), name, &document(file)?, only)?;
        }
        PieceCommand::Remove { name, reason, only } => {
            remove(&api, &query(&path(name), &[("reason", reason.as_deref())]), name, only)?;
        }
    }
    Ok(())
}

/// What the policy in force says of no one rule, category or tool.
pub(crate) fn run_settings(options: &SettingsOptions) -> Done {
    let api = Api::open(&options.api)?;
    let path = "/v1/policy/settings";
    match &options.command {
        SettingsCommand::Show { json } => match show(&api, path, *json) {
            Err(error) if error.is("not_found") => {
                return Err(Failure::Input("no policy is in force yet; push one".to_owned()));
            }
            shown => shown?,
        },
        SettingsCommand::Put { file, reason, only } => {
            let path = query(path, &[("reason", reason.as_deref())]);
            put(&api, &path, "the policy with these settings", &document(file)?, only)?;
        }
    }
    Ok(())
}

/// Prints what is at `path`, and on standard error its version, for `--if-version`.
pub(crate) fn show(api: &Api, path: &str, json: bool) -> Result<(), ApiError> {
    let answer = api.get(path)?;
    table::show_one(&answer.json()?, json);
    if let (Some(etag), false) = (&answer.etag, json) {
        complain(format!("version {}", visible(etag.trim_matches('"'))));
    }
    Ok(())
}

/// Makes or replaces what is at `path`.
pub(crate) fn put(
    api: &Api,
    path: &str,
    name: &str,
    document: &Value,
    only: &OnlyOptions,
) -> Result<(), ApiError> {
    let answer = api.write(&Method::PUT, path, Body::Json(document), if_match(only).as_deref())?;
    let version =
        answer.etag.map_or_else(String::new, |etag| format!(" (version {})", etag.trim_matches('"')));
    say(format!("{} is in force{}", visible(name), visible(&version)));
    Ok(())
}

/// Takes away what is at `path`.
pub(crate) fn remove(api: &Api, path: &str, name: &str, only: &OnlyOptions) -> Result<(), ApiError> {
    api.write(&Method::DELETE, path, Body::None, if_match(only).as_deref())?;
    say(format!("{} is removed", visible(name)));
    Ok(())
}

/// As an entity tag.
pub(crate) fn if_match(only: &OnlyOptions) -> Option<String> {
    only.if_version.map(|version| format!("\"{version}\""))
}

/// A piece from a file or, for `-`, from standard input.
fn document(file: &Path) -> Result<Value, Failure> {
    serde_saphyr::from_str(&input::read(file)?)
        .map_err(|error| Failure::Input(format!("{}: neither YAML nor JSON: {error}", input::name(file))))
}
