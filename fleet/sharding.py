"""Identities whose workloads need more federated credentials than one may hold, spread over several.

Which of its shards a ServiceAccount of a cluster falls to follows from nothing but their names, by rendezvous hashing:
whoever scores highest has it. So adding or removing a workload moves no other, the order in the file does not matter,
and one shard more takes some from each of the others and moves nothing between them. Filling one shard after the other
would need fewer of them, but an entry in the middle, or one that goes, would move all that follow: every move is a new
client id, and a restart. The price is that shards fill unevenly; where one overflows, the file is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator

from . import naming
from .entries import MAX_SHARDS, Identity, Workload


def names(identity: Identity) -> tuple[str, ...]:
    """The names of all the identities that an entry stands for."""
    return tuple(naming.shard_name(identity.name, number) for number in range(1, identity.shards + 1))


def shard_number(identity: str, shards: int, cluster: str, workload: Workload) -> int:
    """Which of the identity's shards, from 1, the workload's ServiceAccount on this cluster belongs to."""
    return max(range(1, shards + 1), key=lambda number: _score(identity, number, cluster, workload))


def spread(identities: Iterable[Identity], workloads: Iterable[Workload]) -> tuple[list[Identity], list[Workload]]:
    """The same fleet with ordinary identities alone. A workload whose clusters fall to several shards becomes several.

    A workload that names a shard by its own name stays there.
    """
    spread_over = {identity.name: identity.shards for identity in identities if identity.shards > 1}
    ordinary = [
        identity.model_copy(update={"name": name, "shards": 1}) for identity in identities for name in names(identity)
    ]
    return ordinary, [
        part for workload in workloads for part in _parts(workload, spread_over.get(workload.identity, 1))
    ]


def fitting(identity: str, workloads: Iterable[Workload], pinned: Counter[str]) -> int | None:
    """The least number of shards over which all of the workloads fit, or None where even the most are too few.

    ``pinned`` counts the credentials of workloads that name a shard themselves.
    """
    pairs = [(cluster, workload) for workload in workloads for cluster in workload.clusters]
    if len(pairs) > MAX_SHARDS * naming.MAX_FEDERATED_CREDENTIALS:
        return None
    best = [_score(identity, 1, cluster, workload) for cluster, workload in pairs]
    holder = [1] * len(pairs)
    for shards in range(1, MAX_SHARDS + 1):
        for place, (cluster, workload) in enumerate(pairs if shards > 1 else ()):
            score = _score(identity, shards, cluster, workload)
            if score > best[place]:
                best[place], holder[place] = score, shards
        held = Counter(naming.shard_name(identity, number) for number in holder) + pinned
        if max(held.values(), default=0) <= naming.MAX_FEDERATED_CREDENTIALS:
            return shards
    return None


def _parts(workload: Workload, shards: int) -> Iterator[Workload]:
    if shards == 1:
        yield workload
        return
    clusters: dict[int, list[str]] = {}
    for cluster in workload.clusters:
        clusters.setdefault(shard_number(workload.identity, shards, cluster, workload), []).append(cluster)
    for number, held in sorted(clusters.items()):
        name = naming.shard_name(workload.identity, number)
        yield workload.model_copy(update={"identity": name, "clusters": tuple(held)})


def _score(identity: str, number: int, cluster: str, workload: Workload) -> bytes:
    """A cluster's name counts without case, as ARM compares it; a subject counts to the letter, as Entra does."""
    subject = naming.subject(workload.namespace, workload.service_account)
    return hashlib.sha256(json.dumps([identity, number, cluster.lower(), subject]).encode()).digest()
