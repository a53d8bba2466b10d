"""The Deployment controller: one ReplicaSet per version of the pod template, and the way from one to the next."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from simulator.copying import copied
from simulator.provenance import Provenance, rule

from . import conditions
from .encoding import timestamp
from .recorder import Recorder
from .replica_sets import owned, owner_reference

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

_PREFIX = "deployment.kubernetes.io/"
_REVISION, _HISTORY = f"{_PREFIX}revision", f"{_PREFIX}revision-history"
_DIGITS = dict(zip("0123456789", "456789bcdf", strict=True))


@rule("kubernetes", "pod-template-hash", Provenance.RECORDED, "kubernetes/lifecycle.yaml deployment.replicaset")
def template_hash(template: Json) -> str:
    """FNV-32a of the template, its decimal digits spelled in letters that make no words: 1 to 10 characters."""
    number = 0x811C9DC5
    for byte in json.dumps(template, sort_keys=True).encode():
        number = (number ^ byte) * 0x01000193 & 0xFFFFFFFF
    return "".join(_DIGITS[digit] for digit in str(number))


def share(value: int | str, replicas: int, *, up: bool) -> int:
    """An absolute number, or a percentage of the replicas rounded up or down."""
    if isinstance(value, int):
        return value
    exact = int(value.rstrip("%")) * replicas / 100
    return math.ceil(exact) if up else math.floor(exact)


@rule("kubernetes", "surge rounded up, unavailable down", Provenance.RECORDED, "kubernetes/lifecycle.yaml update")
def rolling_bounds(deployment: Json) -> tuple[int, int]:
    """How many pods there may be beyond, and how many may be missing below, the wanted number during an update."""
    strategy = deployment["spec"].get("strategy", {})
    if strategy.get("type") == "Recreate":
        return 0, deployment["spec"]["replicas"]
    rolling = strategy.get("rollingUpdate") or {}
    replicas = deployment["spec"]["replicas"]
    surge = share(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = share(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    return surge, unavailable if surge or unavailable else 1


def _target(deployment: Json, size: int, old: list[Json]) -> int:
    """How many pods the current ReplicaSet, of ``size`` now, may have while ``old`` ones have theirs."""
    wanted = deployment["spec"]["replicas"]
    if deployment["spec"].get("strategy", {}).get("type") == "Recreate":
        in_the_way = any(rs["spec"]["replicas"] or _counted(rs, "replicas") for rs in old)
        return 0 if in_the_way else int(wanted)
    surge, _ = rolling_bounds(deployment)
    total = size + sum(rs["spec"]["replicas"] for rs in old)
    return int(min(size + max(wanted + surge - total, 0), wanted))


def _revision(replica_set: Json) -> int:
    return int(replica_set["metadata"].get("annotations", {}).get(_REVISION, 0))


def _counted(replica_set: Json, counter: str) -> int:
    return int(replica_set.get("status", {}).get(counter, 0))


class Deployments:
    """Keeps the ReplicaSets of every Deployment as its template, its number and its strategy want them."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._events = Recorder(cluster, "deployment-controller")

    async def reconcile(self, namespace: str, name: str) -> bool:
        """One step for one Deployment; the changes it makes bring about the next. Always True: nothing to retry."""
        deployment = self._cluster.get("deployments.apps", name, namespace)
        if deployment is None or "deletionTimestamp" in deployment["metadata"]:
            return True
        replica_sets = owned(self._cluster, "replicasets.apps", deployment)
        digest = template_hash(deployment["spec"]["template"])
        current = next((rs for rs in replica_sets if rs["metadata"]["labels"].get("pod-template-hash") == digest), None)
        old = [rs for rs in replica_sets if rs is not current]
        if not deployment["spec"].get("paused"):
            current = await self._current(deployment, digest, current, old)
            self._scale(deployment, current, old)
            self._forget(deployment, old)
        self._write_status(namespace, name, current)
        return True

    @rule("kubernetes", "an old template's set is reused", Provenance.RECORDED, "kubernetes/lifecycle.yaml rollback")
    async def _current(self, deployment: Json, digest: str, current: Json | None, old: list[Json]) -> Json:
        """The ReplicaSet of the current template, made if there is none, carrying the newest revision."""
        newest = max(map(_revision, old), default=0)
        if current is None:
            return await self._create(deployment, digest, newest + 1, old)
        if _revision(current) <= newest:
            annotations = current["metadata"].setdefault("annotations", {})
            history = [entry for entry in annotations.get(_HISTORY, "").split(",") if entry]
            annotations[_HISTORY] = ",".join([*history, annotations.get(_REVISION, "0")])
            annotations[_REVISION] = str(newest + 1)
            current = self._cluster.write("replicasets.apps", current)
        return current

    async def _create(self, deployment: Json, digest: str, revision: int, old: list[Json]) -> Json:
        metadata, spec = deployment["metadata"], deployment["spec"]
        template = copied(spec["template"])
        template["metadata"].setdefault("labels", {})["pod-template-hash"] = digest
        selector = copied(spec["selector"])
        selector.setdefault("matchLabels", {})["pod-template-hash"] = digest
        replica_set = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"{metadata['name']}-{digest}",
                "namespace": metadata["namespace"],
                "labels": dict(template["metadata"]["labels"]),
                "annotations": self._annotations(deployment) | {_REVISION: str(revision)},
                "ownerReferences": [owner_reference(deployment)],
            },
            "spec": {"replicas": _target(deployment, 0, old), "selector": selector, "template": template},
        }
        created = await self._cluster.create("replicasets.apps", replica_set, namespace=metadata["namespace"])
        self._note_scaling(deployment, created, 0)
        return created

    def _annotations(self, deployment: Json) -> dict[str, str]:
        surge, _ = rolling_bounds(deployment)
        replicas = deployment["spec"]["replicas"]
        return {
            f"{_PREFIX}desired-replicas": str(replicas),
            f"{_PREFIX}max-replicas": str(replicas + surge),
        }

    def _scale(self, deployment: Json, current: Json, old: list[Json]) -> None:
        wanted = deployment["spec"]["replicas"]
        _, unavailable = rolling_bounds(deployment)
        self._resize(deployment, current, _target(deployment, current["spec"]["replicas"], old))
        total = sum(rs["spec"]["replicas"] for rs in (current, *old))
        starting = current["spec"]["replicas"] - _counted(current, "availableReplicas")
        self._shrink(deployment, old, total - (wanted - unavailable) - max(starting, 0))

    def _shrink(self, deployment: Json, old: list[Json], allowed: int) -> None:
        """Take up to ``allowed`` pods off old ReplicaSets: those that are not available first, oldest set first."""
        oldest_first = sorted(old, key=_revision)
        for healthy_too in (False, True):
            for replica_set in oldest_first:
                size = replica_set["spec"]["replicas"]
                broken = max(size - _counted(replica_set, "availableReplicas"), 0)
                step = min(size if healthy_too else broken, max(allowed, 0))
                self._resize(deployment, replica_set, size - step)
                allowed -= step

    def _resize(self, deployment: Json, replica_set: Json, replicas: int) -> None:
        """Give the ReplicaSet this number of pods, and keep its annotations in step."""
        before = replica_set["spec"]["replicas"]
        replica_set["spec"]["replicas"] = replicas
        replica_set["metadata"].setdefault("annotations", {}).update(self._annotations(deployment))
        replica_set["metadata"] = self._cluster.write("replicasets.apps", replica_set)["metadata"]
        self._note_scaling(deployment, replica_set, before)

    def _note_scaling(self, deployment: Json, replica_set: Json, before: int) -> None:
        name, now = replica_set["metadata"]["name"], replica_set["spec"]["replicas"]
        if now != before:
            direction = "up" if now > before else "down"
            message = f"Scaled {direction} replica set {name} from {before} to {now}"
            self._events.note(deployment, "ScalingReplicaSet", message)

    def _forget(self, deployment: Json, old: list[Json]) -> None:
        """Remove empty ReplicaSets beyond the history limit, oldest first."""
        limit = deployment["spec"].get("revisionHistoryLimit", 10)
        empty = [rs for rs in old if not rs["spec"]["replicas"] and not _counted(rs, "replicas")]
        excess = len(empty) - limit
        for replica_set in sorted(empty, key=_revision)[: max(excess, 0)]:
            metadata = replica_set["metadata"]
            self._cluster.remove("replicasets.apps", metadata["name"], metadata["namespace"])

    @rule("kubernetes", "status of a Deployment", Provenance.RECORDED, "kubernetes/lifecycle.yaml deployment")
    def _write_status(self, namespace: str, name: str, current: Json | None) -> None:
        """Count anew: while a ReplicaSet was made, the Deployment itself may have changed or gone."""
        deployment = self._cluster.get("deployments.apps", name, namespace)
        if deployment is None:
            return
        replica_sets = owned(self._cluster, "replicasets.apps", deployment)
        if current is not None:
            uid = current["metadata"]["uid"]
            current = next((rs for rs in replica_sets if rs["metadata"]["uid"] == uid), None)
            deployment["metadata"].setdefault("annotations", {})[_REVISION] = str(
                _revision(current or {"metadata": {}})
            )
        total = sum(rs["spec"]["replicas"] for rs in replica_sets)
        available = sum(_counted(rs, "availableReplicas") for rs in replica_sets)
        counters = {
            "replicas": sum(_counted(rs, "replicas") for rs in replica_sets),
            "updatedReplicas": _counted(current, "replicas") if current else 0,
            "readyReplicas": sum(_counted(rs, "readyReplicas") for rs in replica_sets),
            "availableReplicas": available,
            "unavailableReplicas": max(total - available, 0),
        }
        if current is not None:
            deployment["metadata"].setdefault("annotations", {})[_REVISION] = str(_revision(current))
        status: Json = {
            "observedGeneration": deployment["metadata"].get("generation", 1),
            **{counter: number for counter, number in counters.items() if number},
            "terminatingReplicas": sum(_counted(rs, "terminatingReplicas") for rs in replica_sets),
        }
        before = deployment.get("status", {})
        status["conditions"] = self._conditions(deployment, before, status, current)
        deployment["status"] = status
        self._cluster.write("deployments.apps", deployment)

    def _conditions(self, deployment: Json, before: Json, status: Json, current: Json | None) -> list[Json]:
        now = timestamp(self._cluster.clock.now())
        _, unavailable = rolling_bounds(deployment)
        enough = status.get("availableReplicas", 0) >= deployment["spec"]["replicas"] - unavailable
        known = conditions.put(before.get("conditions", []), _available(enough=enough), now)
        if progress := _progress(deployment, before, status, current):
            known = conditions.put(known, progress, now)
        failure = conditions.find((current or {}).get("status", {}).get("conditions", []), "ReplicaFailure")
        if failure is None:
            return conditions.drop(known, "ReplicaFailure")
        told = {key: failure[key] for key in ("type", "status", "reason", "message")}
        return conditions.put(known, told | {"lastUpdateTime": ""}, now)


def _condition(kind: str, status: str, reason: str, message: str) -> Json:
    return {
        "type": kind,
        "status": status,
        "lastUpdateTime": "",
        "lastTransitionTime": "",
        "reason": reason,
        "message": message,
    }


def _available(*, enough: bool) -> Json:
    if enough:
        return _condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    return _condition(
        "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
    )


def _progress(deployment: Json, before: Json, status: Json, current: Json | None) -> Json | None:
    """The Progressing condition that the counters of before and now amount to, None if they say nothing new."""
    if current is None:
        return None
    name, wanted = current["metadata"]["name"], deployment["spec"]["replicas"]
    done = ("replicas", "updatedReplicas", "availableReplicas")
    if all(status.get(counter, 0) == wanted for counter in done):
        message = f'ReplicaSet "{name}" has successfully progressed.'
        return _condition("Progressing", "True", "NewReplicaSetAvailable", message)
    known = conditions.find(before.get("conditions", []), "Progressing")
    same_set = known is not None and f'"{name}"' in known["message"]
    if known is None or not same_set:
        return _condition("Progressing", "True", "NewReplicaSetCreated", f'Created new replica set "{name}"')
    grew = any(status.get(counter, 0) > before.get(counter, 0) for counter in (*done[1:], "readyReplicas"))
    if grew and known["reason"] != "NewReplicaSetAvailable":
        message = f'ReplicaSet "{name}" is progressing.'
        return _condition("Progressing", "True", "ReplicaSetUpdated", message)
    return None
