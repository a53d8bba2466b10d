"""StatefulSets, DaemonSets, ReplicationControllers and Jobs, as far as their pods come and go with their template."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, doubt, rule
from simulator.routing import Refusal

from . import conditions
from .encoding import timestamp
from .endpoints import is_ready
from .recorder import Recorder
from .replica_sets import delete_pod, is_over, owned, owner_reference

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

KINDS = {
    "StatefulSet": "statefulsets.apps",
    "DaemonSet": "daemonsets.apps",
    "ReplicationController": "replicationcontrollers",
    "Job": "jobs.batch",
}
_SOURCES = {
    "StatefulSet": "statefulset-controller",
    "DaemonSet": "daemonset-controller",
    "ReplicationController": "replication-controller",
    "Job": "job-controller",
}
_REVISION = "controller-revision-hash"


class FurtherWorkloads:
    """Keeps the pods of one kind of workload as its objects say."""

    def __init__(self, cluster: Cluster, kind: str) -> None:
        self._cluster, self._kind, self._resource = cluster, kind, KINDS[kind]
        self._events = Recorder(cluster, _SOURCES[kind])

    async def reconcile(self, namespace: str, name: str) -> bool:
        """One step for one object. False if a pod could not be made and it should be tried again later."""
        owner = self._cluster.get(self._resource, name, namespace)
        if owner is None or "deletionTimestamp" in owner["metadata"]:
            return True
        pods = owned(self._cluster, "pods", owner)
        active = [pod for pod in pods if not is_over(pod) and "deletionTimestamp" not in pod["metadata"]]
        succeeded = sum((pod.get("status") or {}).get("phase") == "Succeeded" for pod in pods)
        wanted = self._wanted(owner, succeeded)
        for pod in [pod for pod in active if self._is_outdated(owner, pod)] or active[wanted:]:
            self._events.note(owner, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
            delete_pod(self._cluster, pod)
        refusal = None
        taken = {pod["metadata"]["name"] for pod in pods if not is_over(pod)}
        for number in range(wanted):
            fixed = f"{name}-{number}" if self._kind == "StatefulSet" else ""
            if refusal is None and (fixed not in taken if fixed else number >= len(active)):
                refusal = await self._create(owner, fixed)
        self._write_status(namespace, name, succeeded)
        return refusal is None

    @rule("kubernetes", "a DaemonSet has a pod on each node", Provenance.DOCUMENTED, "Kubernetes, DaemonSet")
    @rule("kubernetes", "a Job is done by pods that succeed", Provenance.DOCUMENTED, "Kubernetes, Jobs")
    @doubt(
        "kubernetes",
        "whether a pod of a Job that failed is tried again here, up to its backoffLimit and with back-off",
        "at once and without end; no test of ours needs more",
        "Kubernetes, Jobs: pod backoff failure policy",
    )
    def _wanted(self, owner: Json, succeeded: int) -> int:
        spec = owner["spec"]
        if self._kind == "DaemonSet":
            return len(self._cluster.store.list("nodes"))
        if self._kind == "Job":
            if spec.get("suspend"):
                return 0
            at_once, to_do = int(spec.get("parallelism", 1)), int(spec.get("completions", 1)) - succeeded
            return max(min(at_once, to_do), 0)
        replicas: int = spec.get("replicas", 1)
        return replicas

    @rule("kubernetes", "pods follow a changed template", Provenance.DOCUMENTED, "Kubernetes, update strategies")
    @doubt(
        "kubernetes",
        "in which order a StatefulSet and a DaemonSet replace their pods here",
        "all at once, where the real ones go one by one and wait for each",
        "Kubernetes, StatefulSet: rolling updates",
    )
    def _is_outdated(self, owner: Json, pod: Json) -> bool:
        """Those of a ReplicationController and of a Job stay as they were made."""
        if (owner["spec"].get("updateStrategy") or {}).get("type") != "RollingUpdate":
            return False
        made_of = (pod["metadata"].get("labels") or {}).get(_REVISION)
        return bool(made_of != _revision(owner))

    @rule("kubernetes", "a StatefulSet numbers its pods", Provenance.DOCUMENTED, "Kubernetes, StatefulSet: identity")
    async def _create(self, owner: Json, fixed: str) -> Refusal | None:
        """Make a pod; the API server's refusal, if there was one."""
        namespace = owner["metadata"]["namespace"]
        pod = copy.deepcopy(owner["spec"]["template"]) | {"apiVersion": "v1", "kind": "Pod"}
        name = {"name": fixed} if fixed else {"generateName": f"{owner['metadata']['name']}-"}
        pod["metadata"] |= {**name, "namespace": namespace, "ownerReferences": [owner_reference(owner)]}
        pod["metadata"].pop("creationTimestamp", None)
        if "updateStrategy" in owner["spec"]:
            pod["metadata"]["labels"] = {**(pod["metadata"].get("labels") or {}), _REVISION: _revision(owner)}
        try:
            made = await self._cluster.create("pods", pod, namespace=namespace)
        except Refusal as refusal:
            self._events.note(owner, "FailedCreate", f"Error creating: {refusal.message}", kind="Warning")
            return refusal
        self._events.note(owner, "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")
        return None

    def _write_status(self, namespace: str, name: str, succeeded: int) -> None:
        owner = self._cluster.get(self._resource, name, namespace)
        if owner is None:
            return
        pods = owned(self._cluster, "pods", owner)
        active = [pod for pod in pods if not is_over(pod) and "deletionTimestamp" not in pod["metadata"]]
        ready = sum(map(is_ready, active))
        seen = {"observedGeneration": owner["metadata"].get("generation", 1)}
        new = sum(not self._is_outdated(owner, pod) for pod in active)
        if self._kind == "Job":
            status = self._job_status(owner, len(active), succeeded)
        elif self._kind == "DaemonSet":
            counted = {"currentNumberScheduled": len(active), "desiredNumberScheduled": self._wanted(owner, 0)}
            counted |= {"numberMisscheduled": 0, "numberReady": ready, "updatedNumberScheduled": new}
            status = counted | seen | ({"numberAvailable": ready} if ready else {})
        else:
            status = {"replicas": len(active), "readyReplicas": ready, "availableReplicas": ready} | seen
        if self._kind == "StatefulSet":
            revision = f"{name}-{_revision(owner)}"
            status |= {"currentReplicas": new, "updatedReplicas": new}
            status |= {"currentRevision": revision, "updateRevision": revision}
        owner["status"] = {key: value for key, value in status.items() if value or key != "active"}
        self._cluster.write(self._resource, owner)

    def _job_status(self, owner: Json, active: int, succeeded: int) -> Json:
        met = (owner.get("status") or {}).get("conditions") or []
        if succeeded >= owner["spec"].get("completions", 1):
            met = conditions.put(met, {"type": "Complete", "status": "True"}, timestamp(self._cluster.clock.now()))
        status: Json = {"active": active, "ready": active}
        return status | ({"succeeded": succeeded} if succeeded else {}) | ({"conditions": met} if met else {})


def _revision(owner: Json) -> str:
    """A name for what the template says."""
    text = json.dumps(owner["spec"]["template"], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]
