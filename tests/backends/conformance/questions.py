"""Tools and a prompt that first answer with a question (2026-07-28): the client calls again with what was asked."""

from typing import Any

from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ClientCapabilities,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    GetPromptRequestParams,
    GetPromptResult,
    InputRequest,
    InputRequiredResult,
    InputResponseRequestParams,
    InputResponses,
    ListRootsRequest,
    ListRootsResult,
    PromptMessage,
    SamplingMessage,
    TextContent,
)

from conformance.offers import Context, PromptAnswer, ToolAnswer, answered, prompt, tool

SAMPLING_MAX_TOKENS = 100


def form(message: str, **types: str) -> ElicitRequest:
    """A question for the user, with one required field for each of `types`."""
    schema = {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in types.items()},
        "required": list(types),
    }
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def sampling(text: str) -> CreateMessageRequest:
    """A question for the client's model."""
    message = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[message], max_tokens=SAMPLING_MAX_TOKENS))


def ask(state: str | None = None, **questions: InputRequest) -> InputRequiredResult:
    return InputRequiredResult(input_requests=questions, request_state=state)


def responses(params: InputResponseRequestParams) -> InputResponses:
    return params.input_responses or {}


def filled_in(params: InputResponseRequestParams, key: str) -> dict[str, Any] | None:
    """What the user filled in; nothing if the question under this key was not answered, or was declined."""
    response = responses(params).get(key)
    return response.content if isinstance(response, ElicitResult) and response.action == "accept" else None


@tool()
async def test_input_required_result_elicitation(_ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Asks the user's name."""
    given = filled_in(params, "user_name")
    if given is None:
        return ask(user_name=form("What is your name?", name="string"))
    return answered(f"Hello, {given.get('name')}!")


@tool()
async def test_streaming_elicitation(_ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Asks the user whether to go on."""
    if filled_in(params, "confirm") is None:
        return ask(confirm=form("Go on?", ok="boolean"))
    return answered("Went on.")


@tool()
async def test_input_required_result_sampling(_ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Asks the client's model for a capital."""
    reply = responses(params).get("capital_question")
    if not isinstance(reply, CreateMessageResult):
        return ask(capital_question=sampling("What is the capital of France?"))
    return answered(f"The model said: {getattr(reply.content, 'text', reply.content)}")


@tool()
async def test_input_required_result_list_roots(_ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Asks for the client's roots."""
    reply = responses(params).get("client_roots")
    if not isinstance(reply, ListRootsResult):
        return ask(client_roots=ListRootsRequest())
    return answered("The roots: " + ", ".join(str(root.uri) for root in reply.roots))


async def confirmed(params: CallToolRequestParams, state: str) -> ToolAnswer:
    """Asks for a confirmation, and takes it only with the state that went out with the question."""
    if params.request_state != state or filled_in(params, "confirm") is None:
        return ask(state, confirm=form("Please confirm.", ok="boolean"))
    return answered("Confirmed; the state-ok came back.")


@tool()
async def test_input_required_result_request_state(_ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Asks for a confirmation, and needs its state back."""
    return await confirmed(params, "asked-for-confirmation")


@tool()
async def test_input_required_result_tampered_state(_ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Asks for a confirmation; state that was changed on the way is refused before it gets here."""
    return await confirmed(params, "asked-for-safe-confirmation")


@tool()
async def test_input_required_result_multiple_inputs(_ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Asks the user, the model and the client in one go."""
    asked = {"user_name", "greeting", "client_roots"}
    if params.request_state != "asked-for-all" or not asked <= responses(params).keys():
        return ask(
            "asked-for-all",
            user_name=form("What is your name?", name="string"),
            greeting=sampling("Say a greeting."),
            client_roots=ListRootsRequest(),
        )
    return answered("All three were answered.")


@tool()
async def test_input_required_result_multi_round(_ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Asks twice, one question after the other."""
    if params.request_state == "asked-for-color" and filled_in(params, "step2") is not None:
        return answered("Both questions were answered.")
    if params.request_state == "asked-for-name" and filled_in(params, "step1") is not None:
        return ask("asked-for-color", step2=form("What is your favourite color?", color="string"))
    return ask("asked-for-name", step1=form("What is your name?", name="string"))


@tool()
async def test_input_required_result_capabilities(ctx: Context, params: CallToolRequestParams) -> ToolAnswer:
    """Asks only what the client has declared that it can answer."""
    able = ctx.session.client_capabilities or ClientCapabilities()
    possible: dict[str, tuple[object, InputRequest]] = {
        "user_name": (able.elicitation, form("What is your name?", name="string")),
        "greeting": (able.sampling, sampling("Say a greeting.")),
        "client_roots": (able.roots, ListRootsRequest()),
    }
    questions = {key: question for key, (declared, question) in possible.items() if declared is not None}
    if not questions or questions.keys() <= responses(params).keys():
        return answered(f"{len(questions)} questions were answered.")
    return ask(**questions)


@prompt()
async def test_input_required_result_prompt(_ctx: Context, params: GetPromptRequestParams) -> PromptAnswer:
    """A prompt about a context that the user is asked for."""
    given = filled_in(params, "user_context")
    if given is None:
        return ask(user_context=form("Which context is it about?", context="string"))
    text = TextContent(type="text", text=f"Take this context into account: {given.get('context')}")
    return GetPromptResult(messages=[PromptMessage(role="user", content=text)])
