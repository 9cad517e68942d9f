"""An MCP backend on the Python SDK 2.x, both eras, with everything that the official conformance suite asks for."""

import warnings

from conformance import prompts, questions, resources, tools  # noqa: F401 (to offer is to be imported)
from conformance.offers import PROMPTS, TOOLS, Context, PromptAnswer, ToolAnswer
from event_store import MemoryEventStore
from mcp.server import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.subscriptions import ListenHandler
from mcp.shared.exceptions import MCPDeprecationWarning, MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    EmptyResult,
    GetPromptRequestParams,
    ListPromptsResult,
    ListToolsResult,
    PaginatedRequestParams,
    SetLevelRequestParams,
)
from serving import CallLog, arguments, serve

RETRY_MS = 100


async def list_tools(_ctx: Context, _params: PaginatedRequestParams | None) -> ListToolsResult:
    return ListToolsResult(tools=[offer.definition for offer in TOOLS.values()])


async def call_tool(ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    if params.name not in TOOLS:
        raise MCPError(code=INVALID_PARAMS, message=f"Unknown tool: {params.name}")
    return await TOOLS[params.name].serve(ctx, params)


async def list_prompts(_ctx: Context, _params: PaginatedRequestParams | None) -> ListPromptsResult:
    return ListPromptsResult(prompts=[offer.definition for offer in PROMPTS.values()])


async def get_prompt(ctx: Context, params: GetPromptRequestParams) -> PromptAnswer:
    if params.name not in PROMPTS:
        raise MCPError(code=INVALID_PARAMS, message=f"Unknown prompt: {params.name}")
    return await PROMPTS[params.name].serve(ctx, params)


async def set_level(_ctx: Context, _params: SetLevelRequestParams) -> EmptyResult:
    """Takes any level; every message is sent."""
    return EmptyResult()


def everything(log: CallLog) -> Server:
    server = Server(
        "conformance",
        version="1.0.0",
        get_tool_input_schema=lambda name: TOOLS[name].definition.input_schema if name in TOOLS else None,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
        on_completion=prompts.complete,
        on_list_resources=resources.list_resources,
        on_list_resource_templates=resources.list_templates,
        on_read_resource=resources.read,
        on_subscribe_resource=resources.subscribe,
        on_unsubscribe_resource=resources.subscribe,
        on_set_logging_level=set_level,
        on_subscriptions_listen=ListenHandler(tools.bus),
    )
    server.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience=server.name))
    server.middleware.append(log.middleware)
    return server


if __name__ == "__main__":
    options = arguments(__doc__).parse_args()
    # Clients of the older revisions are served as well, and what those had is deprecated now.
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    app = everything(CallLog(options.log)).streamable_http_app(event_store=MemoryEventStore(), retry_interval=RETRY_MS)
    serve(app, options, "/mcp")
