"""What the API server refuses in a LabelSelector."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from simulator.provenance import Provenance, rule

from . import validation_names as names
from .errors import Cause

Json = dict[str, Any]
Causes = Iterator[Cause]


def selector(field: str, value: Json | None) -> Causes:
    """What is wrong with a LabelSelector, or with the absence of one: nothing."""
    yield from names.label_set(f"{field}.matchLabels", (value or {}).get("matchLabels") or {})
    for index, expression in enumerate((value or {}).get("matchExpressions") or ()):
        yield from _expression(f"{field}.matchExpressions[{index}]", expression)


@rule("kubernetes", "expressions of a selector", Provenance.DOCUMENTED, "Kubernetes API reference, LabelSelector")
def _expression(field: str, expression: Json) -> Causes:
    operator, values = expression.get("operator", ""), expression.get("values")
    if operator in ("In", "NotIn"):
        if not values:
            yield Cause.required(f"{field}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield Cause.forbidden(f"{field}.values", why)
    else:
        yield Cause.invalid(f"{field}.operator", names.quoted(operator), "not a valid selector operator")
    yield from names.qualified(f"{field}.key", expression.get("key", ""))
