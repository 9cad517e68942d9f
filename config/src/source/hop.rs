//! The hop to a backend, as written: TLS, the HTTP spoken there, the proxy's own credential.

use std::borrow::Cow;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

/// TLS to a backend whose `url` is `https://…`. There is no way to leave its certificate unverified.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackendTlsSource {
    /// PEM file of the authorities that the backend's certificate must come from; the system's unless set. Watched.
    pub ca_file: Option<PathBuf>,
    /// PEM file of the certificate that the proxy shows, with its chain; `key_file` too. Watched.
    pub cert_file: Option<PathBuf>,
    /// PEM file of that certificate's private key. Watched.
    pub key_file: Option<PathBuf>,
    /// The name that is asked for (SNI) and that the certificate must have, where that is not the host of `url`.
    pub server_name: Option<String>,
    /// The one SPIFFE id that the backend's certificate must have, in place of a name: `spiffe://domain/path`. Needs
    /// `ca_file`.
    pub spiffe_id: Option<String>,
}

/// The proxy's own credential to a backend: one header on every forwarded request, whatever the caller sent under that name.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialSource {
    /// The header's name, such as `Authorization`.
    pub header: String,
    /// The file whose one line is its value. Watched.
    pub file: PathBuf,
    /// What comes before it in the header, such as `Bearer ` with the space at its end.
    #[serde(default)]
    pub prefix: String,
}

/// Which HTTP is spoken to a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub enum HttpSource {
    /// Over TLS what the backend chooses (ALPN), on plain connections HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1.
    One,
    /// HTTP/2; on plain connections from the first byte on (RFC 9113, section 3.3).
    Two,
}

impl TryFrom<Value> for HttpSource {
    type Error = &'static str;

    fn try_from(value: Value) -> Result<Self, &'static str> {
        match (value.as_str(), value.as_u64()) {
            (Some("auto"), _) => Ok(Self::Auto),
            (_, Some(1)) => Ok(Self::One),
            (_, Some(2)) => Ok(Self::Two),
            _ => Err("must be auto, 1 or 2"),
        }
    }
}

impl JsonSchema for HttpSource {
    fn schema_name() -> Cow<'static, str> {
        "HttpSource".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Which HTTP is spoken to a backend: over TLS what it chooses (ALPN) and otherwise 1.1, or always 1.1, or always 2.",
            "enum": ["auto", 1, 2]
        })
    }
}
