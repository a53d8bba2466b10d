"""The DaemonSet controller: a pod on every node, replaced node by node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, rule
from simulator.routing import Refusal

from .deployments import share, template_hash
from .endpoints import is_ready
from .recorder import Recorder
from .replica_sets import delete_pod, is_over, owned, pod_of
from .stateful_sets import REVISION

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

DAEMON_SETS = "daemonsets.apps"
_DOCUMENTATION = "Kubernetes, Perform a Rolling Update on a DaemonSet"


class DaemonSets:
    """Keeps a pod of every DaemonSet on each node, of its template."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._events = Recorder(cluster, "daemonset-controller")

    async def reconcile(self, namespace: str, name: str) -> bool:
        """One step for one DaemonSet. False if a pod could not be made and it should be tried again later."""
        daemon_set = self._cluster.get(DAEMON_SETS, name, namespace)
        if daemon_set is None or "deletionTimestamp" in daemon_set["metadata"]:
            return True
        revision = template_hash(daemon_set["spec"]["template"])
        by_node = self._by_node(daemon_set)
        done = True
        try:
            for node, pods in by_node.items():
                await self._one_of(daemon_set, node, pods, revision)
        except Refusal as refusal:
            self._events.note(daemon_set, "FailedCreate", f"Error creating: {refusal.message}", kind="Warning")
            done = False
        self._replace(daemon_set, self._by_node(daemon_set), revision)
        self._write_status(namespace, name, revision)
        return done

    def _by_node(self, daemon_set: Json) -> dict[str, list[Json]]:
        """The set's pods on every node; of those that end, none."""
        pods = owned(self._cluster, "pods", daemon_set)
        names = [node["metadata"]["name"] for node in self._cluster.list("nodes")]
        return {name: [pod for pod in pods if _node_of(pod) == name] for name in names}

    async def _one_of(self, daemon_set: Json, node: str, pods: list[Json], revision: str) -> None:
        """Make the node's pod where there is none, or an ended one; or beside the old one where that may be."""
        for pod in pods:
            if is_over(pod):
                self._delete(daemon_set, pod)
        of_before = [pod for pod in pods if not _is_of(pod, revision)]
        beside = bool(of_before) and len(of_before) == len(pods) and _bounds(daemon_set, len(pods))[0] > 0
        if not pods or beside:
            await self._create(daemon_set, node, revision)

    @rule(
        "kubernetes",
        "a DaemonSet's pod is bound to its node by affinity",
        Provenance.DOCUMENTED,
        "Kubernetes, DaemonSet",
    )
    async def _create(self, daemon_set: Json, node: str, revision: str) -> None:
        metadata = daemon_set["metadata"]
        pod = pod_of(daemon_set, generateName=f"{metadata['name']}-")
        pod["metadata"].setdefault("labels", {}).update(
            {REVISION: revision, "pod-template-generation": str(metadata.get("generation", 1))}
        )
        on_it = {"key": "metadata.name", "operator": "In", "values": [node]}
        terms = [{"matchFields": [on_it]}]
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
        pod["spec"]["affinity"] = {**(pod["spec"].get("affinity") or {}), "nodeAffinity": required}
        made = await self._cluster.create("pods", pod, namespace=metadata["namespace"])
        self._events.note(daemon_set, "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")

    @rule("kubernetes", "a DaemonSet replaces its pods a few nodes at a time", Provenance.DOCUMENTED, _DOCUMENTATION)
    def _replace(self, daemon_set: Json, by_node: dict[str, list[Json]], revision: str) -> None:
        """Let go of pods of another revision, as many as may be missing; beside a new one, when that is ready."""
        if (daemon_set["spec"].get("updateStrategy") or {}).get("type") != "RollingUpdate":
            return
        surge, unavailable = _bounds(daemon_set, len(by_node))
        missing = sum(not any(map(is_ready, pods)) for pods in by_node.values())
        for pods in by_node.values():
            of_before = [
                pod for pod in pods if not _is_of(pod, revision) and "deletionTimestamp" not in pod["metadata"]
            ]
            for pod in of_before:
                if surge:
                    if any(_is_of(other, revision) and is_ready(other) for other in pods):
                        self._delete(daemon_set, pod)
                elif not is_ready(pod) or missing < unavailable:
                    missing += is_ready(pod)
                    self._delete(daemon_set, pod)

    def _delete(self, daemon_set: Json, pod: Json) -> None:
        if "deletionTimestamp" not in pod["metadata"]:
            self._events.note(daemon_set, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
            delete_pod(self._cluster, pod)

    @rule("kubernetes", "status of a DaemonSet", Provenance.DOCUMENTED, "Kubernetes API reference, DaemonSetStatus")
    def _write_status(self, namespace: str, name: str, revision: str) -> None:
        """Count anew: while a pod was made, the DaemonSet itself may have changed or gone."""
        daemon_set = self._cluster.get(DAEMON_SETS, name, namespace)
        if daemon_set is None:
            return
        by_node = {
            node: [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
            for node, pods in self._by_node(daemon_set).items()
        }
        ready = sum(any(map(is_ready, pods)) for pods in by_node.values())
        updated = sum(any(_is_of(pod, revision) for pod in pods) for pods in by_node.values())
        unavailable = len(by_node) - ready
        daemon_set["status"] = {
            "currentNumberScheduled": sum(map(bool, by_node.values())),
            "numberMisscheduled": 0,
            "desiredNumberScheduled": len(by_node),
            "numberReady": ready,
            "observedGeneration": daemon_set["metadata"].get("generation", 1),
            **({"updatedNumberScheduled": updated} if updated else {}),
            **({"numberAvailable": ready} if ready else {}),
            **({"numberUnavailable": unavailable} if unavailable else {}),
        }
        self._cluster.write(DAEMON_SETS, daemon_set)


def _bounds(daemon_set: Json, nodes: int) -> tuple[int, int]:
    """How many nodes may have a pod too many, and how many may be without one, during an update."""
    rolling = (daemon_set["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    return share(rolling.get("maxSurge", 0), nodes, up=True), share(rolling.get("maxUnavailable", 1), nodes, up=True)


def _is_of(pod: Json, revision: str) -> bool:
    return bool(pod["metadata"]["labels"].get(REVISION) == revision)


def _node_of(pod: Json) -> str:
    """Where it runs, or is to run."""
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    terms = (affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get("nodeSelectorTerms") or ()
    bound = (value for term in terms for one in term.get("matchFields") or () for value in one["values"])
    return str(pod["spec"].get("nodeName") or next(bound, ""))
