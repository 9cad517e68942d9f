//! End to end: the real binary between real clients and real backends. `tests/README.md` says what those are.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends where something is not as it should be"
)]

mod admin;
mod audit;
mod authorization;
mod batches;
mod bypass;
mod commands;
mod conformance;
mod cors;
mod drain;
mod harness;
mod holds;
mod http_sse;
mod limits;
mod lists;
mod mcp;
mod openapi;
mod policies;
mod rates;
mod refusals;
mod reload;
mod rest;
mod streams;
mod tidy;
mod transparent;
mod up;
mod websocket;
