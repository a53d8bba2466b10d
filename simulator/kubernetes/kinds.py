"""What differs between kinds when they are written: status, generation, what a new object starts with."""

from __future__ import annotations

import random
from typing import Any

from simulator.provenance import Provenance, rule

from . import schema
from .resources import Resource

Json = dict[str, Any]

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_LONGEST_BASE = 58

_WITH_GENERATION = {
    "CronJob",
    "CustomResourceDefinition",
    "DaemonSet",
    "Deployment",
    "Job",
    "MutatingWebhookConfiguration",
    "Pod",
    "PodDisruptionBudget",
    "ReplicaSet",
    "ReplicationController",
    "StatefulSet",
}

_ANSWERED_WITH_OBJECT = {"Pod", "Service", "ServiceAccount"}

_TEMPLATE: Json = {"metadata": {}, "spec": {"containers": None}}
_ZERO: dict[str, Json] = {
    "ClusterRole": {"rules": None},
    "CronJob": {"spec": {"jobTemplate": {"metadata": {}, "spec": {"template": _TEMPLATE}}}, "status": {}},
    "CustomResourceDefinition": {"spec": {"names": {}}, "status": {}},
    "DaemonSet": {"spec": {"selector": None, "template": _TEMPLATE, "updateStrategy": {}}, "status": {}},
    "Deployment": {"spec": {"selector": None, "template": _TEMPLATE, "strategy": {}}, "status": {}},
    "Event": schema.ALWAYS_THERE["Event"],
    "Job": {"spec": {"template": _TEMPLATE}, "status": {}},
    "Lease": {"spec": {}},
    "Namespace": {"spec": {}, "status": {}},
    "Node": {"spec": {}, "status": {}},
    "Pod": {"spec": {"containers": None}, "status": {}},
    "PodDisruptionBudget": {"spec": {}, "status": {}},
    "ReplicaSet": {"spec": {"selector": None, "template": _TEMPLATE}, "status": {}},
    "ReplicationController": {"spec": {}, "status": {}},
    "Role": {"rules": None},
    "Service": {"spec": {}, "status": {"loadBalancer": {}}},
    "StatefulSet": {"spec": {"selector": None, "template": _TEMPLATE, "updateStrategy": {}}, "status": {}},
    "TokenReview": {"spec": {}, "status": {}},
}


def zero_value(kind: str) -> Json:
    """What an object of the kind is before anything is set: the structures that are there even when empty."""
    return {"metadata": {}, **_ZERO.get(kind, {})}


def has_generation(kind: str) -> bool:
    """Whether changes of the kind's specification are counted in ``metadata.generation``."""
    return kind in _WITH_GENERATION


def has_status(resource: Resource) -> bool:
    """Whether the status is written through its own subresource, and ignored everywhere else."""
    return resource.subresource("status") is not None


@rule(
    "kubernetes", "DELETE answers a Status or the object, by kind", Provenance.RECORDED, "lifecycle.yaml delete_answers"
)
def delete_answers_object(kind: str) -> bool:
    """Whether a DELETE that is done at once answers the object instead of a Status."""
    return kind in _ANSWERED_WITH_OBJECT


@rule("kubernetes", "generateName adds 5 of 27 characters", Provenance.RECORDED, "lifecycle.yaml generate_name")
def generated_name(base: str, generator: random.Random) -> str:
    """A name from ``metadata.generateName``, at most 63 characters long."""
    return base[:_LONGEST_BASE] + "".join(generator.choices(_ALPHABET, k=5))


@rule("kubernetes", "initial status by kind", Provenance.RECORDED, "server-side-apply.yaml defaults")
def initial_status(kind: str, obj: Json) -> Json | None:
    """The status of a new object, None where the kind has none to begin with."""
    if kind == "Pod":
        return {"phase": "Pending", "qosClass": quality_of_service(obj["spec"])}
    if kind == "PodDisruptionBudget":
        return {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}
    if kind == "CustomResourceDefinition":
        versions = [version.get("name") for version in obj.get("spec", {}).get("versions") or ()]
        return {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": versions[:1]}
    if kind == "DaemonSet":
        counters = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
        return dict.fromkeys(counters, 0)
    plain: dict[str, Json] = {
        "CronJob": {},
        "Deployment": {},
        "Job": {},
        "Namespace": {"phase": "Active"},
        "Node": {},
        "ReplicaSet": {"replicas": 0},
        "ReplicationController": {"replicas": 0},
        "ResourceQuota": {},
        "Service": {"loadBalancer": {}},
        "StatefulSet": {"replicas": 0, "availableReplicas": 0},
    }
    return plain.get(kind)


@rule("kubernetes", "quality of service class of a pod", Provenance.DOCUMENTED, "pod quality of service classes")
def quality_of_service(spec: Json) -> str:
    """Guaranteed, Burstable or BestEffort, from the containers' requests and limits of CPU and memory."""
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    resources = [container.get("resources") or {} for container in containers]
    if not any(part.get("requests") or part.get("limits") for part in resources):
        return "BestEffort"
    for part in resources:
        limits, requests = part.get("limits") or {}, part.get("requests") or {}
        if not {"cpu", "memory"} <= limits.keys() or any(limits.get(name) != requests[name] for name in requests):
            return "Burstable"
    return "Guaranteed"


_METADATA = (
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
)
_HEAD = ("kind", "apiVersion", "metadata")
_MEMBERS = {
    "Event": (
        *_HEAD,
        "involvedObject",
        "reason",
        "message",
        "source",
        "firstTimestamp",
        "lastTimestamp",
        "count",
        "type",
        "eventTime",
    ),
    "Secret": (*_HEAD, "immutable", "data", "type"),
}
"""Members of kinds whose order was looked at; those of the others stay in the order in which they were sent."""


@rule("kubernetes", "order of the metadata", Provenance.RECORDED, "errors.yaml fieldValidation-Strict-mergepatch")
@rule("kubernetes", "order of an Event's members", Provenance.REPORTED, "kubectl get event -o json")
@rule("kubernetes", "a Secret's data comes before its type", Provenance.RECORDED, "server-side-apply.yaml Secret")
def arranged(obj: Json) -> Json:
    """The object with its members in the order in which the API server writes them."""
    arranged = _in_order(obj, _MEMBERS.get(obj.get("kind", ""), ()))
    return arranged | {"metadata": _in_order(obj["metadata"], _METADATA)}


def _in_order(members: Json, names: tuple[str, ...]) -> Json:
    return {name: members[name] for name in names if name in members} | members


def specification(obj: Json) -> Json:
    """The part of an object whose changes count as a new generation: all but metadata and status."""
    return {name: value for name, value in obj.items() if name not in ("metadata", "status")}
