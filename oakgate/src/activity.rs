//! `oakgate activity`: what was changed and asked, and what is, as it happens.

use std::collections::HashSet;
use std::thread::sleep;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::api::{Api, ApiError, query, segment};
use crate::cli::{ActivityCommand, ActivityOptions, PermissionName};
use crate::exit::Done;
use crate::table;

const COLUMNS: [&str; 6] = ["at", "action", "object", "actor", "tenant", "permission"];

/// How often new records are asked for.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

/// How long a record may come after a later one: records of calls are written in groups.
const LATE: Duration = Duration::from_secs(5);

/// Most records that are shown of one such moment.
const FOLLOWED_MAX: usize = 5000;

pub(crate) fn run(options: &ActivityOptions) -> Done {
    let api = Api::open(&options.api)?;
    if let Some(ActivityCommand::Show { id, json }) = &options.command {
        table::show_one(&api.show(&format!("/v1/activity/{}", segment(id)))?, *json);
        return Ok(());
    }
    let path = query(
        "/v1/activity",
        &[
            ("action", options.action.as_deref()),
            ("actor", options.actor.as_deref()),
            ("object", options.object.as_deref()),
            ("tenant", options.tenant.as_deref()),
            ("permission", options.permission.map(PermissionName::as_str)),
        ],
    );
    if options.follow {
        return follow(&api, &path, options);
    }
    let [since, until] = [options.since, options.until].map(|moment| moment.map(|moment| moment.to_string()));
    let range = [("since", since.as_deref()), ("until", until.as_deref())];
    let items = api.list(&query(&path, &range), options.list.limit)?;
    table::show(&items, options.list.json, &COLUMNS, "nothing");
    Ok(())
}

/// Shows what there is, oldest first, and then what is new, until somebody ends it.
fn follow(api: &Api, path: &str, options: &ActivityOptions) -> Done {
    // Where no record fits the filters, what is new is what comes after the newest of all.
    let mut newest = latest(None, &api.list("/v1/activity", 1)?);
    let mut known = ids(&since(api, path, newest)?);
    let first = options.since.map(|since| since.to_string());
    let mut items = api.list(&query(path, &[("since", first.as_deref())]), options.list.limit)?;
    known.extend(ids(&items));
    let mut is_first = true;
    loop {
        items.reverse();
        table::show_more(&items, options.list.json, &COLUMNS, is_first);
        is_first = false;
        sleep(FOLLOW_EVERY);
        items = since(api, path, newest)?;
        newest = latest(newest, &items);
        let found = ids(&items);
        items.retain(|item| id(item).is_some_and(|id| !known.contains(id)));
        known = found;
    }
}

/// Records from a while before the newest that is known.
fn since(api: &Api, path: &str, newest: Option<Timestamp>) -> Result<Vec<Value>, ApiError> {
    let since = newest.map(|newest| newest.saturating_sub(LATE).unwrap_or(newest).to_string());
    api.list(&query(path, &[("since", since.as_deref())]), FOLLOWED_MAX)
}

fn latest(newest: Option<Timestamp>, items: &[Value]) -> Option<Timestamp> {
    let moments = items.iter().filter_map(|item| item.get("at")?.as_str()?.parse().ok());
    moments.chain(newest).max()
}

fn ids(items: &[Value]) -> HashSet<String> {
    items.iter().filter_map(id).map(str::to_owned).collect()
}

fn id(item: &Value) -> Option<&str> {
    item.get("id")?.as_str()
}
