//! `oakgate policy diff`: what changes between two documents.

use std::path::Path;

use policy::diff::{Compared, STEPS_MAX, compare};

use super::{json, parse};
use crate::exit::{Done, Failure};
use crate::terminal::say;

pub(super) fn run(old: &Path, new: &Path, as_json: bool) -> Done {
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
    if !comparison.complete {
        let text = format!("incomplete: stopped after {STEPS_MAX} steps; compare smaller changes one by one");
        return Err(Failure::Input(text));
    }
    if comparison.has_differences() { Err(Failure::No) } else { Ok(()) }
}
