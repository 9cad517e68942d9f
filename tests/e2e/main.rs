//! End to end: the real binary between real clients and real backends. `tests/README.md` says what those are.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where something is not as it should be"
)]

mod admin;
mod api_description;
mod audit;
mod authorization;
mod backends;
mod batches;
mod bundles;
mod bypass;
mod checks;
mod command_line;
mod commands;
mod conformance;
mod connections;
mod control_plane;
mod control_plane_tls;
mod cors;
mod credentials;
mod discovery;
mod drain;
mod endpoints;
mod faults;
mod first_credentials;
mod framing;
mod harness;
mod holds;
mod hostile_api;
mod http2;
mod http_sse;
mod jwt;
mod limits;
mod lists;
mod mcp;
mod mtls;
mod openapi;
mod orgs;
mod policies;
mod proxies;
mod rates;
mod redis;
mod refusals;
mod reload;
mod rest;
mod streams;
mod sync;
mod tidy;
mod tls;
mod tls_http2;
mod transparent;
mod up;
mod upstream_credential;
mod upstream_http2;
mod upstream_tls;
mod websocket;
