"""A person's part in OAuth: a browser that always agrees, and a memory for what that gave."""

from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthToken

REDIRECTS_MAX = 10


class Memory:
    """Tokens and registrations, for as long as the program runs."""

    def __init__(self, registered: OAuthClientInformationFull | None = None) -> None:
        self.tokens: OAuthToken | None = None
        self.registered = registered

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.registered

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.registered = client_info


class Browser:
    """Opens the authorization server's page and takes the answer from where it sends the browser."""

    def __init__(self) -> None:
        self.answer: dict[str, list[str]] = {}

    async def open(self, url: str) -> None:
        async with httpx2.AsyncClient() as http:
            for _ in range(REDIRECTS_MAX):
                response = await http.get(url, follow_redirects=False)
                url = urljoin(url, response.headers["location"])
                self.answer = parse_qs(urlsplit(url).query)
                if self.answer.keys() & {"code", "error"}:
                    return

    async def callback(self) -> AuthorizationCodeResult:
        code, state, iss = (self.answer.get(name, [None])[0] for name in ("code", "state", "iss"))
        if code is None:
            raise ValueError("the authorization server sent no code")
        return AuthorizationCodeResult(code=code, state=state, iss=iss)
