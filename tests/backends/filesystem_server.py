"""Puts the official filesystem server, which speaks stdio only, behind streamable HTTP on the Python SDK 2.x."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mcp import StdioServerParameters
from mcp.client import Client
from mcp.server import Server
from mcp.server.context import ServerRequestContext
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams
from serving import CallLog, arguments, serve

NODE = Path(__file__).resolve().parents[2] / "target/test-tools/node"
FILESYSTEM_SERVER = NODE / "node_modules/@modelcontextprotocol/server-filesystem/dist/index.js"


def bridge(directory: Path, log: CallLog) -> Server[Client]:
    """A server that hands every list and call to one filesystem server of its own."""

    @asynccontextmanager
    async def lifespan(_: Server[Client]) -> AsyncIterator[Client]:
        command = StdioServerParameters(command=str(NODE / "bin/node"), args=[str(FILESYSTEM_SERVER), str(directory)])
        async with Client(command, mode="legacy", cache=None) as client:
            yield client

    async def list_tools(ctx: ServerRequestContext[Client], params: PaginatedRequestParams | None) -> ListToolsResult:
        return await ctx.lifespan_context.list_tools(cursor=params.cursor if params else None)

    async def call_tool(ctx: ServerRequestContext[Client], params: CallToolRequestParams) -> CallToolResult:
        return await ctx.lifespan_context.call_tool(params.name, params.arguments)

    server: Server[Client] = Server(
        "filesystem", version="1.0.0", lifespan=lifespan, on_list_tools=list_tools, on_call_tool=call_tool
    )
    server.middleware.append(log.middleware)
    return server


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="the only folder its tools may touch")
    options = parser.parse_args()
    app = bridge(options.directory.resolve(), CallLog(options.log)).streamable_http_app()
    serve(app, options, "/mcp")
