"""What runs in a cluster: the controllers from Deployment to pod, and the node that runs the pods."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, rule

from . import further_workloads
from .daemon_sets import DAEMON_SETS, DaemonSets
from .deployments import Deployments
from .disruption_budgets import BUDGETS, DisruptionBudgets
from .further_workloads import FurtherWorkloads
from .node import Node
from .replica_sets import ReplicaSets
from .stateful_sets import STATEFUL_SETS, StatefulSets

if TYPE_CHECKING:
    from simulator.simulation import Simulation

    from .cluster import Cluster

Json = dict[str, Any]
Key = tuple[str, str, str]
"""Resource, namespace, name."""

logger = logging.getLogger(__name__)
_FIRST_RETRY, _LONGEST_RETRY = 0.005, 10.0
_OWNERS = {
    "DaemonSet": DAEMON_SETS,
    "Deployment": "deployments.apps",
    "ReplicaSet": "replicasets.apps",
    "StatefulSet": STATEFUL_SETS,
    **further_workloads.KINDS,
}


async def run(cluster: Cluster, simulation: Simulation) -> None:
    """Keep the workloads of ``cluster`` going until cancelled; all of its pods end then."""
    # Both listen from here on: the cluster counts on that before it is used.
    node, controllers = Node(cluster, simulation), _Controllers(cluster)
    async with asyncio.TaskGroup() as group:
        group.create_task(node.run())
        group.create_task(controllers.run())


class _Controllers:
    """Reconciles what changed, one object after another, and again later what failed."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._reconcilers: dict[str, Callable[[str, str], Awaitable[bool]]] = {
            "deployments.apps": Deployments(cluster).reconcile,
            "replicasets.apps": ReplicaSets(cluster).reconcile,
            STATEFUL_SETS: StatefulSets(cluster).reconcile,
            DAEMON_SETS: DaemonSets(cluster).reconcile,
            BUDGETS: DisruptionBudgets(cluster).reconcile,
        }
        for kind, resource in further_workloads.KINDS.items():
            self._reconcilers[resource] = FurtherWorkloads(cluster, kind).reconcile
        self._changes = cluster.subscribe()
        self._due: dict[Key, None] = {}
        self._wake = asyncio.Event()
        self._failures: dict[Key, int] = {}

    async def run(self) -> None:
        """Work off changes until cancelled."""
        for resource in self._reconcilers:
            for obj in self._cluster.list(resource):
                self._add(_key(resource, obj))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._work())

    async def _listen(self) -> None:
        while True:
            _, resource, obj = await self._changes.get()
            self._add_beside(resource, obj)
            if resource in self._reconcilers:
                self._add(_key(resource, obj))
            for reference in obj["metadata"].get("ownerReferences") or ():
                if owner := _OWNERS.get(reference["kind"]):
                    self._add((owner, obj["metadata"].get("namespace", ""), reference["name"]))

    def _add_beside(self, resource: str, obj: Json) -> None:
        """What a change concerns that is neither the object nor its owner: budgets by pod and scale, sets by node."""
        if resource == "nodes":
            for one in self._cluster.store.list(DAEMON_SETS):
                self._add(_key(DAEMON_SETS, one))
        elif resource == "pods" or resource in _OWNERS.values():
            for one in self._cluster.store.list(BUDGETS, obj["metadata"]["namespace"]):
                self._add(_key(BUDGETS, one))

    def _add(self, key: Key) -> None:
        self._due[key] = None
        self._wake.set()

    async def _work(self) -> None:
        while True:
            while self._due:
                key = next(iter(self._due))
                del self._due[key]
                await self._reconcile(key)
            self._wake.clear()
            await self._wake.wait()

    async def _reconcile(self, key: Key) -> None:
        resource, namespace, name = key
        try:
            done = await self._reconcilers[resource](namespace, name)
        except Exception:
            logger.exception("%s %s/%s could not be reconciled and will be tried again", *key)
            done = False
        if done:
            self._failures.pop(key, None)
        else:
            self._retry(key)

    @rule(
        "kubernetes", "failed pods are retried with back-off", Provenance.RECORDED, "lifecycle.yaml webhook_blocks_pod"
    )
    def _retry(self, key: Key) -> None:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        delay = min(_FIRST_RETRY * 2 ** min(failures, 20), _LONGEST_RETRY)
        asyncio.get_running_loop().call_later(delay, self._add, key)


def _key(resource: str, obj: Json) -> Key:
    return resource, obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
