"""What a plan has of a kind."""

from __future__ import annotations

from typing import Any

from fleet.changes import Change, Hold, Plan


def change_of(planned: Plan, kind: str) -> Change:
    """The one change of a kind."""
    (change,) = (change for change in planned.changes if change.resource.kind == kind)
    return change


def hold_of(planned: Plan, kind: str) -> Hold:
    """The one hold of a kind."""
    (hold,) = (hold for hold in planned.holds if hold.key.startswith(f"{kind}:"))
    return hold


def kinds(planned: Plan) -> list[str]:
    """The kinds of what is changed, in order."""
    return [change.resource.kind for change in planned.changes]


def held(planned: Plan) -> set[str]:
    """The kinds of what is held."""
    return {hold.key.partition(":")[0] for hold in planned.holds}


def differences(change: Change) -> dict[str, tuple[Any, Any]]:
    """Old and new by field."""
    return {difference.field: (difference.old, difference.new) for difference in change.differences}
