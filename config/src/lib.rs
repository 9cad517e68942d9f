//! Settings of every program: one YAML (or JSON) file becomes typed values, or a list of all its mistakes.
//!
//! A file is read in three steps: its text with `${NAME}` filled in ([`document`]), its shape against the JSON
//! Schema that editors use too ([`source`]), its meaning ([`settings`]). Nothing else reads the environment.

mod document;
mod environment;
pub mod header;
mod history;
mod join;
mod keys;
mod limits;
mod mistake;
mod policy_age;
mod rates;
mod settings;
pub mod source;
mod spiffe;

pub use environment::Environment;
pub use history::History;
pub use join::{JoinLine, JoinLineError, RelayToken};
pub use keys::{ApiKey, KeyKind, Keys};
pub use limits::Limits;
pub use mistake::{Mistake, Mistakes};
pub use policy_age::MaxPolicyAge;
pub use rates::{Rate, Rates};
pub use settings::{
    AgentWhen, Algorithm, Audit, Auth, Authorization, Backend, BackendKind, BackendTls, BackendUrl, Bundle,
    ClientCertificate, ControlLink, ControlPlane, ControlReceipts, ControlTls, Cors, Credential, Drain,
    Durability, Ejection, EndpointName, FetchUrl, Health, Hop, Http, JwksPlace, Jwt, LinkUrl, ListMode,
    Listener, Mapping, Mtls, OnFull, PolicyKeyPlace, PolicyKeysPlace, Proxy, Receipts, Redis,
    RelayTokenPlace, Route, Settings, StorePlace, Tls,
};

pub use spiffe::{NotSpiffeId, SpiffeId, TrustDomain};

/// The JSON Schema (2020-12) of the settings file.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(source::SettingsSource).to_value()
}
