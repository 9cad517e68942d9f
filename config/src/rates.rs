//! How often: rates of a proxy. There are none unless they are configured.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// Rates of a proxy, each for all its workers together.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rates {
    /// Of each caller: its calls, and every other request that it makes.
    pub caller: Option<Rate>,
    /// Of all callers together: their calls, and every other request that they make.
    pub all: Option<Rate>,
    /// Of each tool of each backend: its calls by all callers together.
    pub tool: Option<Rate>,
    /// Of these tools, by their names, in place of `tool`.
    pub tools: BTreeMap<String, Rate>,
    /// Of each tool of each backend: its calls by each caller.
    pub caller_tool: Option<Rate>,
}

/// So many calls in so many seconds, and so many of them at once: a token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Calls that may come in `per_seconds`, for as long as they keep coming.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub calls: u32,
    /// The time for `calls`.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 3600))]
    pub per_seconds: u32,
    /// Calls that may come at once after a time of rest; as many as `calls` unless set.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub burst: Option<u32>,
}

const fn one() -> u32 {
    1
}
