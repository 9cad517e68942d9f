"""What no schema can say of good requests, and what no status can say of their answers."""

import schemathesis

# Codes of the server's that say: this is not what the description asks for.
NOT_UNDERSTOOD = {"body_not_json", "body_unexpected", "content_type", "if_match", "query_unexpected", "version_needed"}


@schemathesis.hook
def before_call(ctx, case, kwargs):
    if not is_good(case):
        return
    # A page's cursor comes from the page before it; one that was made up is refused, whatever it looks like.
    if case.query:
        case.query.pop("cursor", None)
    # It puts this where it tries each header by itself, whatever the pattern says.
    if case.headers and case.headers.get("If-Match") == "0":
        case.headers["If-Match"] = '"0"'
    # To JSON Schema 1.0 is an integer. Here it is refused, as nobody counts with fractions.
    case.body = whole(case.body)


@schemathesis.check
def good_requests_are_understood(ctx, response, case):
    """What the description allows is never refused as something that it does not allow."""
    if is_good(case) and response.status_code >= 400:
        code = response.json()["code"]
        assert code not in NOT_UNDERSTOOD, f"a good request was refused: {code}"


def is_good(case):
    return case.meta is not None and case.meta.generation.mode.is_positive


def whole(value):
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: whole(member) for name, member in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return value
