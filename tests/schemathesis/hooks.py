"""What no schema can say of good requests."""

import schemathesis


@schemathesis.hook
def before_call(ctx, case, kwargs):
    """A page's cursor comes from the page before it; one that was made up is refused, whatever it looks like."""
    if case.query and case.meta and case.meta.generation.mode.is_positive:
        case.query.pop("cursor", None)
