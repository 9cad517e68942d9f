"""Tools that answer with every kind of content, report while they run, or ask the client on the session."""

import json
from typing import Any

import anyio
from mcp.server.subscriptions import InMemorySubscriptionBus, PromptsListChanged, ToolsListChanged
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CallToolRequestParams,
    CallToolResult,
    ClientCapabilities,
    ElicitResult,
    MissingRequiredClientCapabilityErrorData,
    SamplingCapability,
    SamplingMessage,
    TextContent,
)

from conformance.media import audio, embedded, image
from conformance.offers import Context, answered, tool

STEP_SECONDS = 0.05
SAMPLING_MAX_TOKENS = 100
bus = InMemorySubscriptionBus()


@tool()
async def test_simple_text(_ctx: Context, _params: CallToolRequestParams) -> CallToolResult:
    """Answers with a line of text."""
    return answered("A line of text.")


@tool()
async def test_image_content(_ctx: Context, _params: CallToolRequestParams) -> CallToolResult:
    """Answers with a picture."""
    return answered(image())


@tool()
async def test_audio_content(_ctx: Context, _params: CallToolRequestParams) -> CallToolResult:
    """Answers with a sound."""
    return answered(audio())


@tool()
async def test_embedded_resource(_ctx: Context, _params: CallToolRequestParams) -> CallToolResult:
    """Answers with a resource that is in the answer itself."""
    return answered(embedded("test://embedded-resource", "text/plain", "The content of the embedded resource."))


@tool()
async def test_multiple_content_types(_ctx: Context, _params: CallToolRequestParams) -> CallToolResult:
    """Answers with text, a picture and a resource."""
    data = embedded("test://mixed-content-resource", "application/json", json.dumps({"test": "data", "value": 123}))
    return answered("Three kinds of content:", image(), data)


@tool()
async def test_error_handling(_ctx: Context, _params: CallToolRequestParams) -> CallToolResult:
    """Always fails."""
    return answered("This tool fails on purpose.").model_copy(update={"is_error": True})


@tool()
async def test_tool_with_logging(ctx: Context, _params: CallToolRequestParams) -> CallToolResult:
    """Writes three log messages while it runs."""
    for number, message in enumerate(["started", "working", "finished"]):
        await anyio.sleep(STEP_SECONDS if number else 0)
        await ctx.session.send_log_message("info", message, related_request_id=ctx.request_id)
    return answered("Three messages were logged.")


@tool()
async def test_logging_tool(ctx: Context, _params: CallToolRequestParams) -> CallToolResult:
    """Writes a log message; a stateless client gets it only if it asked for messages of that level."""
    await ctx.session.send_log_message("info", "logged", related_request_id=ctx.request_id)
    return answered("One message was logged.")


@tool()
async def test_tool_with_progress(ctx: Context, _params: CallToolRequestParams) -> CallToolResult:
    """Reports its progress: none, half, all."""
    for percent in 0, 50, 100:
        await anyio.sleep(STEP_SECONDS if percent else 0)
        await ctx.session.report_progress(percent, 100)
    return answered("Done.")


@tool(prompt="What to ask the model")
async def test_sampling(ctx: Context, params: CallToolRequestParams) -> CallToolResult:
    """Has the client's model answer a prompt."""
    text = TextContent(type="text", text=(params.arguments or {})["prompt"])
    reply = await ctx.session.create_message(
        [SamplingMessage(role="user", content=text)],
        max_tokens=SAMPLING_MAX_TOKENS,
        related_request_id=ctx.request_id,
    )
    return answered(f"The model said: {getattr(reply.content, 'text', reply.content)}")


async def elicited(ctx: Context, message: str, properties: dict[str, Any], required: list[str]) -> CallToolResult:
    """Asks the client's user, on the session, and answers with what came of it."""
    schema = {"type": "object", "properties": properties, "required": required}
    result: ElicitResult = await ctx.session.elicit_form(message, schema, related_request_id=ctx.request_id)
    return answered(f"The user's answer: {result.action}, {json.dumps(result.content)}")


@tool(message="What to ask the user")
async def test_elicitation(ctx: Context, params: CallToolRequestParams) -> CallToolResult:
    """Asks the user for a name and an address."""
    fields = {
        "username": {"type": "string", "description": "The user's name"},
        "email": {"type": "string", "description": "The user's e-mail address"},
    }
    return await elicited(ctx, (params.arguments or {})["message"], fields, list(fields))


@tool()
async def test_elicitation_sep1034_defaults(ctx: Context, _params: CallToolRequestParams) -> CallToolResult:
    """Asks the user with a default for a field of each type."""
    fields = {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    }
    return await elicited(ctx, "Look over these values.", fields, [])


@tool()
async def test_elicitation_sep1330_enums(ctx: Context, _params: CallToolRequestParams) -> CallToolResult:
    """Asks the user to choose, in each of the five ways a choice can be put."""
    plain = ["option1", "option2", "option3"]
    titled = [{"const": f"value{number}", "title": f"Choice {number}"} for number in (1, 2, 3)]
    legacy = {"enum": ["opt1", "opt2", "opt3"], "enumNames": ["Option 1", "Option 2", "Option 3"]}
    fields = {
        "untitledSingle": {"type": "string", "enum": plain},
        "titledSingle": {"type": "string", "oneOf": titled},
        "legacyEnum": {"type": "string", **legacy},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": plain}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled}},
    }
    return await elicited(ctx, "Choose.", fields, [])


@tool()
async def test_missing_capability(ctx: Context, _params: CallToolRequestParams) -> CallToolResult:
    """Serves only clients that declare sampling."""
    needed = ClientCapabilities(sampling=SamplingCapability())
    if not ctx.session.check_client_capability(needed):
        data = MissingRequiredClientCapabilityErrorData(required_capabilities=needed)
        raise MCPError(
            code=MISSING_REQUIRED_CLIENT_CAPABILITY,
            message="this tool needs a client that declares sampling",
            data=data.model_dump(by_alias=True, mode="json", exclude_none=True),
        )
    return answered("The client declares sampling.")


@tool()
async def test_reconnection(ctx: Context, _params: CallToolRequestParams) -> CallToolResult:
    """Ends its stream before the answer is there, so that the client has to come back for it."""
    if ctx.close_sse_stream is not None:
        await ctx.close_sse_stream()
    await anyio.sleep(STEP_SECONDS)
    return answered("Answered after the stream had ended.")


@tool()
async def test_trigger_tool_change(_ctx: Context, _params: CallToolRequestParams) -> CallToolResult:
    """Tells those who listen that the tools have changed."""
    await bus.publish(ToolsListChanged())
    return answered("Told.")


@tool()
async def test_trigger_prompt_change(_ctx: Context, _params: CallToolRequestParams) -> CallToolResult:
    """Tells those who listen that the prompts have changed."""
    await bus.publish(PromptsListChanged())
    return answered("Told.")


REGION = {"type": "string", "description": "Also sent as a header", "x-mcp-header": "Region"}


@tool(schema={"type": "object", "properties": {"region": REGION}, "required": ["region"]})
async def test_x_mcp_header(_ctx: Context, params: CallToolRequestParams) -> CallToolResult:
    """Takes an argument that a stateless client sends as a header too."""
    return answered(f"The region is {(params.arguments or {})['region']}.")


ADDRESS = {
    "$anchor": "addressDef",
    "type": "object",
    "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
}
DIALECT = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"address": ADDRESS},
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


@tool(schema=DIALECT)
async def json_schema_2020_12_tool(_ctx: Context, params: CallToolRequestParams) -> CallToolResult:
    """Has a schema that uses what JSON Schema 2020-12 has to offer."""
    return answered(json.dumps(params.arguments))
