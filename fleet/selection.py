"""A part of a fleet, by workloads and clusters, and the fleet that stays without it."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Collection, Iterable

from .entries import Identity, Workload
from .known import Known
from .spec import Fleet, Model

_NEAREST = 5


class SelectionError(ValueError):
    """Names that select nothing. The message has a line for each, with what there is."""


class Selection(Model):
    """Workloads on clusters: those named on those named. Where one of the two is empty, all of that kind are meant."""

    workloads: tuple[str, ...] = ()
    """Each as NAMESPACE/SERVICEACCOUNT, or by its ServiceAccount alone where only one workload has it."""
    clusters: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.workloads or self.clusters)


def remainder(fleet: Fleet, selection: Selection) -> Fleet:
    """The fleet without the selected workloads on the selected clusters.

    With them goes what nobody else in the fleet uses: their identities, those identities' vaults, and clusters; also a
    cluster that is named alone. With the last workload goes all of the fleet. An empty selection takes nothing.

    Raises :class:`SelectionError` where a name is not of this fleet, or a named workload is on no named cluster.
    """
    if not selection:
        return fleet
    chosen, clusters = _chosen(fleet, selection)
    gone: list[Workload] = []
    left: list[Workload] = []
    for workload in fleet.workloads:
        taken = tuple(name for name in workload.clusters if str(workload) in chosen and name in clusters)
        kept = tuple(name for name in workload.clusters if name not in taken)
        gone += [workload.model_copy(update={"clusters": taken})] if taken else []
        left += [workload.model_copy(update={"clusters": kept})] if kept else []
    if not left:
        return fleet.model_copy(update=dict.fromkeys(("clusters", "vaults", "identities", "workloads"), ()))
    named = set() if selection.workloads else set(selection.clusters)
    unused_clusters = named | (_clusters(gone) - _clusters(left))
    unused = {item.identity for item in gone} - {item.identity for item in left}
    identities = [item for item in fleet.identities if item.name not in unused]
    orphans = [item for item in fleet.identities if item.name in unused]
    unused_vaults = _vaults(orphans, gone) - _vaults(identities, left)
    return fleet.model_copy(
        update={
            "clusters": tuple(item for item in fleet.clusters if item.name not in unused_clusters),
            "vaults": tuple(item for item in fleet.vaults if item.name not in unused_vaults),
            "identities": tuple(identities),
            "workloads": tuple(left),
        }
    )


def _chosen(fleet: Fleet, selection: Selection) -> tuple[Collection[str], Collection[str]]:
    """The names of the selected workloads and of the selected clusters."""
    on: dict[str, set[str]] = defaultdict(set)
    for workload in fleet.workloads:
        on[str(workload)].update(workload.clusters)
    known = Known.of("cluster", (cluster.name for cluster in fleet.clusters))
    mistakes = [message for name in selection.clusters if (message := known.missing(name))]
    clusters = set(selection.clusters or known.names)
    chosen: set[str] = set()
    for name in selection.workloads:
        found = _workloads_called(name, on)
        if len(found) > 1:
            mistakes.append(f"{name} is the ServiceAccount of several workloads, say of which: {', '.join(found)}")
        elif not found:
            mistakes.append(_unknown(name, on))
        elif not mistakes and clusters.isdisjoint(on[found[0]]):
            there, named = ", ".join(sorted(on[found[0]])), ", ".join(selection.clusters)
            mistakes.append(f"{found[0]} is not on {named}: it is on {there}")
        chosen.update(found)
    if mistakes:
        raise SelectionError("\n".join(mistakes))
    return chosen if selection.workloads else on.keys(), clusters


def _workloads_called(name: str, names: Collection[str]) -> list[str]:
    return [name] if name in names else sorted(each for each in names if each.partition("/")[2] == name)


def _unknown(name: str, names: Collection[str]) -> str:
    message = Known.of("workload", names).missing(name) or ""
    nearest = difflib.get_close_matches(name, names, _NEAREST) if message.endswith(f"among its {len(names)}") else []
    return f"{message}, the nearest: {', '.join(nearest)}" if nearest else message


def _clusters(workloads: Iterable[Workload]) -> set[str]:
    return {name for workload in workloads for name in workload.clusters}


def _vaults(identities: Iterable[Identity], workloads: Iterable[Workload]) -> set[str]:
    """The vaults that these use."""
    granted = {grant.vault for identity in identities for grant in identity.access}
    return granted | {workload.verify.vault for workload in workloads if workload.verify is not None}
