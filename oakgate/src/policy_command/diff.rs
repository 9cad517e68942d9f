//! `oakgate policy diff`: what changes between two documents, or between the policy in force and a document.

use std::path::Path;

use policy::diff::{Compared, compare};
use serde_json::Value;
use ureq::http::Method;

use super::{json, parse, read, recorded};
use crate::api::{Api, ApiError, Body, query};
use crate::cli::DiffOptions;
use crate::exit::{Done, Failure};
use crate::table;
use crate::terminal::{complain, say, visible};

pub(super) fn run(options: &DiffOptions) -> Done {
    match &options.old {
        Some(old) => files(old, &options.new, options.json),
        None => in_force(options),
    }
}

fn files(old: &Path, new: &Path, as_json: bool) -> Done {
    // The mistakes of both are said at once.
    let (old, new) = match (parse(old, Compared::parse), parse(new, Compared::parse)) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(Failure::Input(old)), Err(Failure::Input(new))) => {
            return Err(Failure::Input(format!("{old}\n{new}")));
        }
        (Err(failure), _) | (_, Err(failure)) => return Err(failure),
    };
    let comparison = compare(&old, &new);
    if as_json {
        say(json(&comparison)?);
    } else {
        say(comparison.to_string().trim_end());
    }
    end(comparison.complete, comparison.has_differences())
}

/// The control plane compares, and says what it found.
fn in_force(options: &DiffOptions) -> Done {
    let text = read(&options.new)?;
    let against = options.against.map(|revision| revision.to_string());
    let path = query("/v1/policy/diff", &[("against", against.as_deref())]);
    let answer = Api::open(&options.api)?.write(&Method::POST, &path, Body::Yaml(&text), None)?.json()?;
    let list = |member: &str| answer.get(member).and_then(Value::as_array).ok_or(ApiError::Unreadable);
    let is_complete = answer.get("complete").and_then(Value::as_bool).ok_or(ApiError::Unreadable)?;
    let has_differences = !list("verdicts")?.is_empty() || !list("settings")?.is_empty();
    if options.json {
        table::show_one(&answer, false);
    } else {
        match answer.get("against").and_then(Value::as_u64).ok_or(ApiError::Unreadable)? {
            0 => complain("no policy is in force yet: compared with one that says nothing"),
            revision => complain(format!("compared with revision {revision}")),
        }
        list("lines")?.iter().filter_map(Value::as_str).map(visible).for_each(say);
        recorded::print(&answer)?;
    }
    end(is_complete, has_differences)
}

fn end(is_complete: bool, has_differences: bool) -> Done {
    if !is_complete {
        let text =
            "incomplete: they differ in too much to look at all of it; compare smaller changes one by one";
        return Err(Failure::Input(text.to_owned()));
    }
    if has_differences { Err(Failure::No) } else { Ok(()) }
}
