"""The disruption controller: how many of a PodDisruptionBudget's pods may go just now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, rule

from . import conditions, selectors
from .deployments import share
from .encoding import timestamp
from .endpoints import is_ready
from .replica_sets import is_over

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

BUDGETS = "poddisruptionbudgets.policy"
_SCALED = {"ReplicaSet": "replicasets.apps", "StatefulSet": "statefulsets.apps", "Deployment": "deployments.apps"}
"""Owners whose number of replicas can be asked for."""


class UnscaledError(Exception):
    """A pod of nobody, or of an owner without a number of replicas, where that number is needed."""


class DisruptionBudgets:
    """Keeps the status of every PodDisruptionBudget as its pods are."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def reconcile(self, namespace: str, name: str) -> bool:
        """Count anew for one budget. Always True: nothing to retry."""
        budget = self._cluster.get(BUDGETS, name, namespace)
        if budget is None or "deletionTimestamp" in budget["metadata"]:
            return True
        pods = [pod for pod in self._cluster.list("pods", namespace) if of(budget, pod)]
        try:
            expected, desired = self._bounds(budget["spec"], pods)
        except UnscaledError as error:
            self._write(budget, {"disruptionsAllowed": 0}, "SyncFailed", str(error))
            return True
        healthy = sum(map(is_ready, pods))
        allowed = max(healthy - desired, 0) if expected else 0
        counts = {"currentHealthy": healthy, "desiredHealthy": desired, "expectedPods": expected}
        self._write(
            budget, counts | {"disruptionsAllowed": allowed}, "SufficientPods" if allowed else "InsufficientPods"
        )
        return True

    @rule(
        "kubernetes",
        "how many pods of a budget have to be healthy",
        Provenance.DOCUMENTED,
        "Kubernetes, Specifying a Disruption Budget: percentages are of the owners' replicas, rounded up",
    )
    def _bounds(self, spec: Json, pods: list[Json]) -> tuple[int, int]:
        """The number of pods that there should be, and of those that have to be healthy."""
        least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
        if isinstance(least, int):
            return len(pods), least
        expected = self._scale(pods)
        if most is not None:
            return expected, max(expected - share(most, expected, up=True), 0)
        return expected, share(least or 0, expected, up=True)

    def _scale(self, pods: list[Json]) -> int:
        """The replicas of all owners together."""
        owners: dict[str, int] = {}
        for pod in pods:
            owner = self._owner(pod)
            owners[owner["metadata"]["uid"]] = owner["spec"].get("replicas", 0)
        return sum(owners.values())

    def _owner(self, obj: Json) -> Json:
        """The outermost owner with a scale: a Deployment rather than its ReplicaSet."""
        metadata = obj["metadata"]
        reference = next((one for one in metadata.get("ownerReferences") or () if one.get("controller")), None)
        resource = _SCALED.get(reference["kind"]) if reference else None
        owner = (
            self._cluster.get(resource, reference["name"], metadata["namespace"]) if reference and resource else None
        )
        if owner is None:
            message = f"found no controllers with a scale for pod {metadata['name']!r}"
            raise UnscaledError(message)
        return self._owner(owner) if owner["metadata"].get("ownerReferences") else owner

    @rule(
        "kubernetes",
        "status of a PodDisruptionBudget",
        Provenance.DOCUMENTED,
        "Kubernetes API reference, PodDisruptionBudgetStatus",
    )
    def _write(self, budget: Json, counts: Json, reason: str, message: str = "") -> None:
        before = budget.get("status") or {}
        told = {"type": "DisruptionAllowed", "status": "True" if counts["disruptionsAllowed"] else "False"}
        generation = budget["metadata"].get("generation", 1)
        told |= {"reason": reason, "message": message, "observedGeneration": generation}
        known = [one for one in before.get("conditions") or () if one["type"] == "DisruptionAllowed"]
        now = timestamp(self._cluster.clock.now())
        status = before | counts | {"observedGeneration": generation}
        status["conditions"] = conditions.put(known, told, now)
        self._cluster.write(BUDGETS, {**budget, "status": status}, manager="kube-controller-manager")


@rule(
    "kubernetes",
    "which pods a budget counts",
    Provenance.DOCUMENTED,
    "Kubernetes, Specifying a Disruption Budget: policy/v1",
)
def of(budget: Json, pod: Json) -> bool:
    """Whether the pod is one of the budget's: selected, and not ended."""
    selector = budget["spec"].get("selector")
    return selector is not None and not is_over(pod) and selectors.matches(selector, pod["metadata"].get("labels"))
