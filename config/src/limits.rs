//! Every limit of the data plane, with its default.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits of a proxy. Each is a count, or has its unit in its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest request body; 413 beyond.
    #[schemars(range(min = 1, max = 1_073_741_824))]
    pub max_body_bytes: u32,
    /// Bytes of all request bodies that wait in memory at once; 503 beyond.
    #[schemars(range(min = 1))]
    pub max_buffered_body_bytes: u64,
    /// Largest request head; 431 beyond.
    #[schemars(range(min = 8192, max = 1_048_576))]
    pub max_header_bytes: u32,
    /// Most header lines in a request; 431 beyond.
    #[schemars(range(min = 10, max = 1000))]
    pub max_headers: u32,
    /// Longest request target (path and query); 414 beyond.
    #[schemars(range(min = 1024, max = 65_534))]
    pub max_target_bytes: u32,
    /// Most client connections at once, over all listeners.
    #[schemars(range(min = 1))]
    pub max_connections: u32,
    /// Most client connections at once from one address; of IPv6, from one network of 64 bits. Behind a load balancer
    /// all of them come from its address: then as many as `max_connections`.
    #[schemars(range(min = 1))]
    pub max_connections_per_address: u32,
    /// Most calls and open streams under way at once; 503 beyond.
    #[schemars(range(min = 1))]
    pub max_calls: u32,
    /// Most calls of one tool of one backend under way at once, held ones among them.
    #[schemars(range(min = 1))]
    pub max_calls_per_tool: u32,
    /// Most calls under way at once for one caller.
    #[schemars(range(min = 1))]
    pub max_calls_per_caller: u32,
    /// Most held calls at once for one caller.
    #[schemars(range(min = 1))]
    pub max_holds_per_caller: u32,
    /// Most held calls at once.
    #[schemars(range(min = 1))]
    pub max_holds: u32,
    /// Most approvals that one caller may ask for in a minute.
    #[schemars(range(min = 1))]
    pub max_approvals_per_caller_per_minute: u32,
    /// Largest token (`auth: jwt`).
    #[schemars(range(min = 1024, max = 65_536))]
    pub max_token_bytes: u32,
    /// Most tokens that are remembered as verified, per listener; others are verified again each time.
    #[schemars(range(max = 1_000_000))]
    pub max_tokens: u32,
    /// Most requests that wait at once, per listener, for the issuer's keys; 503 beyond.
    #[schemars(range(min = 1, max = 100_000))]
    pub max_waits_for_keys: u32,
    /// Largest list of tools that is read whole to be looked into.
    #[schemars(range(min = 1024, max = 1_073_741_824))]
    pub max_tools_list_bytes: u32,
    /// Largest single event of a stream that is read to be looked into.
    #[schemars(range(min = 1024, max = 1_073_741_824))]
    pub max_event_bytes: u32,
    /// Bytes of responses that are read to be looked into and wait in memory for the rest of a list or an event, all
    /// together.
    #[schemars(range(min = 65_536))]
    pub max_buffered_response_bytes: u64,
    /// Most sessions that are remembered because they may send batches (revision 2025-03-26), as many again of the old
    /// HTTP+SSE transport, and as many again whose endpoint is remembered.
    #[schemars(range(min = 1))]
    pub max_sessions: u32,
    /// Most sessions of the old HTTP+SSE transport that one caller may have open.
    #[schemars(range(min = 1))]
    pub max_sessions_per_caller: u32,
    /// How long a session that may send batches is remembered after its last one, and the endpoint of a session after its
    /// last call.
    #[schemars(range(min = 1, max = 604_800))]
    pub session_idle_seconds: u32,
    /// How long a client may keep a list of tools that was made for it (revision 2026-07-28): a change of policy is seen
    /// after this time at the latest.
    #[schemars(range(max = 86_400_000))]
    pub max_list_ttl_ms: u32,
    /// Most tools whose definitions are remembered, to notice when they change.
    #[schemars(range(min = 1))]
    pub max_tool_definitions: u32,
    /// Bytes of the definitions that are remembered.
    #[schemars(range(min = 65_536))]
    pub max_tool_definitions_bytes: u64,
    /// Most tools of one backend that the policy does not list and the control plane is told of in an hour.
    #[schemars(range(min = 1))]
    pub max_discovered_tools: u32,
    /// Largest document (policy, keys, receipt keys) that is taken from the control plane.
    #[schemars(range(min = 65_536, max = 268_435_456))]
    pub max_document_bytes: u32,
    /// How long a TLS handshake may take.
    #[schemars(range(min = 1, max = 3600))]
    pub handshake_timeout_seconds: u32,
    /// How long a client may take to send a request's head, from its first byte; and from a connection's start to the
    /// first byte.
    #[schemars(range(min = 1, max = 3600))]
    pub header_timeout_seconds: u32,
    /// How long a client's connection may stay idle between requests.
    #[schemars(range(min = 1, max = 86_400))]
    pub keep_alive_seconds: u32,
    /// How long a client may take to send a request's body.
    #[schemars(range(min = 1, max = 3600))]
    pub body_timeout_seconds: u32,
    /// How long a client may take no byte of an answer that waits for it.
    #[schemars(range(min = 1, max = 3600))]
    pub write_timeout_seconds: u32,
    /// How long a connection to a backend may take to open.
    #[schemars(range(min = 1, max = 3600))]
    pub connect_timeout_seconds: u32,
    /// How long a backend may take until its response begins.
    #[schemars(range(min = 1, max = 86_400))]
    pub response_timeout_seconds: u32,
    /// How long a backend may be silent in the middle of a response; streams of events may be for any time.
    #[schemars(range(min = 1, max = 86_400))]
    pub response_idle_seconds: u32,
    /// Most calls, streams and WebSockets under way at once to one backend; 503 beyond.
    #[schemars(range(min = 1))]
    pub max_calls_per_backend: u32,
    /// Most addresses that one backend's names may stand for; the others are not used.
    #[schemars(range(min = 1, max = 1024))]
    pub max_endpoints_per_backend: u32,
    /// How often the names of backends are looked up.
    #[schemars(range(min = 1, max = 86_400))]
    pub dns_refresh_seconds: u32,
    /// Idle connections kept per endpoint and worker.
    #[schemars(range(max = 100_000))]
    pub max_idle_backend_connections: u32,
    /// How long an idle connection to a backend is kept; keep it below the backend's own keep-alive time. A backend that
    /// says `Keep-Alive: timeout=N` is believed.
    #[schemars(range(max = 3600))]
    pub backend_idle_seconds: u32,
    /// Most WebSockets open at once; 503 beyond.
    #[schemars(range(max = 1_000_000))]
    pub max_websockets: u32,
    /// How long a WebSocket may stay silent in both directions.
    #[schemars(range(min = 1, max = 86_400))]
    pub websocket_idle_seconds: u32,
    /// HTTP/2: most requests under way at once on one connection; further ones are refused (`REFUSED_STREAM`).
    #[schemars(range(min = 1, max = 10_000))]
    pub max_http2_streams: u32,
    /// HTTP/2: largest frame.
    #[schemars(range(min = 16_384, max = 1_048_576))]
    pub max_http2_frame_bytes: u32,
    /// HTTP/2: how much of one body a client may send before any of it was read.
    #[schemars(range(min = 16_384, max = 16_777_216))]
    pub http2_stream_window_bytes: u32,
    /// HTTP/2: the same of all bodies on one connection together, and so, times `max_connections`, of all that wait
    /// before they count in `max_buffered_body_bytes`.
    #[schemars(range(min = 65_535, max = 268_435_456))]
    pub http2_connection_window_bytes: u32,
    /// HTTP/2: most requests that were taken back before they were looked at; the connection is closed beyond.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_http2_early_resets: u32,
    /// HTTP/2: most malformed or refused requests on one connection that are remembered at once; it is closed beyond.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_http2_error_resets: u32,
    /// HTTP/2: most frames at once that carry no request and no data, such as `PING`, `SETTINGS` and `RST_STREAM`; the
    /// connection is cut beyond. A tenth of them is allowed anew each second, and four for each frame of an answer.
    #[schemars(range(min = 10, max = 1_000_000))]
    pub max_http2_control_frames: u32,
    /// HTTP/2: how often a client is asked whether it is still there.
    #[schemars(range(min = 1, max = 3600))]
    pub http2_ping_seconds: u32,
    /// HTTP/2: how long it may take to answer that.
    #[schemars(range(min = 1, max = 3600))]
    pub http2_ping_timeout_seconds: u32,
    /// Bytes of audit records on this disk; what happens beyond is `audit.on_full`.
    #[schemars(range(min = 1_048_576))]
    pub max_audit_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 4 * 1024 * 1024,
            max_buffered_body_bytes: 256 * 1024 * 1024,
            max_header_bytes: 64 * 1024,
            max_headers: 100,
            max_target_bytes: 8192,
            max_connections: 16_384,
            max_connections_per_address: 4096,
            max_calls: 16_384,
            max_calls_per_tool: 4096,
            max_calls_per_caller: 1024,
            max_holds_per_caller: 100,
            max_holds: 10_000,
            max_approvals_per_caller_per_minute: 60,
            max_token_bytes: 16 * 1024,
            max_tokens: 10_000,
            max_waits_for_keys: 256,
            max_tools_list_bytes: 16 * 1024 * 1024,
            max_event_bytes: 16 * 1024 * 1024,
            max_buffered_response_bytes: 256 * 1024 * 1024,
            max_sessions: 10_000,
            max_sessions_per_caller: 1000,
            session_idle_seconds: 3600,
            max_list_ttl_ms: 60_000,
            max_tool_definitions: 10_000,
            max_tool_definitions_bytes: 64 * 1024 * 1024,
            max_discovered_tools: 1000,
            max_document_bytes: 64 * 1024 * 1024,
            handshake_timeout_seconds: 10,
            header_timeout_seconds: 15,
            keep_alive_seconds: 75,
            body_timeout_seconds: 30,
            write_timeout_seconds: 30,
            connect_timeout_seconds: 5,
            response_timeout_seconds: 300,
            response_idle_seconds: 60,
            max_calls_per_backend: 8192,
            max_endpoints_per_backend: 64,
            dns_refresh_seconds: 10,
            max_idle_backend_connections: 64,
            backend_idle_seconds: 4,
            max_websockets: 4096,
            websocket_idle_seconds: 300,
            max_http2_streams: 128,
            max_http2_frame_bytes: 16 * 1024,
            http2_stream_window_bytes: 65_535,
            http2_connection_window_bytes: 256 * 1024,
            max_http2_early_resets: 20,
            max_http2_error_resets: 100,
            max_http2_control_frames: 1000,
            http2_ping_seconds: 30,
            http2_ping_timeout_seconds: 15,
            max_audit_bytes: 4 * 1024 * 1024 * 1024,
        }
    }
}
