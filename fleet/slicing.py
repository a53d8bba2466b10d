"""A large plan in parts that several machines can carry out at the same time.

What is shared (features, clusters, vaults) is one part that comes before all others, or, where it is taken away, after
them. The rest falls into units that have nothing to do with each other: changes that wait for each other, those of one
workload, and federated credentials of one identity, of which one is written at a time, are never in two slices.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .changes import Change
from .resources import FederatedIdentityCredential

_SHARED = ("subscription", "cluster", "vault")
"""Kinds of groups whose changes are made once for everybody."""


@dataclass(frozen=True)
class Parts:
    """The parts of a plan; in each, changes stand in an order in which they can be applied."""

    first: tuple[Change, ...]
    slices: tuple[tuple[Change, ...], ...]
    """They may run side by side, after ``first``."""
    last: tuple[Change, ...]


def parts(changes: Iterable[Change], clusters: Sequence[str], most: int) -> Parts:
    """Part the changes of a plan: by cluster, in the order of ``clusters``, then by slices of at most ``most``.

    A unit that is larger is a slice of its own. A unit on several clusters goes with the first of them.
    """
    changes = tuple(changes)
    shared = {change.key for change in changes if change.group.partition(":")[0] in _SHARED}
    own = {change.key for change in changes if change.key not in shared}
    late = _behind(changes, own) & shared
    late |= _behind(changes, late)
    return Parts(
        first=tuple(change for change in changes if change.key in shared - late),
        slices=tuple(_packed(_units([change for change in changes if change.key in own - late]), clusters, most)),
        last=tuple(change for change in changes if change.key in late),
    )


def _behind(changes: Iterable[Change], keys: set[str]) -> set[str]:
    """Keys of what comes after these, directly or not."""
    behind: set[str] = set()
    for change in changes:  # a plan's order has what comes before something before it
        if not (keys | behind).isdisjoint((*change.after, *change.after_proof)):
            behind.add(change.key)
    return behind


def _units(changes: Sequence[Change]) -> Iterator[tuple[Change, ...]]:
    """The changes that belong together, in the plan's order."""
    parents = {change.key: change.key for change in changes}

    def root(key: str) -> str:
        while parents[key] != key:
            parents[key] = parents[parents[key]]
            key = parents[key]
        return key

    first: dict[str, str] = {}
    """By what keeps changes together, the first of them."""
    for change in changes:
        bound = [key for key in (*change.after, *change.after_proof) if key in parents]
        bound.append(first.setdefault(change.group, change.key))
        if isinstance(change.resource, FederatedIdentityCredential):
            bound.append(first.setdefault(change.resource.place, change.key))
        for key in bound:
            parents[root(key)] = root(change.key)
    units: Mapping[str, list[Change]] = defaultdict(list)
    for change in changes:
        units[root(change.key)].append(change)
    for unit in units.values():
        yield tuple(unit)


def _packed(units: Iterable[tuple[Change, ...]], clusters: Sequence[str], most: int) -> Iterator[tuple[Change, ...]]:
    ranks = {name: rank for rank, name in enumerate(clusters)}
    by_cluster: Mapping[int, list[tuple[Change, ...]]] = defaultdict(list)
    for unit in units:
        names = (getattr(change.resource, "cluster", None) for change in unit)
        by_cluster[min((ranks[name] for name in names if name in ranks), default=len(ranks))].append(unit)
    for _, own in sorted(by_cluster.items()):
        slice_: list[Change] = []
        for unit in own:
            if slice_ and len(slice_) + len(unit) > most:
                yield tuple(slice_)
                slice_ = []
            slice_ += unit
        if slice_:
            yield tuple(slice_)
