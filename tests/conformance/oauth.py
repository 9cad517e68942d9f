"""How the conformance client gets its tokens: the SDK's OAuth client, and a person's browser that always agrees."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
    SignedJWTParameters,
)
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

# Names that the suite prescribes: where this client would be called back, and where it would be described.
CALLBACK = "http://localhost:3000/callback"
DESCRIPTION = "https://conformance-test.local/client-metadata.json"


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
            response = await http.get(url, follow_redirects=False)
        self.answer = parse_qs(urlsplit(response.headers["location"]).query)

    async def callback(self) -> AuthorizationCodeResult:
        code, state, iss = (self.answer.get(name, [None])[0] for name in ("code", "state", "iss"))
        if code is None:
            raise ValueError("the authorization server sent no code")
        return AuthorizationCodeResult(code=code, state=state, iss=iss)


def authorization(url: str, scenario: str, context: dict[str, Any]) -> OAuthClientProvider:
    """What the scenario needs: credentials of the program itself, or those of a person."""
    if scenario == "auth/client-credentials-basic":
        return ClientCredentialsOAuthProvider(url, Memory(), context["client_id"], context["client_secret"])
    if scenario == "auth/client-credentials-jwt":
        signed = SignedJWTParameters(
            issuer=context["client_id"],
            subject=context["client_id"],
            signing_key=context["private_key_pem"],
            signing_algorithm=context["signing_algorithm"],
        )
        return PrivateKeyJWTOAuthProvider(url, Memory(), context["client_id"], signed.create_assertion_provider())
    metadata = OAuthClientMetadata(client_name="conformance", redirect_uris=[CALLBACK])
    browser = Browser()
    return OAuthClientProvider(
        url,
        metadata,
        Memory(registration(metadata, context)),
        redirect_handler=browser.open,
        callback_handler=browser.callback,
        client_metadata_url=DESCRIPTION,
    )


def registration(metadata: OAuthClientMetadata, context: dict[str, Any]) -> OAuthClientInformationFull | None:
    """A client that was registered beforehand, if the scenario says so."""
    if "client_secret" not in context or "issuer" not in context:
        return None
    return OAuthClientInformationFull(
        client_id=context["client_id"],
        client_secret=context["client_secret"],
        redirect_uris=metadata.redirect_uris,
        token_endpoint_auth_method="client_secret_basic",
        issuer=context["issuer"],
    )
