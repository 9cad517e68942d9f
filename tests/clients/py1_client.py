"""A client on the Python SDK 1.x: handshake revisions only."""

from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import httpx
import steps
from mcp import ClientSession, McpError, types
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, ClientRequest, PaginatedRequestParams, Result

READ_TIMEOUT_SECONDS = 300


class Session:
    def __init__(self, session: ClientSession, negotiated: str, host: steps.Host) -> None:
        self.session = session
        self.negotiated = negotiated
        self.host = host

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

    async def request(self, method: str, params: steps.Line) -> steps.Line:
        request = ClientRequest.model_validate({"method": method, "params": params})
        return steps.wire(await self.session.send_request(request, Result))

    async def listen(self, notifications: steps.Line) -> steps.Line:
        raise NotImplementedError("subscriptions/listen is of 2026-07-28")


def describe(error: Exception) -> steps.Line:
    if isinstance(error, McpError):
        return {"protocol_error": {"code": error.error.code, "message": error.error.message}}
    if isinstance(error, httpx.HTTPStatusError):
        return {"http_error": {"status": error.response.status_code, "message": str(error)}}
    return steps.client_error(error)


async def main(given: list[steps.Line]) -> None:
    options = steps.options(["legacy"])
    host = steps.Host(given)
    async with AsyncExitStack() as open_until_done:
        enter = open_until_done.enter_async_context
        if options.transport == "sse":
            reading, writing = await enter(sse_client(options.url, headers=steps.headers(options)))
        else:
            timeout = httpx.Timeout(30, read=READ_TIMEOUT_SECONDS)
            versions = {"http1": not options.http2, "http2": options.http2}
            http = await enter(httpx.AsyncClient(headers=steps.headers(options), timeout=timeout, **versions))
            reading, writing, _ = await enter(streamable_http_client(options.url, http_client=http))
        session = await enter(ClientSession(reading, writing, **steps.callbacks(host, types)))
        negotiated = await session.initialize()
        await steps.run(Session(session, str(negotiated.protocolVersion), host), given, describe)


if __name__ == "__main__":
    steps.main(main, describe)
