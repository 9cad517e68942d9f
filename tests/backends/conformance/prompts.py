"""Prompts: of text, with arguments, with a resource, with a picture; and completion of their arguments."""

from mcp_types import (
    CompleteRequestParams,
    CompleteResult,
    Completion,
    ContentBlock,
    GetPromptRequestParams,
    GetPromptResult,
    PromptMessage,
    TextContent,
)

from conformance.media import embedded, image
from conformance.offers import Context, prompt

WORDS = ["oak", "oat", "test", "testing", "tested"]


def said(*content: ContentBlock | str) -> GetPromptResult:
    """A prompt of these blocks, a message each; a string is a block of text."""
    blocks = [TextContent(type="text", text=block) if isinstance(block, str) else block for block in content]
    return GetPromptResult(messages=[PromptMessage(role="user", content=block) for block in blocks])


@prompt()
async def test_simple_prompt(_ctx: Context, _params: GetPromptRequestParams) -> GetPromptResult:
    """A prompt without arguments."""
    return said("A simple prompt.")


@prompt(arg1="The first word", arg2="The second word")
async def test_prompt_with_arguments(_ctx: Context, params: GetPromptRequestParams) -> GetPromptResult:
    """A prompt with two arguments."""
    given = params.arguments or {}
    return said(f"The arguments are '{given['arg1']}' and '{given['arg2']}'.")


@prompt(resourceUri="The address of the resource")
async def test_prompt_with_embedded_resource(_ctx: Context, params: GetPromptRequestParams) -> GetPromptResult:
    """A prompt about a resource that comes with it."""
    uri = (params.arguments or {})["resourceUri"]
    return said(embedded(uri, "text/plain", "The content of the resource."), "Look at this resource.")


@prompt()
async def test_prompt_with_image(_ctx: Context, _params: GetPromptRequestParams) -> GetPromptResult:
    """A prompt about a picture that comes with it."""
    return said(image(), "Look at this picture.")


async def complete(_ctx: Context, params: CompleteRequestParams) -> CompleteResult:
    """Known words that begin with what is there of an argument."""
    values = [word for word in WORDS if word.startswith(params.argument.value)]
    return CompleteResult(completion=Completion(values=values, total=len(values), has_more=False))
