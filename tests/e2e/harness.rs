//! Starts programs, waits for them, and stops them; what tests read like is up to the tests.

mod api;
mod browser;
pub(crate) mod certificates;
mod client;
mod control_plane;
mod description;
mod follower;
mod gate;
mod http;
pub(crate) mod liar;
mod line;
mod program;
mod relay;
mod rust_client;
mod shell_session;
mod site;
pub(crate) mod tls;

pub(crate) use api::{Api, Database};
pub(crate) use browser::Pages;
pub(crate) use certificates::{Authority, Issued};
pub(crate) use client::{AUTO, Client, OAUTH, PY1, PY1_HTTP2, PY2, RUST, SIGN_IN, TS1, TS2};
pub(crate) use control_plane::ControlPlane;
pub(crate) use description::{Operation, percent_encoded};
pub(crate) use follower::{Follower, Following};
pub(crate) use gate::{Gate, GateOptions, KEY};
pub(crate) use http::{Answer, Connection, Stream, request};
pub(crate) use liar::Liar;
pub(crate) use line::{End, Line};
pub(crate) use program::{Backend, Program, oakgate, oakgate_command, repository, tools};
pub(crate) use relay::Relay;
pub(crate) use rust_client::{connect, modern};
pub(crate) use shell_session::replay;
pub(crate) use site::{Control, Site};

use std::time::{Duration, Instant};

/// Longest that anything is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until something is there; it is looked for again and again.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
