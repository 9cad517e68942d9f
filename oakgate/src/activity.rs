//! `oakgate activity`: what was changed and asked, and what is, as it happens.

use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::api::{Api, ApiError, query};
use crate::cli::{ActivityOptions, PermissionName};
use crate::exit::Done;
use crate::table;

const COLUMNS: [&str; 6] = ["at_unix_ms", "action", "object", "actor", "tenant", "permission"];

/// How often new records are asked for.
const FOLLOW_EVERY: Duration = Duration::from_secs(1);

/// How many records are asked for at first, when following.
const FOLLOWED_FIRST: usize = 50;

/// Most records that are shown of one such moment.
const FOLLOWED_MAX: usize = 5000;

pub(crate) fn run(options: &ActivityOptions) -> Done {
    let api = Api::open(&options.api)?;
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
    let mut items = api.list(&path, options.list.limit)?;
    if !options.follow {
        table::show(&items, options.list.json, &COLUMNS, "nothing");
        return Ok(());
    }
    let mut last = String::new();
    loop {
        items.reverse();
        table::show_more(&items, options.list.json, &COLUMNS, last.is_empty());
        if let Some(newest) = items.last() {
            last = id(newest)?.to_owned();
        }
        sleep(FOLLOW_EVERY);
        items = since(&api, &path, &last)?;
    }
}

/// What came after the record `last`, newest first. Ids of records are in the order of time.
fn since(api: &Api, path: &str, last: &str) -> Result<Vec<Value>, ApiError> {
    let mut limit = FOLLOWED_FIRST;
    loop {
        let mut items = api.list(path, limit)?;
        let is_all = items.len() < limit;
        let found = items.len();
        items.retain(|item| id(item).is_ok_and(|id| id > last));
        // Where the page reaches back to what is known, or to the beginning, nothing is missing.
        if items.len() < found || is_all || limit >= FOLLOWED_MAX {
            return Ok(items);
        }
        limit = limit.saturating_mul(10);
    }
}

fn id(item: &Value) -> Result<&str, ApiError> {
    item.get("id").and_then(Value::as_str).ok_or(ApiError::Unreadable)
}
