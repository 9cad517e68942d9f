"""An MCP backend that is an OAuth resource server, on the Python SDK 2.x, with an authorization server of its own beside it.

The authorization server says yes to everybody and binds each token to the resource that it was asked for.
"""

import secrets
import socket
import threading
import time

import uvicorn
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    OAuthAuthorizationServerProvider,
    RefreshToken,
    construct_redirect_uri,
)
from mcp.server.auth.routes import create_auth_routes
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import AnyHttpUrl
from serving import CallLog, arguments, serve
from starlette.applications import Starlette

SCOPE = "notes"
CODE_SECONDS = 60
TOKEN_SECONDS = 3600


class Authorizations(OAuthAuthorizationServerProvider[AuthorizationCode, RefreshToken, AccessToken]):
    """What the authorization server knows, in memory. It is also what verifies tokens for the resource server."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.clients: dict[str, OAuthClientInformationFull] = {}
        self.codes: dict[str, AuthorizationCode] = {}
        self.tokens: dict[str, AccessToken] = {}

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self.clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        assert client_info.client_id is not None
        self.clients[client_info.client_id] = client_info

    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> str:
        assert client.client_id is not None
        code = AuthorizationCode(
            code=secrets.token_urlsafe(),
            scopes=params.scopes or [SCOPE],
            expires_at=time.time() + CODE_SECONDS,
            client_id=client.client_id,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
        )
        self.codes[code.code] = code
        return construct_redirect_uri(str(params.redirect_uri), code=code.code, state=params.state, iss=self.issuer)

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> AuthorizationCode | None:
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: AuthorizationCode
    ) -> OAuthToken:
        code = self.codes.pop(authorization_code.code)
        token = AccessToken(
            token=f"token-{secrets.token_urlsafe()}",
            client_id=code.client_id,
            scopes=code.scopes,
            expires_at=int(time.time()) + TOKEN_SECONDS,
            resource=code.resource,
        )
        self.tokens[token.token] = token
        return OAuthToken(
            access_token=token.token, token_type="Bearer", expires_in=TOKEN_SECONDS, scope=" ".join(token.scopes)
        )

    async def load_access_token(self, token: str) -> AccessToken | None:
        return self.tokens.get(token)

    async def verify_token(self, token: str) -> AccessToken | None:
        return self.tokens.get(token)


def serve_authorizations(listener: socket.socket, authorizations: Authorizations) -> None:
    """Serves the authorization server beside the resource server, on a thread of its own."""
    routes = create_auth_routes(
        authorizations,
        AnyHttpUrl(authorizations.issuer),
        client_registration_options=ClientRegistrationOptions(enabled=True, valid_scopes=[SCOPE], default_scopes=[SCOPE]),
    )
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="warning"))
    threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--resource", help="the URL it is known by; its tokens must be for it (default: its own, any token)")
    options = parser.parse_args()
    if options.port == 0:
        # Its own URL is in what it says of itself: the port must be known before it is served.
        with socket.create_server(("127.0.0.1", 0)) as free:
            options.port = free.getsockname()[1]
    listener = socket.create_server(("127.0.0.1", 0))
    # As the metadata has it: compared as text, slash included.
    authorizations = Authorizations(str(AnyHttpUrl(f"http://127.0.0.1:{listener.getsockname()[1]}")))
    serve_authorizations(listener, authorizations)
    settings = AuthSettings(
        issuer_url=AnyHttpUrl(authorizations.issuer),
        required_scopes=[SCOPE],
        resource_server_url=AnyHttpUrl(options.resource or f"http://127.0.0.1:{options.port}/mcp"),
        validate_token_resource=options.resource is not None,
    )
    server = MCPServer("notes", version="1.0.0", auth=settings, token_verifier=authorizations)

    @server.tool()
    def echo(payload: str) -> str:
        """Answers with what it was given."""
        return payload

    server.middleware.append(CallLog(options.log).middleware)
    serve(server.streamable_http_app(), options, "/mcp")
