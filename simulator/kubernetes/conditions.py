"""Conditions in an object's status: how they are read, set and dropped without disturbing their times."""

from __future__ import annotations

from typing import Any

Conditions = list[dict[str, Any]]


def find(conditions: Conditions, kind: str) -> dict[str, Any] | None:
    """The condition of this type, if it is there."""
    return next((condition for condition in conditions if condition["type"] == kind), None)


def put(conditions: Conditions, condition: dict[str, Any], now: str) -> Conditions:
    """The conditions with this one in its place, or last.

    ``lastTransitionTime`` moves only when the status does, and ``lastUpdateTime``, where the kind has one, when
    the reason does: a controller that looks again and sees the same must not change the object.
    """
    earlier = find(conditions, condition["type"])
    same_status = earlier is not None and earlier["status"] == condition["status"]
    same_reason = same_status and earlier is not None and earlier.get("reason") == condition.get("reason")
    times = {"lastTransitionTime": earlier["lastTransitionTime"] if earlier and same_status else now}
    if "lastUpdateTime" in condition:
        times["lastUpdateTime"] = earlier["lastUpdateTime"] if earlier and same_reason else now
    if earlier is None:
        return [*conditions, condition | times]
    return [condition | times if old is earlier else old for old in conditions]


def drop(conditions: Conditions, kind: str) -> Conditions:
    """The conditions without that of this type."""
    return [condition for condition in conditions if condition["type"] != kind]
