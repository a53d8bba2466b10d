"""The 20 federated credentials that an identity may hold, against what its workloads need."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from pydantic_core import InitErrorDetails

from . import naming, sharding
from .entries import Identity, Workload
from .problems import problem
from .sound import Part

_SHOWN = 3
"""Names of workloads to show for each line of the arithmetic."""


def problems(parts: Mapping[str, Part]) -> Iterator[InitErrorDetails]:
    """The identities of the parts ``identities`` and ``workloads`` that would need more than they may hold."""
    claims: dict[str, list[Workload]] = defaultdict(list)
    for _, workload in parts["workloads"].items:
        claims[workload.identity].append(workload)
    pinned = Counter({name: _needed(workloads) for name, workloads in claims.items()})
    for position, identity in parts["identities"].items:
        workloads = claims[identity.name]
        held = Counter({name: pinned[name] for name in sharding.names(identity)[1:]})
        held.update(_spread(identity, workloads))
        if max(held.values(), default=0) > naming.MAX_FEDERATED_CREDENTIALS:
            yield problem(("identities", position), _message(identity, workloads, held, pinned), identity.name)


def _needed(workloads: Iterable[Workload]) -> int:
    return sum(len(workload.clusters) for workload in workloads)


def _spread(identity: Identity, workloads: Iterable[Workload]) -> Counter[str]:
    if identity.shards == 1:
        return Counter({identity.name: _needed(workloads)})
    return Counter(
        naming.shard_name(identity.name, sharding.shard_number(identity.name, identity.shards, cluster, workload))
        for workload in workloads
        for cluster in workload.clusters
    )


def _message(identity: Identity, workloads: list[Workload], held: Counter[str], pinned: Counter[str]) -> str:
    limit = naming.MAX_FEDERATED_CREDENTIALS
    needed = f"{_needed(workloads)} federated credentials ({_arithmetic(workloads)})"
    if identity.shards == 1:
        message = f"{identity.name} would need {needed}, and an identity holds at most {limit}"
    else:
        over = ", ".join(f"{name} {held[name]}" for name in sharding.names(identity) if held[name])
        message = f"{identity.name} would need {needed}, and of its {identity.shards} shards each holds at most {limit}"
        message += f": {over}"
    shards = sharding.fitting(identity.name, workloads, _others(identity, pinned))
    if shards is None:
        return f"{message}; divide its workloads among several identities"
    return f"{message}; set shards: {shards}, or divide its workloads among several identities"


def _others(identity: Identity, pinned: Counter[str]) -> Counter[str]:
    """What workloads that name a shard of the identity need there."""
    return Counter({name: pinned[name] for name in sharding.names(identity)[1:]})


def _arithmetic(workloads: Iterable[Workload]) -> str:
    """``2 workloads × 7 clusters: shop/cart, shop/pay; 1 workload × 1 cluster: ...``"""
    alike: dict[int, list[str]] = defaultdict(list)
    for workload in workloads:
        alike[len(workload.clusters)].append(str(workload))
    return "; ".join(
        f"{_count(len(names), 'workload')} × {_count(clusters, 'cluster')}: {', '.join(names[:_SHOWN])}"
        + (", ..." if len(names) > _SHOWN else "")
        for clusters, names in sorted(alike.items(), reverse=True)
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
