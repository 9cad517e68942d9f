"""A client on the Python SDK 2.x, in either era."""

import httpx2
import steps
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult

MODES = {"auto": "auto", "legacy": "legacy", "modern": "2026-07-28"}
READ_TIMEOUT_SECONDS = 300


class Session:
    def __init__(self, client: Client) -> None:
        self.client = client
        self.negotiated = client.protocol_version

    async def list_tools(self) -> list[tuple[str, str | None]]:
        tools, cursor = [], None
        while True:
            page = await self.client.list_tools(cursor=cursor, cache_mode="refresh")
            tools += [(tool.name, tool.description) for tool in page.tools]
            cursor = page.next_cursor
            if cursor is None:
                return tools

    async def call_tool(
        self, name: str, arguments: steps.Line, timeout_seconds: float | None, on_progress: steps.OnProgress
    ) -> CallToolResult:
        return await self.client.call_tool(name, arguments, timeout_seconds, on_progress)


def describe(error: Exception) -> steps.Line:
    if isinstance(error, MCPError):
        return {"protocol_error": {"code": error.code, "message": error.message}}
    return steps.client_error(error)


async def main(given: list[steps.Line]) -> None:
    options = steps.options(list(MODES))
    timeout = httpx2.Timeout(30, read=READ_TIMEOUT_SECONDS)
    async with httpx2.AsyncClient(headers=steps.headers(options), timeout=timeout) as http:
        transport = streamable_http_client(options.url, http_client=http)
        async with Client(transport, mode=MODES[options.mode]) as client:
            await steps.run(Session(client), given, describe)


if __name__ == "__main__":
    steps.main(main, describe)
