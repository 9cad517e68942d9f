mod explained;
mod properties;
#[path = "../../tests/corpus/reference.rs"]
mod reference;
mod vectors;

use serde_json::Value;

use super::*;
use crate::{Document, Query};

fn snapshot(document: &Value) -> Snapshot {
    let parsed = Document::parse(&document.to_string());
    Snapshot::compile(parsed.unwrap_or_else(|errors| panic!("{document}\n{errors:?}")), 7)
}

fn decided(snapshot: &Snapshot, query: &Value) -> Verdict {
    verdict(snapshot, &Query::parse(&query.to_string()).unwrap().call(), UnixMillis(0), &mut Silent)
}
