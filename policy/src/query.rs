//! A call as text: one line of `policy decide`.

#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::{Call, Caller, CallerKind, Definition};

/// One call to decide on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    tool: String,
    #[serde(default)]
    tenant: Option<String>,
    #[serde(default)]
    resource: Option<String>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    args: Option<Box<RawValue>>,
    #[serde(default = "anonymous", with = "CallerText")]
    caller: Caller,
    #[serde(default)]
    reasoning: Option<String>,
    /// Whether the tool's backend shows another definition than the accepted one.
    #[serde(default)]
    definition_changed: bool,
}

/// A text that is no query.
#[derive(Debug, thiserror::Error)]
pub enum NotAQuery {
    /// Not JSON, or not its fields.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// Arguments are a JSON object, and nothing else.
    #[error("`args` must be an object")]
    ArgumentsNotAnObject,
}

/// A caller as text.
#[derive(Deserialize)]
#[serde(remote = "Caller", deny_unknown_fields)]
struct CallerText {
    #[serde(default)]
    id: String,
    kind: CallerKind,
    #[serde(default)]
    claims: Map<String, Value>,
}

impl Query {
    /// Reads a query from JSON: `tool`, and optionally `tenant`, `resource`, `method`, `args` (an object), `caller`
    /// (`kind`, and optionally `id` and `claims`; without it, anonymous), `reasoning` and `definition_changed` (a flag).
    ///
    /// # Errors
    /// [`NotAQuery`] if it has another form.
    pub fn parse(text: &str) -> Result<Self, NotAQuery> {
        let query: Self = serde_json::from_str(text)?;
        if query.arguments().starts_with('{') { Ok(query) } else { Err(NotAQuery::ArgumentsNotAnObject) }
    }

    /// The call that it describes. It goes to no backend in particular.
    #[must_use]
    pub fn call(&self) -> Call<'_> {
        Call {
            backend: "",
            tool: &self.tool,
            tenant: self.tenant.as_deref(),
            resource: self.resource.as_deref(),
            method: self.method.as_deref(),
            arguments: self.arguments(),
            caller: &self.caller,
            unread: crate::Unread::Nothing,
            reasoning: self.reasoning.as_deref(),
            // Which definition it is makes no difference to a verdict.
            definition: if self.definition_changed { Definition::Unknown } else { Definition::Accepted },
        }
    }

    fn arguments(&self) -> &str {
        self.args.as_ref().map_or("{}", |arguments| arguments.get())
    }
}

fn anonymous() -> Caller {
    Caller { id: String::new(), kind: CallerKind::Anonymous, claims: Map::new() }
}
