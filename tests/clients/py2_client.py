"""A client on the Python SDK 2.x, in either era."""

from contextlib import AsyncExitStack
from typing import Any

import httpx2
import mcp_types
import steps
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, client_request_adapter
from pydantic import TypeAdapter

MODES = {"auto": "auto", "legacy": "legacy", "modern": "2026-07-28"}
READ_TIMEOUT_SECONDS = 300
LISTENED = {
    "toolsListChanged": "tools_list_changed",
    "promptsListChanged": "prompts_list_changed",
    "resourcesListChanged": "resources_list_changed",
    "resourceSubscriptions": "resource_subscriptions",
}


class Session:
    def __init__(self, client: Client, host: steps.Host, open_until_done: AsyncExitStack) -> None:
        self.client = client
        self.negotiated = client.protocol_version
        self.host = host
        self.open_until_done = open_until_done

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

    async def request(self, method: str, params: steps.Line) -> steps.Line:
        request = client_request_adapter.validate_python({"method": method, "params": params})
        return await self.client.session.send_request(request, TypeAdapter(dict[str, Any]))

    async def listen(self, notifications: steps.Line) -> steps.Line:
        wanted = {LISTENED[kind]: value for kind, value in notifications.items()}
        listening = await self.open_until_done.enter_async_context(self.client.listen(**wanted))
        return steps.wire(listening.honored)


def describe(error: Exception) -> steps.Line:
    if isinstance(error, MCPError):
        return {"protocol_error": {"code": error.code, "message": error.message}}
    return steps.client_error(error)


async def main(given: list[steps.Line]) -> None:
    options = steps.options(list(MODES))
    host = steps.Host(given)
    async with AsyncExitStack() as open_until_done:
        enter = open_until_done.enter_async_context
        if options.transport == "sse":
            transport = sse_client(options.url, headers=steps.headers(options))
        else:
            timeout = httpx2.Timeout(30, read=READ_TIMEOUT_SECONDS)
            http = await enter(httpx2.AsyncClient(headers=steps.headers(options), timeout=timeout))
            transport = streamable_http_client(options.url, http_client=http)
        client = await enter(Client(transport, mode=MODES[options.mode], log_level="debug", **steps.callbacks(host, mcp_types)))
        await steps.run(Session(client, host, open_until_done), given, describe)


if __name__ == "__main__":
    steps.main(main, describe)
