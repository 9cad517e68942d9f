//! Settings of every program: one YAML (or JSON) file becomes typed values, or a list of all its mistakes.
//!
//! A file is read in three steps: its text with `${NAME}` filled in ([`document`]), its shape against the JSON
//! Schema that editors use too ([`source`]), its meaning ([`settings`]). Nothing else reads the environment.

mod document;
mod environment;
mod keys;
mod limits;
mod mistake;
mod settings;
pub mod source;

pub use environment::Environment;
pub use keys::{ApiKey, KeyKind, Keys};
pub use limits::Limits;
pub use mistake::{Mistake, Mistakes};
pub use settings::{
    Audit, Auth, Authorization, Backend, BackendKind, BackendUrl, ControlPlane, Drain, Durability, Ejection,
    EndpointName, Health, ListMode, Listener, Mapping, OnFull, Proxy, Receipts, Route, Settings,
};

/// The JSON Schema (2020-12) of the settings file.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(source::SettingsSource).to_value()
}
