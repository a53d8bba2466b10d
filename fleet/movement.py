"""What moved in the world between a plan that was approved and the plan that would be made now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .changes import Change, Hold, Plan
from .plan import shown
from .resources import Reference

_MANY = 50
"""Objects to name where a whole world has moved."""


class WorldMovedError(Exception):
    """The plan that was approved is not the one that would be applied now. The message names every difference."""


def refuse_if_moved(approved: Plan, now: Plan) -> None:
    """Raise :class:`WorldMovedError` unless the plan of ``now`` does exactly what was approved."""
    moved = list(movements(approved, now))
    if not moved:
        return
    more = [f"  and {len(moved) - _MANY} objects more"] if len(moved) > _MANY else []
    lines = [
        f"The world has moved since this plan of {approved.fleet} was made, so nothing was changed:",
        *(f"  {line}" for line in moved[:_MANY]),
        *more,
        "Plan again, and look at what is new.",
    ]
    raise WorldMovedError("\n".join(lines))


def movements(then: Plan, now: Plan) -> Iterator[str]:
    """A line for each object of which the plans do not say the same. None exactly where they do the same."""
    before, after = _said(then), _said(now)
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key), after.get(key)
        if isinstance(old, Change) and isinstance(new, Change) and old.action is new.action:
            if fields := list(_fields(old, new, before, after)):
                yield f"{key}: {'; '.join(fields)}"
        elif type(old) is not type(new) or isinstance(old, Change):
            yield f"{key}: {_word(old)} then, {_word(new)} now{_detail(new)}"


def _said(plan: Plan) -> dict[str, Change | Hold]:
    return {**{change.key: change for change in plan.changes}, **{hold.key: hold for hold in plan.holds}}


def _word(said: Change | Hold | None) -> str:
    if said is None:
        return "nothing to do"
    return f"to {said.action.value}" if isinstance(said, Change) else "held"


def _detail(new: Change | Hold | None) -> str:
    if isinstance(new, Hold):
        return f": {new.reason}"
    updated = new.differences if new is not None and any(each.old is not None for each in new.differences) else ()
    told = [f"{each.field} {shown(each.old)} → {shown(each.new)}" for each in updated]
    return f": {'; '.join(told)}" if told else ""


def _fields(
    old: Change, new: Change, before: dict[str, Change | Hold], after: dict[str, Change | Hold]
) -> Iterator[str]:
    """Each field whose value is another one now. What only follows from another object's movement is told there."""
    was, there = _facts(old), _facts(new)
    for field in dict.fromkeys([*was, *there]):
        one, other = was.get(field), there.get(field)
        if _plain(one) != _plain(other) and not _promised(one, after) and not _promised(other, before):
            yield f"{field} {shown(one)} then, {shown(other)} now"


def _promised(value: Any, others: dict[str, Change | Hold]) -> bool:
    """Whether the value was to come from a change that the other plan does not have."""
    return isinstance(value, Reference) and not isinstance(others.get(value.key), Change)


def _plain(value: Any) -> Any:
    """A list that was written down comes back as one."""
    return list(value) if isinstance(value, tuple) else value


def _facts(change: Change) -> dict[str, Any]:
    """What a change finds and what it makes of it, by name."""
    resource = change.resource
    return {
        **{each.field: each.old for each in change.differences},
        **{f"wanted {field}": getattr(resource, field) for field in type(resource).model_fields},
        **change.known,
    }
