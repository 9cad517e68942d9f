"""An MCP backend on the Python SDK 1.x that speaks HTTP+SSE, the transport of 2024-11-05: the stream at /sse, messages to /messages/."""

import argparse
import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import uvicorn
from mcp.server.fastmcp import Context, FastMCP

server = FastMCP("old notes")
log: Path | None = None


def write_down(tool: str, ctx: Context[Any, Any, Any], **arguments: Any) -> None:
    """A line of the log, as the other backends write it."""
    if log is not None:
        request = ctx.request_context.request
        headers = dict(request.headers) if request is not None else {}
        with log.open("a") as file:
            file.write(json.dumps({"tool": tool, "arguments": arguments, "headers": headers}) + "\n")


@server.tool()
def echo(payload: Any, ctx: Context[Any, Any, Any]) -> str:
    """Answers with what it was given."""
    write_down("echo", ctx, payload=payload)
    return json.dumps(payload)


@server.tool()
async def slow_count(n: int, delay_ms: int, ctx: Context[Any, Any, Any]) -> str:
    """Counts to n with a pause before each step, and reports progress at each."""
    write_down("slow_count", ctx, n=n, delay_ms=delay_ms)
    for step in range(1, n + 1):
        await asyncio.sleep(delay_ms / 1000)
        await ctx.report_progress(step, n, f"step {step} of {n}")
    return f"counted to {n}"


@server.tool()
def write_note(path: str, text: str, ctx: Context[Any, Any, Any]) -> str:
    """Writes a note."""
    write_down("write_note", ctx, path=path, text=text)
    return f"wrote {len(text)} characters to {path}"


@server.tool()
def drop_table(table: str, ctx: Context[Any, Any, Any]) -> str:
    """Deletes every note."""
    write_down("drop_table", ctx, table=table)
    return f"dropped {table}"


class AnnouncedServer(uvicorn.Server):
    """Prints the ready line once the application has started."""

    ready = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(self.ready, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free port; the ready line names it")
    parser.add_argument("--log", type=Path, help="append a line of JSON for each call that arrives")
    parser.add_argument("--root", action="store_true", help="the stream at /, in place of /sse")
    options = parser.parse_args()
    log = options.log
    if log is not None:
        log.touch()
    server.settings.sse_path = "/" if options.root else "/sse"
    listener = socket.create_server(("127.0.0.1", options.port))
    running = AnnouncedServer(uvicorn.Config(server.sse_app(), log_level="warning"))
    running.ready = f"listening on http://127.0.0.1:{listener.getsockname()[1]}{server.settings.sse_path}"
    running.run(sockets=[listener])
