"""ReplicationControllers and Jobs, as far as their pods come and go: what they have made stays as it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.provenance import Provenance, doubt, rule
from simulator.routing import Refusal

from . import conditions
from .encoding import timestamp
from .endpoints import is_ready
from .recorder import Recorder
from .replica_sets import delete_pod, is_over, owned, pod_of

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]

KINDS = {
    "ReplicationController": "replicationcontrollers",
    "Job": "jobs.batch",
}
_SOURCES = {
    "ReplicationController": "replication-controller",
    "Job": "job-controller",
}


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
        for pod in active[wanted:]:
            self._events.note(owner, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
            delete_pod(self._cluster, pod)
        refusal = None
        for _ in range(len(active), wanted):
            if refusal is None:
                refusal = await self._create(owner)
        self._write_status(namespace, name, succeeded)
        return refusal is None

    @rule("kubernetes", "a Job is done by pods that succeed", Provenance.DOCUMENTED, "Kubernetes, Jobs")
    @doubt(
        "kubernetes",
        "whether a pod of a Job that failed is tried again here, up to its backoffLimit and with back-off",
        "at once and without end; no test of ours needs more",
        "Kubernetes, Jobs: pod backoff failure policy",
    )
    def _wanted(self, owner: Json, succeeded: int) -> int:
        spec = owner["spec"]
        if self._kind == "Job":
            if spec.get("suspend"):
                return 0
            at_once, to_do = int(spec.get("parallelism", 1)), int(spec.get("completions", 1)) - succeeded
            return max(min(at_once, to_do), 0)
        replicas: int = spec.get("replicas", 1)
        return replicas

    async def _create(self, owner: Json) -> Refusal | None:
        """Make a pod; the API server's refusal, if there was one."""
        pod = pod_of(owner, generateName=f"{owner['metadata']['name']}-")
        try:
            made = await self._cluster.create("pods", pod, namespace=owner["metadata"]["namespace"])
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
        if self._kind == "Job":
            status = self._job_status(owner, len(active), succeeded)
        else:
            status = {"replicas": len(active), "readyReplicas": ready, "availableReplicas": ready} | seen
        owner["status"] = {key: value for key, value in status.items() if value or key != "active"}
        self._cluster.write(self._resource, owner)

    def _job_status(self, owner: Json, active: int, succeeded: int) -> Json:
        met = (owner.get("status") or {}).get("conditions") or []
        if succeeded >= owner["spec"].get("completions", 1):
            met = conditions.put(met, {"type": "Complete", "status": "True"}, timestamp(self._cluster.clock.now()))
        status: Json = {"active": active, "ready": active}
        return status | ({"succeeded": succeeded} if succeeded else {}) | ({"conditions": met} if met else {})
