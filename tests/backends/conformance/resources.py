"""Resources: text, bytes, one to watch, and a template."""

import base64
import json
import re

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    BlobResourceContents,
    EmptyResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    SubscribeRequestParams,
    TextResourceContents,
    UnsubscribeRequestParams,
)

from conformance.media import png
from conformance.offers import Context

RESOURCES = [
    Resource(uri="test://static-text", name="text", description="A line of text", mime_type="text/plain"),
    Resource(uri="test://static-binary", name="picture", description="A red pixel", mime_type="image/png"),
    Resource(uri="test://watched-resource", name="watched", description="Can be subscribed to", mime_type="text/plain"),
]
TEMPLATE = ResourceTemplate(
    uri_template="test://template/{id}/data", name="data", description="Data of an id", mime_type="application/json"
)


async def list_resources(_ctx: Context, _params: PaginatedRequestParams | None) -> ListResourcesResult:
    return ListResourcesResult(resources=RESOURCES)


async def list_templates(_ctx: Context, _params: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
    return ListResourceTemplatesResult(resource_templates=[TEMPLATE])


async def read(_ctx: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
    return ReadResourceResult(contents=[content(str(params.uri))])


def content(uri: str) -> TextResourceContents | BlobResourceContents:
    if uri == "test://static-binary":
        return BlobResourceContents(uri=uri, mime_type="image/png", blob=base64.b64encode(png()).decode())
    if uri in ("test://static-text", "test://watched-resource"):
        return TextResourceContents(uri=uri, mime_type="text/plain", text=f"The content of {uri}.")
    if match := re.fullmatch("test://template/([^/]+)/data", uri):
        return TextResourceContents(uri=uri, mime_type="application/json", text=json.dumps({"id": match[1]}))
    raise MCPError(code=INVALID_PARAMS, message="no such resource", data={"uri": uri})


async def subscribe(_ctx: Context, params: SubscribeRequestParams | UnsubscribeRequestParams) -> EmptyResult:
    """Takes a subscription, or its end; these resources never change."""
    content(str(params.uri))
    return EmptyResult()
