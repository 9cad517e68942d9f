//! What a newcomer sees: what runs, and exactly what to type next.

use std::net::SocketAddr;

use proxy::Running;

use super::demonstration::Made;
use crate::terminal::say;

/// Prints the screen. Every command on it works when pasted.
pub(super) fn show(made: &Made, running: &Running, api: SocketAddr) {
    let gate =
        running.listeners().next().map_or_else(String::new, |(_, address)| format!("http://{address}"));
    let admin = format!("http://{}", running.admin());
    let data = made.data.display();
    let binary =
        std::env::current_exe().map_or_else(|_| "oakgate".to_owned(), |path| path.display().to_string());
    let manage = format!("--url http://{api} --key-file {data}/management-key");
    let key = match &made.new_key {
        Some(key) => format!("# The key of agent-1, shown only this once:\nexport OAKGATE_KEY={key}"),
        None => format!(
            "# The key of agent-1 was shown when it was made. Lost? This makes another:\n\
             export OAKGATE_KEY=$({binary} agents rotate agent-1 {manage})"
        ),
    };
    let session = format!("--url http://{api} --session-file {data}/session");
    say(format!(
        r#"
Oakgate is running. Agents call {gate}; Oakgate decides, then calls the tools behind it.
Type this in another terminal:

{key}

# 1. ALLOWED: reading goes through (MCP, then REST)
{read}
curl -s {gate}/api/shop/v1/orders/1001 -H "X-API-Key: $OAKGATE_KEY"

# 2. DISABLED: this never reaches the tool
{delete}
curl -s -X DELETE {gate}/api/shop/v1/orders/1001 -H "X-API-Key: $OAKGATE_KEY"

# 3. NEEDS APPROVAL: this waits (up to 55 s; repeat it and it goes on waiting) ...
{write}
# ... until you say so in a third terminal:
{binary} approvals list {session}
{binary} approvals approve REF-XXXXXXXX-XXXX {session}

# A small refund goes through, a large one waits: {data}/policy.yaml says so. Edit it, push it, and call again:
{binary} policy push {data}/policy.yaml {manage}
curl -s {gate}/api/shop/v1/refunds/1002 -H "X-API-Key: $OAKGATE_KEY" -H 'Content-Type: application/json' -d '{{"cents": 900}}'

Proxies   {binary} proxies list {manage}
Records   tail -f {data}/audit/*.jsonl
Metrics   curl -s {admin}/metrics          Ready?   curl -s {admin}/readyz
Why?      curl -s {admin}/explain -d '{{"tool": "orders.refund", "args": {{"cents": 5000}}}}'
Stop      Ctrl-C
"#,
        read = mcp(&gate, "read_note", r#"{"path":"welcome"}"#),
        delete = mcp(&gate, "delete_all_notes", "{}"),
        write = mcp(&gate, "write_note", r#"{"path":"todo","text":"buy acorns"}"#),
    ));
}

/// A whole MCP call (revision 2026-07-28) as one curl command.
fn mcp(gate: &str, tool: &str, arguments: &str) -> String {
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"curl","version":"1"}}"#;
    format!(
        "curl -sN {gate}/mcp/notes -H \"X-API-Key: $OAKGATE_KEY\" -H 'Content-Type: application/json' \\\n  \
         -H 'Accept: application/json, text/event-stream' -H 'MCP-Protocol-Version: 2026-07-28' \\\n  \
         -H 'Mcp-Method: tools/call' -H 'Mcp-Name: {tool}' -d '{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\n  \
         \"params\":{{\"name\":\"{tool}\",\"arguments\":{arguments},{meta}}}}}'"
    )
}
