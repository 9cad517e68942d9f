"""A client on the Python SDK 1.x: handshake revisions only."""

from datetime import timedelta

import httpx
import steps
from mcp import ClientSession, McpError
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, PaginatedRequestParams

READ_TIMEOUT_SECONDS = 300


class Session:
    def __init__(self, session: ClientSession, negotiated: str) -> None:
        self.session = session
        self.negotiated = negotiated

    async def list_tools(self) -> list[tuple[str, str | None]]:
        tools, cursor = [], None
        while True:
            page = await self.session.list_tools(params=PaginatedRequestParams(cursor=cursor))
            tools += [(tool.name, tool.description) for tool in page.tools]
            cursor = page.nextCursor
            if cursor is None:
                return tools

    async def call_tool(
        self, name: str, arguments: steps.Line, timeout_seconds: float | None, on_progress: steps.OnProgress
    ) -> CallToolResult:
        timeout = None if timeout_seconds is None else timedelta(seconds=timeout_seconds)
        return await self.session.call_tool(name, arguments, timeout, on_progress)


def describe(error: Exception) -> steps.Line:
    if isinstance(error, McpError):
        return {"protocol_error": {"code": error.error.code, "message": error.error.message}}
    if isinstance(error, httpx.HTTPStatusError):
        return {"http_error": {"status": error.response.status_code, "message": str(error)}}
    return steps.client_error(error)


async def main(given: list[steps.Line]) -> None:
    options = steps.options(["legacy"])
    timeout = httpx.Timeout(30, read=READ_TIMEOUT_SECONDS)
    async with (
        httpx.AsyncClient(headers=steps.headers(options), timeout=timeout) as http,
        streamable_http_client(options.url, http_client=http) as (reading, writing, _),
        ClientSession(reading, writing) as session,
    ):
        negotiated = await session.initialize()
        await steps.run(Session(session, str(negotiated.protocolVersion)), given, describe)


if __name__ == "__main__":
    steps.main(main, describe)
