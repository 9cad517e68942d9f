"""A client on the Python SDK 2.x that gets its own token: discovery, registration, authorization code, all by the SDK."""

from contextlib import AsyncExitStack
from urllib.parse import parse_qs, urlsplit

import httpx2
import py2_client
import steps
from mcp.client import Client
from mcp.client.auth import OAuthClientProvider, TokenStorage
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

REDIRECT_URI = "http://127.0.0.1:1/callback"


class Memory(TokenStorage):
    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Browser:
    """The user's part: goes where it is sent, and hands over what comes back in the redirect."""

    answer: dict[str, list[str]] = {}

    async def go(self, url: str) -> None:
        async with httpx2.AsyncClient() as http:
            response = await http.get(url)
        self.answer = parse_qs(urlsplit(response.headers["location"]).query)

    async def come_back(self) -> AuthorizationCodeResult:
        state, iss = self.answer.get("state", [None])[0], self.answer.get("iss", [None])[0]
        return AuthorizationCodeResult(code=self.answer["code"][0], state=state, iss=iss)


async def main(given: list[steps.Line]) -> None:
    options = steps.options(list(py2_client.MODES))
    browser = Browser()
    metadata = OAuthClientMetadata(redirect_uris=[AnyUrl(REDIRECT_URI)], client_name="oauth_client")
    provider = OAuthClientProvider(options.url, metadata, Memory(), browser.go, browser.come_back)
    async with httpx2.AsyncClient(auth=provider, headers=steps.headers(options)) as http:
        transport = streamable_http_client(options.url, http_client=http)
        async with AsyncExitStack() as until_done:
            client = await until_done.enter_async_context(Client(transport, mode=py2_client.MODES[options.mode]))
            session = py2_client.Session(client, steps.Host(given), until_done)
            await steps.run(session, given, py2_client.describe)


if __name__ == "__main__":
    steps.main(main, py2_client.describe)
