"""The client that the conformance suite tests: a program on the Python SDK 2.x that uses all that a server offers.

The suite starts it with the server's URL as its argument and says in the environment what it is about. Most scenarios
need no more than a client that looks around: it lists what there is, calls every tool, reads every resource and gets
every prompt. What the SDK makes of that is what the scenario judges.
"""

import argparse
import asyncio
import json
import os
import traceback
from collections.abc import Awaitable
from typing import Any

import httpx2
from mcp.client import Client
from mcp.client.context import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitRequestFormParams, ElicitRequestParams, ElicitResult, Tool
from oauth import authorization
from pydantic import BaseModel

SCENARIO = os.environ["MCP_CONFORMANCE_SCENARIO"]
AUTH = SCENARIO.startswith("auth/")
CONTEXT: dict[str, Any] = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}"))
REVISION = os.environ["MCP_CONFORMANCE_PROTOCOL_VERSION"]
# Asking which revisions there are has a time limit of the SDK's own, too short for getting a token on a busy machine.
MODE = "legacy" if REVISION < "2026-07-28" else REVISION if AUTH else "auto"
CONNECT_SECONDS = 30
READ_SECONDS = 60
EXAMPLES: dict[str, Any] = {"string": "text", "integer": 1, "number": 1, "boolean": True, "array": [], "object": {}}


class Carried(httpx2.AsyncHTTPTransport):
    """Carries what is meant for one server to another address, as a sidecar's rules do; the `Host` stays as it was."""

    def __init__(self, server: httpx2.URL, to: httpx2.URL) -> None:
        super().__init__()
        self.server = server
        self.to = to

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.netloc != self.server.netloc:
            return await super().handle_async_request(request)
        url = request.url.copy_with(host=self.to.host, port=self.to.port)
        carried = httpx2.Request(
            request.method, url, headers=request.headers, stream=request.stream, extensions=request.extensions
        )
        return await super().handle_async_request(carried)


async def fill_in(_ctx: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
    """Accepts a form with its defaults, and with an example where a required field has none."""
    schema = params.requested_schema if isinstance(params, ElicitRequestFormParams) else {}
    fields: dict[str, Any] = schema.get("properties", {})
    content = {name: field["default"] for name, field in fields.items() if "default" in field}
    wanted = schema.get("required", [] if content else list(fields))
    return ElicitResult(action="accept", content={name: example(fields[name]) for name in wanted} | content)


def example(schema: dict[str, Any]) -> Any:
    if "default" in schema:
        return schema["default"]
    return schema["enum"][0] if "enum" in schema else EXAMPLES[schema.get("type", "string")]


def arguments(tool: Tool, tools: list[Tool]) -> dict[str, Any]:
    """What to call a tool with: as the scenario says, or an example of each required argument."""
    for call in CONTEXT.get("toolCalls", []):
        if call["name"] == tool.name:
            return call["arguments"]
    if tool.name == "json_schema_echo":
        # It wants to see what became of another tool's schema.
        return {"schema": next(other.input_schema for other in tools if other.name != tool.name)}
    fields: dict[str, Any] = tool.input_schema.get("properties", {})
    return {name: example(fields[name]) for name in tool.input_schema.get("required", [])}


def say(**line: Any) -> None:
    """One line of JSON about what the server looks like from here."""
    print(json.dumps(line), flush=True)


async def tried(answer: Awaitable[BaseModel], **step: str) -> None:
    """One step, and what came of it; the client goes on if the SDK raises."""
    try:
        say(**step, answer=(await answer).model_dump(mode="json", by_alias=True, exclude_none=True))
    except Exception as error:
        say(**step, error=type(error).__name__, code=getattr(error, "code", None))
        traceback.print_exc()


async def look_around(client: Client) -> None:
    offers = client.server_capabilities
    say(negotiated=client.protocol_version, offers=offers.model_dump(mode="json", by_alias=True, exclude_none=True))
    tools = (await client.list_tools()).tools
    say(tools=[tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools])
    for tool in tools:
        await tried(client.call_tool(tool.name, arguments(tool, tools)), called=tool.name)
    if offers.resources is not None:
        for resource in (await client.list_resources()).resources:
            await tried(client.read_resource(str(resource.uri)), read=str(resource.uri))
    if offers.prompts is not None:
        for prompt in (await client.list_prompts()).prompts:
            await tried(client.get_prompt(prompt.name), got=prompt.name)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--carry-to", metavar="URL", help="connect there whenever it is the server that is meant")
    parser.add_argument("url")
    options = parser.parse_args()
    transport = Carried(httpx2.URL(options.url), httpx2.URL(options.carry_to)) if options.carry_to else None
    auth = authorization(options.url, SCENARIO, CONTEXT) if AUTH else None
    timeout = httpx2.Timeout(CONNECT_SECONDS, read=READ_SECONDS)
    async with httpx2.AsyncClient(transport=transport, auth=auth, timeout=timeout, follow_redirects=True) as http:
        connection = streamable_http_client(options.url, http_client=http)
        async with Client(connection, mode=MODE, elicitation_callback=fill_in) as client:
            await look_around(client)


if __name__ == "__main__":
    asyncio.run(main())
