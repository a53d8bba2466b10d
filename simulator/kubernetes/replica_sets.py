"""The ReplicaSet controller: as many pods as wanted, made from the template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.copying import copied
from simulator.provenance import Provenance, rule
from simulator.routing import Refusal

from . import conditions
from .deletion import DeleteOptions, delete
from .encoding import timestamp
from .endpoints import is_ready
from .recorder import Recorder
from .resources import by_key

if TYPE_CHECKING:
    from .cluster import Cluster

Json = dict[str, Any]


def owner_reference(owner: Json) -> Json:
    """What a controller writes into what it makes."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_of(obj: Json) -> str | None:
    """The uid of the object that controls this one."""
    references = obj["metadata"].get("ownerReferences") or ()
    return next((reference["uid"] for reference in references if reference.get("controller")), None)


def owned(cluster: Cluster, resource: str, owner: Json) -> list[Json]:
    """The objects that ``owner`` controls, in its namespace."""
    # From the store, because copying a whole namespace for a few objects of it is slow.
    objects = cluster.store.list(resource, owner["metadata"]["namespace"])
    return [copied(obj) for obj in objects if controller_of(obj) == owner["metadata"]["uid"]]


def pod_of(owner: Json, **metadata: str) -> Json:
    """A pod of an owner's template, with a ``name`` or a ``generateName``."""
    pod: Json = copied(owner["spec"]["template"]) | {"apiVersion": "v1", "kind": "Pod"}
    whose = {"namespace": owner["metadata"]["namespace"], "ownerReferences": [owner_reference(owner)]}
    pod["metadata"] |= {**metadata, **whose}
    pod["metadata"].pop("creationTimestamp", None)
    return pod


def delete_pod(cluster: Cluster, pod: Json) -> None:
    """Begin a pod's graceful deletion, as a DELETE without options does."""
    metadata = pod["metadata"]
    delete(cluster, by_key("pods"), metadata["namespace"], metadata["name"], DeleteOptions())


class ReplicaSets:
    """Keeps the pods of every ReplicaSet at their number."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._events = Recorder(cluster, "replicaset-controller")

    async def reconcile(self, namespace: str, name: str) -> bool:
        """One step for one ReplicaSet. False if pods could not be made and it should be tried again later."""
        replica_set = self._cluster.get("replicasets.apps", name, namespace)
        if replica_set is None or "deletionTimestamp" in replica_set["metadata"]:
            return True
        pods = [pod for pod in owned(self._cluster, "pods", replica_set) if not is_over(pod)]
        active = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        missing = replica_set["spec"]["replicas"] - len(active)
        refusal = None
        if missing > 0:
            refusal = await self._create(replica_set, missing)
        for pod in _surplus(active, -missing):
            self._events.note(replica_set, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
            delete_pod(self._cluster, pod)
        self._write_status(namespace, name, refusal)
        return refusal is None

    @rule("kubernetes", "pods from a ReplicaSet's template", Provenance.RECORDED, "kubernetes/lifecycle.yaml pod")
    async def _create(self, replica_set: Json, number: int) -> Refusal | None:
        """Make pods one after another until one is refused; the API server's refusal, if there was one."""
        metadata = replica_set["metadata"]
        for _ in range(number):
            pod = pod_of(replica_set, generateName=f"{metadata['name']}-")
            try:
                made = await self._cluster.create("pods", pod, namespace=metadata["namespace"])
            except Refusal as refusal:
                message = f"Error creating: {refusal.message}"
                self._events.note(replica_set, "FailedCreate", message, kind="Warning")
                return refusal
            self._events.note(replica_set, "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")
        return None

    @rule("kubernetes", "status of a ReplicaSet", Provenance.RECORDED, "admission.yaml workloads deployment_denied")
    def _write_status(self, namespace: str, name: str, refusal: Refusal | None) -> None:
        """Count the pods anew: while pods were made, the ReplicaSet itself may have changed or gone."""
        replica_set = self._cluster.get("replicasets.apps", name, namespace)
        if replica_set is None:
            return
        pods = [pod for pod in owned(self._cluster, "pods", replica_set) if not is_over(pod)]
        active = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        ready = sum(map(is_ready, active))
        counters = {"fullyLabeledReplicas": len(active), "readyReplicas": ready, "availableReplicas": ready}
        status = {
            "replicas": len(active),
            **{counter: number for counter, number in counters.items() if number},
            "terminatingReplicas": len(pods) - len(active),
            "observedGeneration": replica_set["metadata"].get("generation", 1),
        }
        known = replica_set.get("status", {}).get("conditions", [])
        if refusal is not None:
            failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}
            failure["message"] = refusal.message
            known = conditions.put(known, failure, timestamp(self._cluster.clock.now()))
        elif len(active) >= replica_set["spec"]["replicas"]:
            known = conditions.drop(known, "ReplicaFailure")
        replica_set["status"] = status | ({"conditions": known} if known else {})
        self._cluster.write("replicasets.apps", replica_set)


def is_over(pod: Json) -> bool:
    """Whether a pod has ended for good."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def _surplus(pods: list[Json], number: int) -> list[Json]:
    """The ``number`` pods to give up: those that are not ready first, then the youngest."""
    youngest_first = sorted(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), reverse=True)
    return sorted(youngest_first, key=is_ready)[: max(number, 0)]
