"""What differs between two runs of the suite, scenario by scenario and check by check."""

import re
from dataclasses import dataclass

from suite import Check, Result, stable

NOT_MADE = Check("-", ())
# The proxy's own refusals name the call; a server's never do.
OWN_REFUSAL = re.compile(r'"call": "[\w-]{22}"')


@dataclass(frozen=True)
class Difference:
    """One check that is not the same."""

    scenario: str
    what: str
    direct: str
    through: str


def differences(direct: dict[str, Result], through: dict[str, Result]) -> list[Difference]:
    return [
        difference
        for scenario in sorted(direct.keys() | through.keys())
        for difference in of_scenario(scenario, direct.get(scenario), through.get(scenario))
    ]


def of_scenario(scenario: str, direct: Result | None, through: Result | None) -> list[Difference]:
    if direct is None or through is None:
        return [Difference(scenario, "was run", str(direct is not None), str(through is not None))]
    found = []
    for key in sorted(direct.checks.keys() | through.checks.keys()):
        one, other = direct.checks.get(key, NOT_MADE), through.checks.get(key, NOT_MADE)
        if one.status != other.status:
            found.append(Difference(scenario, " ".join(key), one.status, other.status))
        elif one.details != other.details and not any(map(OWN_REFUSAL.search, other.details)):
            found.append(Difference(scenario, " ".join(key), "\n".join(one.details), "\n".join(other.details)))
    if stable(direct.output) != stable(through.output):
        found.append(Difference(scenario, "what the client saw", direct.output, through.output))
    return found


def table(differences: list[Difference]) -> str:
    rows = [
        f"{difference.scenario}: {difference.what}\n  direct:  {indented(difference.direct)}\n"
        f"  through: {indented(difference.through)}"
        for difference in differences
    ]
    return "\n".join(rows)


def indented(text: str) -> str:
    return "\n           ".join(text.splitlines())
