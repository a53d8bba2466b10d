"""The StatefulSet controller: pods with names of their own, made in order and replaced in the opposite one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, doubt, rule
from simulator.routing import Refusal

from .deployments import template_hash
from .endpoints import is_ready
from .recorder import Recorder
from .replica_sets import delete_pod, is_over, owned, pod_of

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

STATEFUL_SETS = "statefulsets.apps"
REVISION = "controller-revision-hash"
_DOCUMENTATION = "Kubernetes, StatefulSets"


def ordinal(pod: Json) -> int:
    """Its number among the pods of its set."""
    return int(pod["metadata"]["name"].rpartition("-")[2])


class StatefulSets:
    """Keeps the pods of every StatefulSet at their number, and at its template."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._events = Recorder(cluster, "statefulset-controller")

    async def reconcile(self, namespace: str, name: str) -> bool:
        """One step for one StatefulSet. False if a pod could not be made and it should be tried again later."""
        stateful_set = self._cluster.get(STATEFUL_SETS, name, namespace)
        if stateful_set is None or "deletionTimestamp" in stateful_set["metadata"]:
            return True
        revision = f"{name}-{template_hash(stateful_set['spec']['template'])}"
        pods = {ordinal(pod): pod for pod in owned(self._cluster, "pods", stateful_set)}
        done = True
        try:
            if await self._scaled(stateful_set, pods, revision):
                self._updated(stateful_set, pods, revision)
        except Refusal as refusal:
            message = f"create Pod {name}-{_missing(stateful_set, pods)} in StatefulSet {name} failed error: "
            self._events.note(stateful_set, "FailedCreate", message + refusal.message, kind="Warning")
            done = False
        self._write_status(namespace, name, revision)
        return done

    @rule(
        "kubernetes", "pods of a StatefulSet are made in order and go in the opposite one", Provenance.DOCUMENTED,
        f"{_DOCUMENTATION}: deployment and scaling guarantees",
    )  # fmt: skip
    async def _scaled(self, stateful_set: Json, pods: dict[int, Json], revision: str) -> bool:
        """Whether all pods are there and ready, and none too many; one step towards it where not."""
        one_by_one = stateful_set["spec"].get("podManagementPolicy", "OrderedReady") == "OrderedReady"
        wanted = _ordinals(stateful_set)
        for number in wanted:
            pod = pods.get(number)
            if pod is None:
                await self._create(stateful_set, number, revision)
            elif is_over(pod):
                self._delete(stateful_set, pod)
            elif is_ready(pod):
                continue
            if one_by_one:
                return False
        surplus = sorted((number for number in pods if number not in wanted), reverse=True)
        for number in surplus:
            self._delete(stateful_set, pods[number])
            if one_by_one:
                return False
        return not surplus

    @rule(
        "kubernetes", "a StatefulSet replaces its pods from the last to the first, each when the one before is ready",
        Provenance.DOCUMENTED, f"{_DOCUMENTATION}: rolling updates",
    )  # fmt: skip
    def _updated(self, stateful_set: Json, pods: dict[int, Json], revision: str) -> None:
        """Let go of the last pod of another revision, unless a later one is on its way still."""
        strategy = stateful_set["spec"].get("updateStrategy") or {}
        if strategy.get("type") != "RollingUpdate":
            return
        for number in reversed(_ordinals(stateful_set)):
            pod = pods.get(number)
            if number < (strategy.get("rollingUpdate") or {}).get("partition", 0) or pod is None:
                return
            if pod["metadata"]["labels"].get(REVISION) != revision:
                self._delete(stateful_set, pod)
                return
            if not is_ready(pod):
                return

    @doubt(
        "kubernetes",
        "whether a pod that is lost during an update comes back by the template of before",
        "by the new one, for no ControllerRevision is kept",
        f"{_DOCUMENTATION}: rolling updates",
    )
    @rule(
        "kubernetes", "names and labels of a StatefulSet's pods", Provenance.DOCUMENTED, f"{_DOCUMENTATION}: identity"
    )
    async def _create(self, stateful_set: Json, number: int, revision: str) -> None:
        metadata, spec = stateful_set["metadata"], stateful_set["spec"]
        name = f"{metadata['name']}-{number}"
        pod = pod_of(stateful_set, name=name)
        pod["metadata"].setdefault("labels", {}).update(
            {
                REVISION: revision,
                "statefulset.kubernetes.io/pod-name": name,
                "apps.kubernetes.io/pod-index": str(number),
            }
        )
        pod["spec"] |= {"hostname": name, "subdomain": spec.get("serviceName", "")}
        await self._cluster.create("pods", pod, namespace=metadata["namespace"])
        message = f"create Pod {name} in StatefulSet {metadata['name']} successful"
        self._events.note(stateful_set, "SuccessfulCreate", message)

    def _delete(self, stateful_set: Json, pod: Json) -> None:
        if "deletionTimestamp" not in pod["metadata"]:
            message = (
                f"delete Pod {pod['metadata']['name']} in StatefulSet {stateful_set['metadata']['name']} successful"
            )
            self._events.note(stateful_set, "SuccessfulDelete", message)
            delete_pod(self._cluster, pod)

    @rule("kubernetes", "status of a StatefulSet", Provenance.DOCUMENTED, "Kubernetes API reference, StatefulSetStatus")
    def _write_status(self, namespace: str, name: str, revision: str) -> None:
        """Count anew: while a pod was made, the StatefulSet itself may have changed or gone."""
        stateful_set = self._cluster.get(STATEFUL_SETS, name, namespace)
        if stateful_set is None:
            return
        pods = [pod for pod in owned(self._cluster, "pods", stateful_set) if "deletionTimestamp" not in pod["metadata"]]
        before, ready = stateful_set.get("status") or {}, sum(map(is_ready, pods))
        current = before.get("currentRevision") or revision
        updated = [pod for pod in pods if pod["metadata"]["labels"].get(REVISION) == revision]
        if len(updated) == len(pods) == stateful_set["spec"]["replicas"] and all(map(is_ready, updated)):
            current = revision
        of_current = sum(pod["metadata"]["labels"].get(REVISION) == current for pod in pods)
        counters = {"readyReplicas": ready, "currentReplicas": of_current, "updatedReplicas": len(updated)}
        stateful_set["status"] = {
            "observedGeneration": stateful_set["metadata"].get("generation", 1),
            "replicas": len(pods),
            **{counter: number for counter, number in counters.items() if number},
            "currentRevision": current,
            "updateRevision": revision,
            "collisionCount": 0,
            "availableReplicas": ready,
        }
        self._cluster.write(STATEFUL_SETS, stateful_set)


def _ordinals(stateful_set: Json) -> range:
    first = (stateful_set["spec"].get("ordinals") or {}).get("start", 0)
    return range(first, first + stateful_set["spec"]["replicas"])


def _missing(stateful_set: Json, pods: dict[int, Json]) -> int:
    return next((number for number in _ordinals(stateful_set) if number not in pods), 0)
