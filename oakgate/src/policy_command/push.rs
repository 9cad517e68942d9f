//! `oakgate policy push` and `rollback`: shows what a change of the policy in force does, asks if it loosens anything, and
//! makes it only if that policy is still in force.

use policy::diff::{Compared, Comparison, Direction, compare};
use serde_json::{Map, Value};
use ureq::http::Method;

use super::recorded;
use super::remote::{if_match, in_force, of_revision};
use super::{parse_text, read};
use crate::api::{Answer, Api, ApiError, Body, query};
use crate::cli::{AgreeOptions, PushOptions, RollbackOptions};
use crate::exit::{Done, Failure};
use crate::terminal::{Confirmed, complain, confirm, say, visible};

pub(super) fn push(options: &PushOptions) -> Done {
    let text = read(&options.file)?;
    let new = Candidate::parse(&options.file.display().to_string(), &text)?;
    let api = Api::open(&options.api)?;
    change(&api, &new, &options.agree, |if_match| {
        let path = query("/v1/policy", &[("reason", options.agree.reason.as_deref())]);
        api.write(&Method::PUT, &path, Body::Yaml(&text), Some(if_match))
    })
}

pub(super) fn rollback(options: &RollbackOptions) -> Done {
    let api = Api::open(&options.api)?;
    let text = of_revision(&api, options.revision)?;
    let new = Candidate::parse(&format!("revision {}", options.revision), &text)?;
    change(&api, &new, &options.agree, |if_match| {
        let mut body = Map::from_iter([("revision".to_owned(), Value::from(options.revision))]);
        body.extend(options.agree.reason.as_deref().map(|reason| ("reason".to_owned(), reason.into())));
        api.write(&Method::POST, "/v1/policy/rollback", Body::Json(&body.into()), Some(if_match))
    })
}

/// A policy that is to be put in force.
struct Candidate<'t> {
    text: &'t str,
    compared: Compared,
}

impl<'t> Candidate<'t> {
    fn parse(name: &str, text: &'t str) -> Result<Self, Failure> {
        Ok(Self { text, compared: parse_text(name, text, Compared::parse)? })
    }
}

/// Replaces the policy in force by `new`, if that is agreed to.
fn change(
    api: &Api,
    new: &Candidate<'_>,
    agree: &AgreeOptions,
    write: impl FnOnce(&str) -> Result<Answer, ApiError>,
) -> Done {
    let stored = in_force(api)?;
    let needs_yes = match &stored {
        Some(stored) => {
            let old = parse_text("the policy in force", &stored.text, Compared::parse)?;
            let needs_yes = shown(&compare(&old, &new.compared));
            recorded::show(api, new.text)?;
            needs_yes
        }
        None => {
            say("no policy is in force yet, so there is nothing to compare with");
            true
        }
    };
    if needs_yes && !agree.yes {
        agreed(agree)?;
    }
    if agree.dry_run {
        return Ok(());
    }
    match write(if_match(stored.as_ref())) {
        Ok(answer) => {
            let written = answer.json()?;
            let revision = written.get("revision").and_then(Value::as_u64).ok_or(ApiError::Unreadable)?;
            let is_same = written.get("changed") == Some(&Value::Bool(false));
            say(format!("revision {revision} is in force{}", if is_same { " already" } else { "" }));
            Ok(())
        }
        Err(error) if error.is("version_changed") => Err(Failure::Input(
            "the policy was changed meanwhile, and nothing was done: give the same command again, to see what it \
             changes now"
                .to_owned(),
        )),
        Err(error) => Err(error.into()),
    }
}

/// Prints what changes; whether anything of it needs a yes: what loosens, what may, what was not looked at.
fn shown(comparison: &Comparison) -> bool {
    comparison.to_string().trim_end().lines().map(visible).for_each(say);
    let count = |direction| {
        let verdicts = comparison.verdicts.iter().filter(|change| change.direction == direction).count();
        let settings =
            comparison.settings.iter().filter(|change| change.direction == Some(direction)).count();
        verdicts.saturating_add(settings)
    };
    let [looser, stricter, may_change] =
        [Direction::Looser, Direction::Stricter, Direction::MayChange].map(count);
    if looser > 0 || stricter > 0 || may_change > 0 {
        say(format!("kinds of calls: {looser} looser, {stricter} stricter, {may_change} may change"));
    }
    looser > 0 || may_change > 0 || !comparison.complete
}

fn agreed(agree: &AgreeOptions) -> Done {
    if agree.dry_run {
        complain("this needs a yes");
        return Err(Failure::No);
    }
    match confirm("This lets more through, or may. Put it in force?") {
        Confirmed::Yes => Ok(()),
        Confirmed::No => {
            complain("nothing was changed");
            Err(Failure::No)
        }
        Confirmed::NoTerminal => {
            complain(
                "this lets more through, or may, and there is no terminal to ask on: nothing was changed; look at it, \
                 then add --yes",
            );
            Err(Failure::No)
        }
    }
}
