"""An MCP backend on the Python SDK 2.x that does what is not a plain call: it asks, notifies, pages, resumes and is cancelled.

Both eras on one endpoint. `features_server.mjs` has the same tools, resources and prompts on the TypeScript SDK v1.
"""

import asyncio
from typing import Annotated, Any

import mcp_types as types
from event_store import MemoryEventStore
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.resolve import Elicit, ListRoots, Resolve, Sample
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel, Field
from serving import CallLog, HttpLog, arguments, serve

PAGE_ITEMS = 2
RETRY_MS = 200
MODERN = "2026-07-28"
LISTS = {
    "tools/list": "tools",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
    "prompts/list": "prompts",
}

server = MCPServer("features", version="1.0.0")
background: set[asyncio.Task[None]] = set()


class Colour(BaseModel):
    """What a form asks for."""

    colour: str


class Shade(BaseModel):
    """What the next form asks for."""

    shade: str


def which_colour() -> Elicit[Colour]:
    return Elicit("Which colour?", Colour)


def which_shade(colour: Annotated[Colour, Resolve(which_colour)]) -> Elicit[Shade]:
    return Elicit(f"Which {colour.colour}?", Shade)


def a_poem() -> Sample:
    text = types.TextContent(type="text", text="A poem, please")
    return Sample([types.SamplingMessage(role="user", content=text)], max_tokens=10)


@server.tool()
def ask_form(colour: Annotated[Colour, Resolve(which_colour)]) -> str:
    """Asks for a colour."""
    return f"the colour is {colour.colour}"


@server.tool()
def ask_twice(
    colour: Annotated[Colour, Resolve(which_colour)], shade: Annotated[Shade, Resolve(which_shade)]
) -> str:
    """Asks for a colour, and on the answer for a shade of it."""
    return f"the colour is {shade.shade} {colour.colour}"


@server.tool()
def ask_model(poem: Annotated[types.CreateMessageResult, Resolve(a_poem)]) -> str:
    """Asks the caller's model."""
    return f"the model says {poem.content.text}" if isinstance(poem.content, types.TextContent) else "no text"


@server.tool()
def ask_roots(roots: Annotated[types.ListRootsResult, Resolve(lambda: ListRoots())]) -> str:
    """Asks for the roots."""
    return "the roots are " + ", ".join(str(root.uri) for root in roots.roots)


@server.tool()
async def ask_url(ctx: Context) -> str | types.InputRequiredResult:
    """Asks the caller to open a page."""
    message, url, elicitation = "Please sign in", "https://example.com/sign-in?a=1&b=2", "sign-in-1"
    if ctx.protocol_version != MODERN:
        return f"the page was {(await ctx.elicit_url(message, url, elicitation)).action}"
    if ctx.input_responses is None:
        params = types.ElicitRequestURLParams(message=message, url=url, elicitation_id=elicitation)
        return types.InputRequiredResult(input_requests={"page": types.ElicitRequest(params=params)}, request_state="s1")
    answer = ctx.input_responses["page"]
    return f"the page was {answer.action}" if isinstance(answer, types.ElicitResult) else "no answer"


@server.tool()
async def ask_later(ctx: Context) -> str:
    """Asks for a colour once this call is over, on the stream of no call, and tells there what was answered."""

    async def ask() -> None:
        await asyncio.sleep(0.1)
        schema = Colour.model_json_schema()
        answer = await ctx.session.elicit_form("Which colour?", schema)
        await ctx.session.send_log_message("info", {"answered": answer.content})

    task = asyncio.create_task(ask())
    background.add(task)
    task.add_done_callback(background.discard)
    return "you will be asked"


@server.tool()
async def announce(ctx: Context) -> str:
    """Says that all lists have changed, and a resource."""
    if ctx.protocol_version == MODERN:
        await ctx.notify_tools_changed()
        await ctx.notify_prompts_changed()
        await ctx.notify_resources_changed()
        await ctx.notify_resource_updated("note://first")
    else:
        await ctx.session.send_tool_list_changed()
        await ctx.session.send_prompt_list_changed()
        await ctx.session.send_resource_list_changed()
        await ctx.session.send_resource_updated("note://first")
    return "announced"


@server.tool()
async def chatter(ctx: Context) -> str:
    """Reports progress, and says what it does in messages of two levels."""
    await ctx.info("starting", logger_name="chatter")
    for step in (1, 2):
        await ctx.report_progress(step, 2, f"step {step} of 2")
    await ctx.warning({"left": 0}, logger_name="chatter")
    return "done"


@server.tool()
async def poll(ctx: Context) -> str:
    """Closes the stream of its call, and answers once the caller has come back for the rest."""
    await ctx.report_progress(1, 2, "before")
    await asyncio.sleep(RETRY_MS / 1000)
    await ctx.close_sse_stream()
    await asyncio.sleep(RETRY_MS / 1000)
    await ctx.info("while away", logger_name="poll")
    return "polled"


@server.tool()
async def wait(milliseconds: int) -> str:
    """Waits; the log tells when that began and how it ended."""
    log.write({"waits_ms": milliseconds})
    try:
        await asyncio.sleep(milliseconds / 1000)
    except asyncio.CancelledError:
        log.write({"wait": "cancelled"})
        raise
    log.write({"wait": "finished"})
    return "waited"


@server.tool()
def regional(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> str:
    """Has an argument that modern clients repeat in a header."""
    return f"in {region}"


def offer(name: str) -> None:
    """A resource, a template and a prompt under a name."""

    @server.resource(f"note://{name}", name=name)
    def note() -> str:
        return f"the {name} note"

    @server.resource(f"note://{name}/{{line}}", name=f"{name} line")
    def note_line(line: str) -> str:
        return f"line {line} of the {name} note"

    @server.prompt(name=f"greet {name}")
    def greet(who: str) -> str:
        return f"Greet {who}, the {name}"


for name in ("first", "second", "third"):
    offer(name)


@server.completion()
async def complete(
    _ref: types.PromptReference | types.ResourceTemplateReference,
    argument: types.CompletionArgument,
    _context: types.CompletionContext | None,
) -> types.Completion:
    words = [word for word in ("Ada", "Adam", "Eve") if word.startswith(argument.value)]
    return types.Completion(values=words, total=len(words), has_more=False)


async def accept(_ctx: ServerRequestContext[Any, Any], _params: types.RequestParams) -> types.EmptyResult:
    return types.EmptyResult()


async def refuse_handshake(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Middleware of a server that knows 2026-07-28 only."""
    if ctx.method == "initialize":
        data = {"supported": [MODERN], "requested": (ctx.params or {}).get("protocolVersion")}
        raise MCPError(types.UNSUPPORTED_PROTOCOL_VERSION, "Unsupported protocol version", data)
    return await call_next(ctx)


async def page(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Middleware: lists go out in pages; the cursor is the place of the next item."""
    if ctx.method not in LISTS:
        return await call_next(ctx)
    start = int((ctx.params or {}).get("cursor") or 0)
    whole: Any = await call_next(ctx)
    wire = whole if isinstance(whole, dict) else whole.model_dump(by_alias=True, mode="json", exclude_none=True)
    key = LISTS[ctx.method]
    items = wire[key]
    more = {"nextCursor": str(start + PAGE_ITEMS)} if start + PAGE_ITEMS < len(items) else {}
    return wire | {key: items[start : start + PAGE_ITEMS]} | more


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--modern-only", action="store_true", help="refuse the handshake")
    options = parser.parse_args()
    log = CallLog(options.log)
    server.middleware.append(log.middleware)
    server.middleware.append(page)
    if options.modern_only:
        server.middleware.append(refuse_handshake)
    lowlevel = server._lowlevel_server
    for method, params in (
        ("resources/subscribe", types.SubscribeRequestParams),
        ("resources/unsubscribe", types.UnsubscribeRequestParams),
        ("logging/setLevel", types.SetLevelRequestParams),
    ):
        lowlevel.add_request_handler(method, params, accept)
    app = server.streamable_http_app(event_store=MemoryEventStore(), retry_interval=RETRY_MS)
    serve(HttpLog(app, log), options, "/mcp")
