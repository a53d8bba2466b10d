"""A plan as a tree for the terminal: groups in dependency order, their changes, and the fields of each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Container, Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.text import Text
from rich.tree import Tree

from fleet import outline
from fleet.changes import Action, Change, Hold, Plan
from fleet.plan import shown
from fleet.resources import Difference
from tasks.chain import title

_COLOURS = {
    Action.CREATE: "green",
    Action.UPDATE: "yellow",
    Action.RECOVER: "cyan",
    Action.DELETE: "red",
    Action.RELEASE: "magenta",
}
_PLURALS = {"identity": "identities"}
_FEW = 4
"""How many that look alike are shown on a terminal before the rest of them is only counted."""
_EXAMPLES = 2
"""How many of those that are too many are shown."""
_LEAST_WIDTH = 24
"""Of a value, on whatever terminal."""

Item = TypeVar("Item")


def plan_tree(
    plan: Plan, heading: str, *, fold: bool, failed: Container[str] = (), waiting: Container[str] = ()
) -> Tree:
    """The plan as a tree below its heading.

    ``failed`` are the keys of changes that could not be applied, ``waiting`` of those that were not to be yet.

    With ``fold``, only the first few of what looks alike are shown and the others counted: groups whose changes are of
    the same kinds and fields, and the changes within a group.
    """
    tree = Tree(Text(heading, style="bold"), guide_style="dim")
    for group in _folded(outline.outline(plan), _shape_of_group, fold=fold):
        if not isinstance(group, outline.Group):
            counts = Counter(one.kind for one in group)
            kinds = " and ".join(_counted(number, kind) for kind, number in counts.items())
            tree.add(Text(f"… and {kinds} like this", style="dim"))
            continue
        branch = tree.add(_group_label(group))
        for change in _folded(group.changes, _shape_of_change, fold=fold):
            if isinstance(change, Change):
                branch.add(_change_label(change, failed=change.key in failed, waiting=change.key in waiting))
            else:
                branch.add(Text(f"… and {len(change)} more like this", style="dim"))
        for hold in _folded(group.holds, _shape_of_hold, fold=fold):
            if isinstance(hold, Hold):
                branch.add(_hold_label(hold))
            else:
                branch.add(Text(f"… and {len(hold)} more held like this", style="dim"))
    return tree


def _folded(
    items: Sequence[Item], shape: Callable[[Item], Hashable], *, fold: bool
) -> Iterator[Item | tuple[Item, ...]]:
    """The items; of more than a few of one shape only some, and then the others together."""
    alike: dict[Hashable, list[Item]] = defaultdict(list)
    for item in items:
        alike[shape(item) if fold else id(item)].append(item)
    for same in alike.values():
        if len(same) <= _FEW:
            yield from same
        else:
            yield from same[:_EXAMPLES]
            yield tuple(same[_EXAMPLES:])


def _shape_of_group(group: outline.Group) -> Hashable:
    changes = Counter(map(_shape_of_change, group.changes))
    return group.kind, frozenset(changes.items()), tuple(map(_shape_of_hold, group.holds))


def _shape_of_change(change: Change) -> Hashable:
    return change.action, change.resource.kind, tuple(difference.field for difference in change.differences)


def _shape_of_hold(hold: Hold) -> Hashable:
    return hold.key.partition(":")[0], hold.reason if hold.mistake else None


def _group_label(group: outline.Group) -> Text:
    label = Text.assemble((f"{group.kind} ", "cyan"), (group.name, "bold"))
    where = group.clusters
    if where:
        label.append(f" on {', '.join(where) if len(where) <= _FEW else f'{len(where)} clusters'}", style="dim")
    return label


def _change_label(change: Change, *, failed: bool, waiting: bool) -> Group:
    sign = ("✗", "bold red") if failed else (outline.SIGNS[change.action], f"bold {_COLOURS[change.action]}")
    if waiting:
        sign = ("·", "dim")
    heading = Text.assemble(sign, " ", title(change))
    if change.takes_away:
        later = ", after the new one is proven" if change.after_proof else ""
        return Group(heading.append(f"  {change.reason}{later}", style="dim"))
    return Group(heading, _Fields(change.differences, created=change.action is Action.CREATE))


def _hold_label(hold: Hold) -> Text:
    style = "bold red" if hold.mistake else "dim"
    return Text.assemble(("held", style), f" {hold.key}: ", (hold.reason, "" if hold.mistake else "dim"))


def _counted(number: int, kind: str) -> str:
    return f"{number} more {_PLURALS.get(kind, f'{kind}s') if number > 1 else kind}"


class _Fields:
    """The fields of a change in two columns, values that are too long below their beginning."""

    def __init__(self, differences: Iterable[Difference], *, created: bool) -> None:
        self._rows = [(difference.field, _value(difference, created=created)) for difference in differences]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        indent = 4 + max((len(name) for name, _ in self._rows), default=0)
        for name, value in self._rows:
            lines = value.wrap(console, max(options.max_width - indent, _LEAST_WIDTH), overflow="fold")
            for number, line in enumerate(lines):
                yield Text.assemble((f"  {'' if number else name}".ljust(indent), "dim"), line)


def _value(difference: Difference, *, created: bool) -> Text:
    new = Text(shown(difference.new))
    if created:
        return new
    return Text.assemble((shown(difference.old), "dim"), (" → ", "dim"), new)
