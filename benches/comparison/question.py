"""One question, put to two programs: may this team's agent call this tool, with this method, on this resource?

The rules are the same in number and meaning for both. Each tool has ten: three teams that may, each with exceptions,
and one call that every team may make. What no rule allows is refused. An exception is always narrower than what it is
an exception from, so a cascade in which the narrower rule decides, and policies in which a denial overrides, agree.
There are two verdicts only: Oakgate's third, `requires_approval`, has no counterpart in Cerbos.
"""

import json
import random
from dataclasses import dataclass

RULES_PER_TOOL = 10
# Cerbos keeps 1024 compiled policies by default; more tools would have it compile while it is measured.
TOOLS_MAX = 1000
TEAMS = 100
SPACES = 200
METHODS = ["read", "write", "list", "drop"]
SEED = 1


@dataclass(frozen=True)
class Rule:
    """`None`: it does not matter."""

    team: str | None
    method: str | None
    space: str | None
    permission: str


@dataclass(frozen=True)
class Query:
    team: str
    tool: str
    method: str
    space: str


def tool_name(place):
    return f"tool-{place}"


def _names(place):
    """The teams and the spaces that a tool's rules are about."""
    return [f"team-{(place + n) % TEAMS}" for n in range(3)], [f"space-{(3 * place + n) % SPACES}" for n in range(4)]


def rules_of(place):
    (one, two, three), (first, second, third, fourth) = _names(place)
    return [
        Rule(one, None, None, "allowed"),
        Rule(one, "drop", None, "disabled"),
        Rule(one, None, first, "disabled"),
        Rule(two, None, first, "allowed"),
        Rule(two, None, second, "allowed"),
        Rule(two, "write", second, "disabled"),
        Rule(three, "read", None, "allowed"),
        Rule(three, "list", None, "allowed"),
        Rule(three, "read", third, "disabled"),
        Rule(None, "list", fourth, "allowed"),
    ]


def queries(tools, count):
    """Questions that meet every tool in turn, most of them near one of its rules. Always the same ones."""
    chance = random.Random(SEED)
    return [_query(place % tools, chance) for place in range(count)]


def _query(place, chance):
    teams, spaces = _names(place)
    stranger = f"team-{chance.randrange(TEAMS)}"
    elsewhere = f"space-{chance.randrange(SPACES)}"
    return Query(
        team=chance.choice([*teams, stranger]),
        tool=tool_name(place),
        method=chance.choice(METHODS),
        space=chance.choice([*spaces, elsewhere]),
    )


def oakgate_policy(tools):
    """The rules as Oakgate's policy document."""
    listed = []
    for place in range(tools):
        for number, rule in enumerate(rules_of(place)):
            named = {"tenant": rule.team, "tool": tool_name(place), "method": rule.method, "resource": rule.space}
            coordinates = {name: value for name, value in named.items() if value is not None}
            listed.append({"id": f"rule-{place}-{number}", **coordinates, "permission": rule.permission})
    return {
        "format": 1,
        "org": "acme",
        "tools": [{"name": tool_name(place), "default": "disabled"} for place in range(tools)],
        "rules": listed,
    }


def cerbos_policies(tools):
    """The rules as Cerbos's resource policies, by file name: one for each tool, so that few rules are looked at."""
    return {f"{tool_name(place)}.json": json.dumps(_cerbos_policy(place)) for place in range(tools)}


def _cerbos_policy(place):
    rules = []
    for rule in rules_of(place):
        one = {
            "actions": [rule.method or "*"],
            "roles": [rule.team or "*"],
            "effect": "EFFECT_ALLOW" if rule.permission == "allowed" else "EFFECT_DENY",
        }
        if rule.space:
            one["condition"] = {"match": {"expr": f"R.id == {json.dumps(rule.space)}"}}
        rules.append(one)
    return {
        "apiVersion": "api.cerbos.dev/v1",
        "resourcePolicy": {"resource": tool_name(place), "version": "default", "rules": rules},
    }


def oakgate_body(query):
    return json.dumps(
        {
            "backend": "tools",
            "tool": query.tool,
            "resource": query.space,
            "method": query.method,
            "tenant": query.team,
        }
    )


def cerbos_body(query):
    resource = {"kind": query.tool, "id": query.space}
    return json.dumps(
        {
            "requestId": "check",
            "principal": {"id": "agent-1", "roles": [query.team]},
            "resources": [{"actions": [query.method], "resource": resource}],
        }
    )


def oakgate_allows(answer):
    return {"allowed": True, "disabled": False}[answer["permission"]]


def cerbos_allows(answer):
    (result,) = answer["results"]
    (effect,) = result["actions"].values()
    return {"EFFECT_ALLOW": True, "EFFECT_DENY": False}[effect]
