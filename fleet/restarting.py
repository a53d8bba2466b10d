"""How far the restart of an owner's pods is, by what its object says, and what keeps it from being done.

The rules are those by which kubectl's ``rollout restart`` refuses and its ``rollout status`` waits (its source, v1.36).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
"""Annotates the template; each new value makes new pods."""

Json = dict[str, Any]


def refusal(owner: Json) -> str:
    """Why a new template would not replace all of the owner's pods, with what to do; '' where it would."""
    kind, name, namespace = owner["kind"], owner["metadata"]["name"], owner["metadata"]["namespace"]
    spec = owner["spec"]
    if spec.get("paused"):
        return f"it is paused: kubectl -n {namespace} rollout resume {kind.lower()} {name}"
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return f"its updateStrategy is OnDelete: delete its pods one by one, or set RollingUpdate on {kind} {name}"
    if (strategy.get("rollingUpdate") or {}).get("partition"):
        return f"its updateStrategy keeps the pods below its partition: set partition to 0 on {kind} {name}"
    return ""


def waits_for(owner: Json) -> str:
    """What is still to come until all pods are of the owner's template and there; '' when it is done."""
    status, generation = owner.get("status") or {}, owner["metadata"].get("generation", 0)
    if status.get("observedGeneration", 0) < generation:
        return "its controller has not seen the new template yet"
    if owner["kind"] == "DaemonSet":
        return _counted(status, status.get("desiredNumberScheduled", 0), "updatedNumberScheduled", "numberAvailable")
    wanted = owner["spec"].get("replicas", 1)
    if lack := _counted(status, wanted, "updatedReplicas", "availableReplicas"):
        return lack
    if owner["kind"] == "StatefulSet":
        settled = status.get("updateRevision") == status.get("currentRevision")
        return "" if settled else "its last pods are being replaced"
    old = status.get("replicas", 0) - status.get("updatedReplicas", 0)
    return f"{old} old pods have yet to end" if old > 0 else ""


def given_up(owner: Json) -> str:
    """What the controller says where it waits no longer; '' while it does."""
    status = owner.get("status") or {}
    if status.get("observedGeneration", 0) < owner["metadata"].get("generation", 0):
        return ""
    for condition in status.get("conditions") or ():
        if condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            return str(condition.get("message") or condition["reason"])
    return ""


def trouble(owner: Json, pods: Iterable[Json]) -> str:
    """Why pods do not get ready, by the first that says so, else why none is made; '' where nothing is said."""
    for pod in pods:
        if told := _pods_trouble(pod):
            return f"pod {pod['metadata']['name']}: {told}"
    for condition in (owner.get("status") or {}).get("conditions") or ():
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return f"no pod can be made: {condition.get('message')}"
    return ""


def _counted(status: Json, wanted: int, updated: str, available: str) -> str:
    new, there = status.get(updated, 0), status.get(available, 0)
    if new < wanted:
        return f"{new} of {wanted} pods are new"
    return f"{there} of {wanted} pods are available" if there < wanted else ""


def _pods_trouble(pod: Json) -> str:
    status = pod.get("status") or {}
    for container in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            return f"container {container['name']} waits, {_said(waiting)}"
        ended = (container.get("state") or {}).get("terminated")
        if ended and ended.get("exitCode"):
            return f"container {container['name']} ended with {ended['exitCode']}, {_said(ended)}"
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"it fits no node, {_said(condition)}"
    return ""


def _said(state: Json) -> str:
    message = f": {state['message']}" if state.get("message") else ""
    return f"{state.get('reason') or 'without a reason'}{message}"
