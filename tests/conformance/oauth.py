"""How the conformance client gets its tokens: the SDK's OAuth client, and a person's browser that always agrees."""

import sys
from pathlib import Path
from typing import Any

from mcp.client.auth import OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import (
    ClientCredentialsOAuthProvider,
    PrivateKeyJWTOAuthProvider,
    SignedJWTParameters,
)
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata

# The other Python clients are there.
sys.path.append(str(Path(__file__).resolve().parents[1] / "clients"))
from consent import Browser, Memory  # noqa: E402

# Names that the suite prescribes: where this client would be called back, and where it would be described.
CALLBACK = "http://localhost:3000/callback"
DESCRIPTION = "https://conformance-test.local/client-metadata.json"


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
