//! What the Model Context Protocol has published: methods, revisions, headers.

mod headers;
mod revision;

#[cfg(test)]
mod tests;

pub use headers::{HEADER_MISMATCH, HeaderMismatch, check_headers};
pub use revision::{Era, Revision};

use crate::fold::same_but_for_case;
use crate::percent;

/// The handshake of the revisions up to 2025-11-25.
pub const INITIALIZE: &str = "initialize";
/// Gets a prompt.
pub const PROMPTS_GET: &str = "prompts/get";
/// Reads a resource.
pub const RESOURCES_READ: &str = "resources/read";
/// Asks for a stream of notifications (2026-07-28 and later).
pub const SUBSCRIPTIONS_LISTEN: &str = "subscriptions/listen";
/// Calls a tool.
pub const TOOLS_CALL: &str = "tools/call";
/// Lists the tools.
pub const TOOLS_LIST: &str = "tools/list";

/// Query parameters that some servers take for a method.
const QUERY_METHODS: [&str; 3] = ["_method", "method", "x-http-method-override"];

/// What a method acts on: where it is governed, the resource; and what `Mcp-Name` repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// `params.name`
    Name,
    /// `params.taskId`
    TaskId,
    /// `params.uri`
    Uri,
}

/// What the method acts on, if it acts on one thing.
#[must_use]
pub fn subject(method: &str) -> Option<Subject> {
    match method {
        PROMPTS_GET | TOOLS_CALL => Some(Subject::Name),
        RESOURCES_READ
        | "resources/directory/read"
        | "resources/subscribe"
        | "resources/unsubscribe"
        | "skills/get" => Some(Subject::Uri),
        "tasks/cancel" | "tasks/get" | "tasks/result" | "tasks/update" => Some(Subject::TaskId),
        _ => None,
    }
}

/// True for a method that a client may request of a server in some revision from 2024-11-05 to 2026-07-28, or in a
/// published extension.
#[must_use]
pub fn is_published_request(method: &str) -> bool {
    match method {
        "completion/complete"
        | INITIALIZE
        | "logging/setLevel"
        | "ping"
        | PROMPTS_GET
        | "prompts/list"
        | "resources/list"
        | RESOURCES_READ
        | "resources/subscribe"
        | "resources/templates/list"
        | "resources/unsubscribe"
        | "server/discover"
        | SUBSCRIPTIONS_LISTEN
        | TOOLS_CALL
        | TOOLS_LIST => true,
        // Tasks: `result` and `list` are of the experiment in 2025-11-25, `update` of the extension.
        "tasks/cancel" | "tasks/get" | "tasks/list" | "tasks/result" | "tasks/update" => true,
        // Skills.
        "resources/directory/read" | "skills/get" | "skills/list" => true,
        _ => false,
    }
}

/// True for a query with a parameter that some servers take for the method of a call (JSON-RPC over GET), or for the
/// HTTP method. What cannot be decoded is taken as it came.
#[must_use]
pub fn has_method_in_query(query: &str) -> bool {
    query.split(['&', ';']).any(|parameter| {
        let name = parameter.split('=').next().unwrap_or_default();
        let name = percent::decode(name).unwrap_or_else(|_| name.to_owned());
        QUERY_METHODS.iter().any(|method| same_but_for_case(method, name.trim()))
    })
}

/// True for a notification that a client may send to a server in some revision from 2024-11-05 to 2026-07-28.
#[must_use]
pub fn is_published_notification(method: &str) -> bool {
    matches!(
        method,
        "notifications/cancelled"
            | "notifications/initialized"
            | "notifications/progress"
            | "notifications/roots/list_changed"
            | "notifications/tasks/status"
    )
}
