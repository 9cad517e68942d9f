"""What a server offers, by name: a definition to list, and the function that serves it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mcp.server.context import ServerRequestContext
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ContentBlock,
    GetPromptRequestParams,
    GetPromptResult,
    InputRequiredResult,
    Prompt,
    PromptArgument,
    TextContent,
    Tool,
)

Context = ServerRequestContext[Any, Any]
Definition = TypeVar("Definition")
Params = TypeVar("Params")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Offer(Generic[Definition, Params, Answer]):
    """One tool or prompt."""

    definition: Definition
    serve: Callable[[Context, Params], Awaitable[Answer]]


ToolAnswer = CallToolResult | InputRequiredResult
PromptAnswer = GetPromptResult | InputRequiredResult
TOOLS: dict[str, Offer[Tool, CallToolRequestParams, ToolAnswer]] = {}
PROMPTS: dict[str, Offer[Prompt, GetPromptRequestParams, PromptAnswer]] = {}
ServeTool = Callable[[Context, CallToolRequestParams], Awaitable[ToolAnswer]]
ServePrompt = Callable[[Context, GetPromptRequestParams], Awaitable[PromptAnswer]]


def tool(schema: dict[str, Any] | None = None, **texts: str) -> Callable[[ServeTool], ServeTool]:
    """Offers a function as a tool of its name, described by its docstring; `texts` are required arguments."""

    def offer(serve: ServeTool) -> ServeTool:
        described = {name: {"type": "string", "description": text} for name, text in texts.items()}
        takes = {"type": "object", "properties": described, "required": list(texts)}
        definition = Tool(name=serve.__name__, description=serve.__doc__, input_schema=schema or takes)
        TOOLS[serve.__name__] = Offer(definition, serve)
        return serve

    return offer


def prompt(**texts: str) -> Callable[[ServePrompt], ServePrompt]:
    """Offers a function as a prompt of its name, described by its docstring; `texts` are required arguments."""

    def offer(serve: ServePrompt) -> ServePrompt:
        arguments = [PromptArgument(name=name, description=text, required=True) for name, text in texts.items()]
        definition = Prompt(name=serve.__name__, description=serve.__doc__, arguments=arguments)
        PROMPTS[serve.__name__] = Offer(definition, serve)
        return serve

    return offer


def answered(*content: ContentBlock | str) -> CallToolResult:
    """A result of these blocks; a string is a block of text."""
    return CallToolResult(
        content=[TextContent(type="text", text=block) if isinstance(block, str) else block for block in content]
    )
