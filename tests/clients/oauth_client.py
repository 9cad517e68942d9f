"""A client on the Python SDK 2.x that gets its own token: discovery, registration, authorization code, all by the SDK."""

from contextlib import AsyncExitStack

import httpx2
import py2_client
import steps
from consent import Browser, Memory
from mcp.client import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata
from pydantic import AnyUrl

REDIRECT_URI = "http://127.0.0.1:1/callback"


async def main(given: list[steps.Line]) -> None:
    options = steps.options(list(py2_client.MODES))
    browser = Browser()
    metadata = OAuthClientMetadata(redirect_uris=[AnyUrl(REDIRECT_URI)], client_name="oauth_client")
    provider = OAuthClientProvider(options.url, metadata, Memory(), browser.open, browser.callback)
    timeout = httpx2.Timeout(30, read=py2_client.READ_TIMEOUT_SECONDS)
    async with httpx2.AsyncClient(auth=provider, headers=steps.headers(options), timeout=timeout) as http:
        transport = streamable_http_client(options.url, http_client=http)
        async with AsyncExitStack() as until_done:
            client = await until_done.enter_async_context(Client(transport, mode=py2_client.MODES[options.mode]))
            session = py2_client.Session(client, steps.Host(given), until_done)
            await steps.run(session, given, py2_client.describe)


if __name__ == "__main__":
    steps.main(main, py2_client.describe)
