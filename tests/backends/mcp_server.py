"""An MCP backend on the Python SDK 2.x: streamable HTTP, both eras, on one endpoint."""

from typing import Any, Literal

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import BaseModel
from serving import CallLog, arguments, serve

server = MCPServer("notes", version="1.0.0")
notes: dict[str, str] = {}


class Sum(BaseModel):
    """What `with_output_schema` answers."""

    total: int
    even: bool


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def read_note(path: str) -> str:
    """Reads the note at a path."""
    if path not in notes:
        raise ToolError(f"no note at `{path}`")
    return notes[path]


@server.tool()
def write_note(path: str, text: str, mode: Literal["replace", "append"] = "replace") -> str:
    """Writes a note, in place of what is there or after it."""
    notes[path] = notes.get(path, "") + text if mode == "append" else text
    return f"wrote {len(text)} characters to {path}"


@server.tool(annotations=ToolAnnotations(destructive_hint=True))
def drop_table(table: str) -> str:
    """Deletes every note under a prefix."""
    dropped = [path for path in notes if path.startswith(table)]
    for path in dropped:
        del notes[path]
    return f"dropped {len(dropped)} notes"


@server.tool()
async def slow_count(n: int, delay_ms: int, ctx: Context) -> str:
    """Counts to n with a pause before each step, and reports progress at each."""
    for step in range(1, n + 1):
        await anyio.sleep(delay_ms / 1000)
        await ctx.report_progress(step, n, f"step {step} of {n}")
    return f"counted to {n}"


@server.tool(structured_output=False)
def echo(payload: Any) -> Any:
    """Answers with what it was given."""
    return payload


@server.tool()
def with_output_schema(a: int, b: int) -> Sum:
    """Adds two numbers; the answer has a schema."""
    return Sum(total=a + b, even=(a + b) % 2 == 0)


def describe(changed: str) -> None:
    """Gives a tool another description: `echo=Answers twice.`"""
    name, _, description = changed.partition("=")
    tools = {tool.__name__: tool for tool in (read_note, write_note, drop_table, slow_count, echo, with_output_schema)}
    server.remove_tool(name)
    server.add_tool(tools[name], description=description)


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--describe", metavar="TOOL=TEXT", action="append", default=[], help="another description")
    options = parser.parse_args()
    for changed in options.describe:
        describe(changed)
    server.middleware.append(CallLog(options.log).middleware)
    serve(server.streamable_http_app(host=options.host), options, "/mcp")
