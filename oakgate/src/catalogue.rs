//! `oakgate tenants`, `resources` and `methods`: names that the control plane knows, with a word for people.

use serde_json::{Map, Value};

use crate::api::{Api, segment};
use crate::cli::{CatalogueCommand, CatalogueOptions};
use crate::exit::Done;
use crate::{pieces, table};

const COLUMNS: [&str; 3] = ["name", "description", "created_at"];

/// `kind` is the word of the path.
pub(crate) fn run(kind: &str, options: &CatalogueOptions) -> Done {
    let api = Api::open(&options.api)?;
    let path = |name: &str| format!("/v1/{kind}/{}", segment(name));
    match &options.command {
        CatalogueCommand::List(list) => {
            let items = api.list(&format!("/v1/{kind}"), list.limit)?;
            table::show(&items, list.json, &COLUMNS, &format!("no {kind}"));
        }
        CatalogueCommand::Show(show) => pieces::show(&api, &path(&show.name), show.json)?,
        CatalogueCommand::Put { name, description, only } => {
            let mut document = Map::new();
            let description = description.as_deref().map(Value::from);
            document.extend(description.map(|text| ("description".to_owned(), text)));
            pieces::put(&api, &path(name), name, &document.into(), only)?;
        }
        CatalogueCommand::Remove { name, only } => pieces::remove(&api, &path(name), name, only)?,
    }
    Ok(())
}
