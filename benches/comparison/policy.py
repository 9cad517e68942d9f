"""A policy of any number of rules that makes the cascade work hard for the call in `call.json`.

Names come in groups on a ring. The rules of a group put its team, tool, space and mode at every level, each time
together with a name of another group. So a call with the names of one group alone is looked up at twelve levels,
matches none of their rules, and is allowed by the last rule of all, the organisation's wildcard.
"""

import itertools

MODES = ["read", "write", "list", "move", "copy", "share", "lock", "drop"]
TEAM = "team-0"
LAST_RULE = "rule-last"
LAST_LEVEL = "org/any"
RULES_PER_GROUP = 12
# Two groups, the fewest that make a ring, and the last rule.
RULES_MIN = 2 * RULES_PER_GROUP + 1


def policy(rules):
    """A policy document of exactly `rules` rules."""
    groups = -(-(rules - 1) // RULES_PER_GROUP)
    coordinates = itertools.islice((one for group in range(groups) for one in _group(group, groups)), rules - 1)
    listed = [{"id": f"rule-{place}", **names, "permission": "disabled"} for place, names in enumerate(coordinates)]
    return {
        "format": 1,
        "org": "acme",
        "tools": [{"name": f"tool-{group}", "tags": [f"tag-{group}"]} for group in range(groups)],
        "rules": [*listed, {"id": LAST_RULE, "permission": "allowed"}],
    }


def _group(group, groups):
    following = (group + 1) % groups
    team, tool, space = f"team-{group}", f"tool-{group}", f"space-{group}"
    other_tool, other_space = f"tool-{following}", f"space-{following}"
    # The group's own calls use the mode after this one.
    mode, call_mode = MODES[group % len(MODES)], MODES[(group + 1) % len(MODES)]
    return [
        {"tenant": team, "resource": other_space, "tool": tool, "method": call_mode},
        {"tenant": team, "resource": other_space, "tool": tool},
        {"tenant": team, "tool": tool, "method": mode},
        {"tenant": team, "tool": other_tool},
        {"tenant": team, "resource": space, "method": mode},
        {"tenant": team, "resource": other_space},
        {"tenant": team, "method": mode},
        {"tenant": team, "tag": f"tag-{following}"},
        {"resource": other_space, "tool": tool, "method": call_mode},
        {"resource": other_space, "tool": tool},
        {"tool": tool, "method": mode},
        {"resource": space, "method": mode},
    ]
