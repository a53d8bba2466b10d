"""A plan as it is read: its changes and holds by group, and how many of each there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from .changes import Action, Change, Hold, Plan
from .grouping import KINDS

SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.RECOVER: "↺", Action.DELETE: "−", Action.RELEASE: "↩"}
"""What stands before a change that is told in one line."""
_DONE = {
    Action.CREATE: "created",
    Action.UPDATE: "updated",
    Action.RECOVER: "recovered",
    Action.DELETE: "deleted",
    Action.RELEASE: "released",
}


@dataclass
class Group:
    """What of a plan belongs together."""

    kind: str
    """One of :data:`~fleet.grouping.KINDS`."""
    name: str
    changes: list[Change] = field(default_factory=list)
    """In an order in which they can be applied."""
    holds: list[Hold] = field(default_factory=list)

    @property
    def clusters(self) -> tuple[str, ...]:
        """Where a workload's or a namespace's changes are."""
        names = (getattr(change.resource, "cluster", None) for change in self.changes)
        return tuple(dict.fromkeys(name for name in names if name)) if self.kind in ("workload", "namespace") else ()


def outline(plan: Plan) -> tuple[Group, ...]:
    """The groups of a plan in dependency order: nothing stands before what it comes after.

    Deletions and releases are groups of their own: they come last, dependents first. One that makes room for something
    new is read before that.
    """
    changing: dict[str, Group] = {}
    deleting: dict[str, Group] = {}
    awaited = {key for change in plan.changes if not change.takes_away for key in change.after}
    for change in plan.changes:
        groups = deleting if change.takes_away and change.key not in awaited else changing
        _in(groups, change.group).changes.append(change)
    only_deletes = bool(deleting) and not changing
    for hold in plan.holds:  # beside a change of the same group, wherever that is read
        _in(deleting if only_deletes else changing, hold.group).holds.append(hold)
    return (*sorted(changing.values(), key=_rank), *sorted(deleting.values(), key=_rank, reverse=True))


def headline(changes: Iterable[Change], holds: Iterable[Hold] = (), *, done: bool = False) -> str:
    """How much there is to do, or where it is ``done`` how much was: ``12 to create, 1 to delete, 2 held``."""
    counted = Counter(change.action for change in changes)
    parts = [f"{counted[action]} {_DONE[action] if done else f'to {action}'}" for action in Action if counted[action]]
    held = sum(1 for _ in holds)
    return ", ".join([*parts, *([f"{held} held"] if held else [])])


def _in(groups: dict[str, Group], key: str) -> Group:
    if key not in groups:
        kind, _, name = key.partition(":")
        groups[key] = Group(kind, name)
    return groups[key]


def _rank(group: Group) -> int:
    return KINDS.index(group.kind) if group.kind in KINDS else len(KINDS)
