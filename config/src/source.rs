//! The settings file as written. `config.md` describes each key; the JSON Schema is generated from these types.

mod bundle;
mod control_plane;
pub mod endpoints;
mod hop;
mod jwt;
mod link;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Limits, MaxPolicyAge, Rates};
pub use bundle::BundleSource;
pub use control_plane::{ControlPlaneSource, ControlReceiptsSource, ControlTlsSource, RedisSource};
use endpoints::{EjectionSource, EndpointSource, HealthSource};
pub use hop::{BackendTlsSource, CredentialSource, HttpSource};
pub use jwt::{AgentWhenSource, AlgorithmSource, JwtSource, TextsSource};
pub use link::LinkSource;

/// One file for either program, or for both.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Oakgate settings")]
pub struct SettingsSource {
    /// The data plane.
    pub proxy: Option<ProxySource>,
    /// The control plane.
    pub control_plane: Option<ControlPlaneSource>,
}

/// The proxy.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProxySource {
    /// Its name: the issuer of its receipts, and its name in records.
    pub name: String,
    /// Address of `/healthz`, `/readyz`, `/metrics`, `/policy`, `/explain`, `/tools` and `/backends`.
    pub admin: String,
    /// Threads that carry traffic; one per core unless set.
    #[schemars(range(min = 1, max = 256))]
    pub workers: Option<u16>,
    /// Where callers connect.
    #[schemars(length(min = 1))]
    pub listeners: Vec<ListenerSource>,
    /// Where calls go.
    #[schemars(length(min = 1))]
    pub backends: Vec<BackendSource>,
    /// The control plane that the policy, the API keys and the receipt keys come from, where no file of the proxy's own is
    /// named for them.
    pub control_plane: Option<LinkSource>,
    /// API keys, when there is no control plane that keeps them.
    pub keys_file: Option<PathBuf>,
    /// Receipts on what is forwarded.
    #[serde(default)]
    pub receipts: ReceiptsSource,
    /// The record of every call.
    pub audit: AuditSource,
    /// Where the policy comes from.
    #[serde(default)]
    pub policy: PolicySource,
    /// Limits; every one has a default.
    #[serde(default)]
    pub limits: Limits,
    /// How often calls may come; as often as they like unless set.
    #[serde(default)]
    pub rates: Rates,
    /// How it stops.
    #[serde(default)]
    pub drain: DrainSource,
}

/// One address that callers connect to.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerSource {
    /// Its name, for backends and metrics.
    pub name: String,
    /// IP address and port; port 0 lets the system choose.
    pub address: String,
    /// How callers prove who they are: one way, or a list of which one is enough. `none` is for loopback only.
    pub auth: AuthListSource,
    /// Whose tokens are taken, where `auth` names `jwt`.
    pub jwt: Option<JwtSource>,
    /// Scheme, host and port by which callers reach this listener, such as `https://tools.example.com`; what its metadata
    /// says of its backends' URLs.
    pub public_url: Option<String>,
    /// What a caller sees in `tools/list` of what policy will do with its calls.
    #[serde(default)]
    pub list: ListSource,
    /// How long a call is held for a person, before its caller is told to repeat it.
    #[serde(default = "default_hold_limit_seconds")]
    #[schemars(range(min = 1, max = 86_400))]
    pub hold_limit_seconds: u32,
    /// `stamp`: a receipt is put on every forwarded call.
    #[serde(default)]
    pub receipts: ReceiptModeSource,
    /// Further host names that this listener answers to.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Origins of web pages that may call it.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Whether HTTP/2 is spoken here beside HTTP/1.1.
    #[serde(default = "default_http2")]
    pub http2: bool,
    /// What pages of those origins may do beyond calling it (CORS, the Fetch standard).
    #[serde(default)]
    pub cors: CorsSource,
    /// `auth: none` on an address that is not loopback: say so here.
    #[serde(default)]
    pub force_no_auth: bool,
    /// TLS; without it the listener speaks plain HTTP.
    pub tls: Option<TlsSource>,
    /// Who the callers of `auth: mtls` are.
    pub mtls: Option<MtlsSource>,
}

/// TLS on a listener. The files are read again when they change.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsSource {
    /// The certificate, followed by its chain, in PEM.
    pub cert_file: PathBuf,
    /// The certificate's private key, in PEM.
    pub key_file: PathBuf,
    /// The authorities of client certificates, in PEM. With it clients are asked for a certificate, and must have one
    /// unless `auth` has `mtls` and another way.
    pub client_ca_file: Option<PathBuf>,
}

/// Callers that are known by the SPIFFE id in their certificate.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MtlsSource {
    /// The SPIFFE trust domains whose workloads may call.
    #[schemars(length(min = 1))]
    pub trust_domains: Vec<String>,
    /// The tenant that they all belong to.
    pub tenant: Option<String>,
}

/// What pages of a listener's `origins` may do.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CorsSource {
    /// Whether they may send cookies and client certificates. API keys and tokens in headers need no such leave.
    pub allow_credentials: bool,
    /// Whether a page of the public internet may call into a private network.
    pub allow_private_network: bool,
    /// Response headers that they may read beyond the usual ones.
    #[schemars(length(max = 32))]
    pub expose_headers: Vec<String>,
    /// How long a browser may remember that it may call.
    #[schemars(range(max = 86_400))]
    pub max_age_seconds: u32,
}

impl Default for CorsSource {
    fn default() -> Self {
        Self {
            allow_credentials: false,
            allow_private_network: false,
            expose_headers: Vec::new(),
            max_age_seconds: 600,
        }
    }
}

/// One way, or several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AuthListSource {
    /// One.
    One(AuthSource),
    /// Any of these.
    Several(Vec<AuthSource>),
}

impl AuthListSource {
    /// All of them.
    #[must_use]
    pub fn ways(&self) -> &[AuthSource] {
        match self {
            Self::One(way) => std::slice::from_ref(way),
            Self::Several(ways) => ways,
        }
    }
}

/// How callers prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AuthSource {
    /// `X-API-Key` or `Authorization: Bearer`.
    ApiKey,
    /// A client certificate with a SPIFFE id (X.509-SVID); needs `tls.client_ca_file` and `mtls`.
    Mtls,
    /// `Authorization: Bearer`, a token of the issuer that `jwt` names.
    Jwt,
    /// Not at all.
    None,
}

/// What becomes of `tools/list`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ListSource {
    /// They are taken out.
    #[default]
    Filter,
    /// None are taken out; each description says what policy will do with calls of this caller.
    Annotate,
    /// Nothing is touched.
    Off,
}

/// What a listener does with receipts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReceiptModeSource {
    /// Stamps one on every forwarded call.
    #[default]
    Stamp,
}

/// One tool backend.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackendSource {
    /// Its name: the audience of receipts, and its name in metrics and records.
    pub name: String,
    /// What it speaks.
    pub kind: KindSource,
    /// Its path on the listeners.
    pub path: String,
    /// The listeners that it is reached on; all of them unless set.
    pub listeners: Option<Vec<String>>,
    /// Its own address: `http://host:port/path` or `https://host:port/path`.
    pub url: String,
    /// Which HTTP it speaks.
    #[serde(default)]
    pub http: HttpSource,
    /// How it is verified, and what it is shown; only with `https://`.
    pub tls: Option<BackendTlsSource>,
    /// What the proxy itself proves to it who it is with.
    pub credential: Option<CredentialSource>,
    /// Where its calls go: `host:port` each, all with the scheme and path of `url`. Unless set, to the host of `url`. Every
    /// address that a host name stands for is an endpoint.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub endpoints: Vec<EndpointSource>,
    /// How its endpoints are asked whether they are well; they are not unless set.
    pub health: Option<HealthSource>,
    /// When an endpoint whose calls fail is left out.
    #[serde(default)]
    pub ejection: EjectionSource,
    /// How long it may take until its response begins, in place of `limits.response_timeout_seconds`.
    #[schemars(range(min = 1, max = 86_400))]
    pub response_timeout_seconds: Option<u32>,
    /// What becomes of a caller's `Authorization`. `pass` needs listeners with `auth: none`.
    #[serde(default)]
    pub authorization: AuthorizationSource,
    /// Where a call's resource comes from.
    pub resource: Option<MappingSource>,
    /// Where a call's method comes from.
    pub method: Option<MappingSource>,
    /// REST only: which requests are which tools.
    #[serde(default)]
    pub routes: Vec<RouteSource>,
    /// REST only: an OpenAPI file (3.0, 3.1 or 3.2) whose operations are routes too, where `routes` has none of the same
    /// method and shape.
    pub openapi_file: Option<PathBuf>,
    /// MCP only: methods beyond the published ones that pass.
    #[serde(default)]
    pub extra_methods: Vec<String>,
    /// MCP only: further methods that the cascade decides, such as `resources/read`.
    #[serde(default)]
    pub govern: Vec<GovernSource>,
}

/// What becomes of a caller's `Authorization` on its way to a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuthorizationSource {
    /// It stays here: it is for the proxy.
    #[default]
    Strip,
    /// It is for the backend, and so are its challenges and its OAuth metadata for the caller.
    Pass,
}

/// What a backend speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KindSource {
    /// MCP over streamable HTTP.
    Mcp,
    /// Plain HTTP.
    Rest,
}

/// Methods beside `tools/call` that can be put under the cascade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum GovernSource {
    /// The tool is `resources/read`, the resource is the URI.
    #[serde(rename = "resources/read")]
    ResourcesRead,
    /// The tool is `resources/subscribe`, the resource is the URI.
    #[serde(rename = "resources/subscribe")]
    ResourcesSubscribe,
    /// The tool is `prompts/get`, the resource is the prompt's name.
    #[serde(rename = "prompts/get")]
    PromptsGet,
}

/// Where a dimension of a call comes from.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum MappingSource {
    /// Always this.
    Fixed(String),
    /// An argument of the tool.
    Argument(ArgumentSource),
    /// A request header.
    Header(HeaderSource),
}

/// An argument of the tool, by JSON Pointer (RFC 6901).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArgumentSource {
    /// The pointer, such as `/path`.
    pub argument: String,
}

/// A request header.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderSource {
    /// The header's name.
    pub header: String,
}

/// One REST route.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteSource {
    /// Method and path, such as `POST /v1/refunds/{ledger}`.
    #[serde(rename = "match")]
    pub pattern: String,
    /// The tool that it is.
    pub tool: String,
    /// The resource, such as `{ledger}`.
    pub resource: Option<String>,
}

/// Receipts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceiptsSource {
    /// A JWK set with the signing key, when there is no control plane that keeps it.
    pub keys_file: Option<PathBuf>,
    /// How long a receipt is good.
    #[serde(default = "default_receipt_ttl_seconds")]
    #[schemars(range(min = 1, max = 86_400))]
    pub ttl_seconds: u32,
    /// Whether a stamp also carries the digest of the arguments in canonical form.
    #[serde(default)]
    pub canonical_arguments: bool,
}

impl Default for ReceiptsSource {
    fn default() -> Self {
        let ttl_seconds = default_receipt_ttl_seconds();
        Self { keys_file: None, ttl_seconds, canonical_arguments: false }
    }
}

/// The audit record.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditSource {
    /// The folder that records are written to.
    pub directory: PathBuf,
    /// `strict` waits for the disk on every call, `batched` on none. Unset: strict for calls that needed approval or
    /// hit a destructive tool, batched for the rest.
    pub durability: Option<DurabilitySource>,
    /// What happens when `limits.max_audit_bytes` is reached, or the disk is full.
    #[serde(default)]
    pub on_full: OnFullSource,
}

/// When a record counts as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DurabilitySource {
    /// When it is on the disk.
    Strict,
    /// When it is in the kernel's hands.
    Batched,
}

/// What happens when records can't be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnFullSource {
    /// The call is refused.
    #[default]
    Refuse,
    /// The record is dropped and counted.
    Drop,
}

/// Where the policy comes from.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicySource {
    /// A policy document, watched; when there is no control plane that keeps it.
    pub file: Option<PathBuf>,
    /// A signed policy, fetched; in place of `file`, when there is no control plane.
    pub bundle: Option<BundleSource>,
    /// Another one, watched too: asked about the same calls, compared, and never obeyed.
    pub candidate_file: Option<PathBuf>,
    /// How old it may be, since its source was last seen to have it: beyond, calls are refused.
    #[serde(default)]
    pub max_policy_age: MaxPolicyAge,
}

/// How a proxy stops.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DrainSource {
    /// How long it says "not ready" while it still accepts calls.
    #[schemars(range(max = 3600))]
    pub announce_seconds: u32,
    /// How long calls under way may take after that.
    #[schemars(range(max = 3600))]
    pub limit_seconds: u32,
}

impl Default for DrainSource {
    fn default() -> Self {
        Self { announce_seconds: 5, limit_seconds: 30 }
    }
}

const fn default_http2() -> bool {
    true
}

const fn default_hold_limit_seconds() -> u32 {
    55
}

pub(crate) const fn default_receipt_ttl_seconds() -> u32 {
    300
}
