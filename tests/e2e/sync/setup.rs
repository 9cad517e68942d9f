//! A control plane with a policy, a line to it that can be cut, and proxies that follow it.

use serde_json::{Value, json};

use crate::harness::{Backend, Control, Database, End, Follower, Following, Line, Site};

/// What callers are told of a tool that is disabled.
pub(super) const DISABLED: &str = "Unknown tool: probe";

pub(super) struct Setup {
    pub(super) site: Site,
    pub(super) control: Control,
    pub(super) line: Line,
    pub(super) backend: Backend,
    /// An agent's key.
    pub(super) key: String,
}

impl Setup {
    pub(super) fn new(database: Database) -> Self {
        let site = Site::new(database);
        let control = site.start();
        control.first_policy(&policy());
        let key = control.agent("agent-1");
        let line = Line::to(End::Server(control.address.clone()));
        Self { site, control, line, backend: Backend::raw(&[]), key }
    }

    /// A new proxy that follows at the other end of the line, and has all that it needs.
    pub(super) fn follow(&self, name: &str) -> Follower {
        self.follow_at(&self.line.address, name)
    }

    /// The same, over another line.
    pub(super) fn follow_at(&self, address: &str, name: &str) -> Follower {
        let follower = self.following(address, &self.control.proxy(name)).follow(name);
        follower.caller.wait_for("read_note", Ok(()));
        follower
    }

    pub(super) fn following<'f>(&'f self, control: &'f str, relay_token: &'f str) -> Following<'f> {
        let (policy_key, backend, key) = (&self.site.policy_key, &self.backend, &self.key);
        Following { control, relay_token, policy_key, backend, key }
    }
}

/// What each test begins with. Rules say more of `probe`.
pub(super) fn policy() -> Value {
    json!({"format": 1, "org": "acme", "tools": [
        {"name": "read_note", "default": "allowed"},
        {"name": "write_note", "default": "requires_approval"},
        {"name": "probe", "default": "disabled"},
    ]})
}
