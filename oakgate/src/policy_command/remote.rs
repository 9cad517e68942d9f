//! `oakgate policy pull` and `revisions`: the policy that the control plane has in force, and those before it.

use std::io::IsTerminal;

use crate::api::{Api, ApiError, NONE_YET};
use crate::cli::{ApiOptions, ListOptions, PullOptions};
use crate::exit::{Done, Failure};
use crate::table;
use crate::terminal::{complain, say, visible};

const REVISION_COLUMNS: [&str; 5] = ["revision", "at_unix_ms", "actor", "rolled_back_to", "reason"];

/// A policy document as the control plane has it.
pub(super) struct Stored {
    pub(super) text: String,
    pub(super) etag: String,
}

pub(super) fn pull(options: &PullOptions) -> Done {
    let api = Api::open(&options.api)?;
    let text = match options.revision {
        Some(revision) => of_revision(&api, revision)?,
        None => match in_force(&api)? {
            Some(stored) => stored.text,
            None => return Err(Failure::Input("no policy is in force yet; push one".to_owned())),
        },
    };
    if let Some(file) = &options.to {
        let shown = file.display();
        std::fs::write(file, &text)
            .map_err(|error| Failure::Input(format!("{shown}: can't be written: {error}")))?;
        complain(format!("{shown}: written"));
    } else if std::io::stdout().is_terminal() {
        text.lines().map(visible).for_each(say);
    } else {
        say(text.trim_end_matches('\n'));
    }
    Ok(())
}

pub(super) fn revisions(list: &ListOptions, api: &ApiOptions) -> Done {
    let items = Api::open(api)?.list("/v1/policy/revisions", list.limit)?;
    table::show(&items, list.json, &REVISION_COLUMNS, "no policy is in force yet");
    Ok(())
}

/// The policy in force, as YAML.
pub(super) fn in_force(api: &Api) -> Result<Option<Stored>, ApiError> {
    match api.get_as("/v1/policy", "application/yaml") {
        Ok(answer) => {
            let etag = answer.etag.ok_or(ApiError::Unreadable)?;
            Ok(Some(Stored { text: answer.text, etag }))
        }
        Err(error) if error.is("not_found") => Ok(None),
        Err(error) => Err(error),
    }
}

/// The policy of an earlier revision, as YAML.
pub(super) fn of_revision(api: &Api, revision: u64) -> Result<String, ApiError> {
    Ok(api.get_as(&format!("/v1/policy?revision={revision}"), "application/yaml")?.text)
}

/// What `If-Match` says so that only this policy is replaced.
pub(super) fn if_match(stored: Option<&Stored>) -> &str {
    stored.map_or(NONE_YET, |stored| &stored.etag)
}
