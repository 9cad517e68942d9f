//! A backend's endpoints as written: where they are, how they are checked, when one is left out.

use schemars::JsonSchema;
use serde::Deserialize;

/// One address of a backend, or a name that stands for several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum EndpointSource {
    /// `host:port`.
    Address(String),
    /// The same, with a share of the calls.
    Weighted(WeightedEndpointSource),
}

/// An endpoint that takes more or fewer calls than others.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightedEndpointSource {
    /// `host:port`; every address that the host stands for is an endpoint.
    pub address: String,
    /// Its share of the calls, beside the weights of the others.
    #[schemars(range(min = 1, max = 16))]
    pub weight: u8,
}

/// Active checks: each endpoint is asked again and again whether it is well.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HealthSource {
    /// A path to `GET`; a status of 2xx is healthy. Without it, a connection that opens is.
    pub path: Option<String>,
    /// How often.
    #[schemars(range(min = 1, max = 3600))]
    pub interval_seconds: u32,
    /// How long one check may take.
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_seconds: u32,
    /// So many good checks in a row make an endpoint healthy.
    #[schemars(range(min = 1, max = 100))]
    pub healthy_after: u32,
    /// So many failed checks in a row make it unhealthy.
    #[schemars(range(min = 1, max = 100))]
    pub unhealthy_after: u32,
}

/// Passive checks: an endpoint whose calls fail is left out for a while. The only endpoint of a backend never is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EjectionSource {
    /// So many calls in a row that find no connection, break off or are not answered in time.
    #[schemars(range(min = 1, max = 1000))]
    pub failures: u32,
    /// How long it is left out the first time; each time in a row twice as long, up to 32 times as long.
    #[schemars(range(min = 1, max = 3600))]
    pub seconds: u32,
    /// At most so many of all endpoints are left out at once, but one may be; 0: none ever is.
    #[schemars(range(max = 100))]
    pub max_percent: u8,
}

impl Default for HealthSource {
    fn default() -> Self {
        Self { path: None, interval_seconds: 10, timeout_seconds: 2, healthy_after: 2, unhealthy_after: 3 }
    }
}

impl Default for EjectionSource {
    fn default() -> Self {
        Self { failures: 5, seconds: 10, max_percent: 50 }
    }
}
