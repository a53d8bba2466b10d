"""Whether a restart is allowed, would do, and is done: read from what Kubernetes says of owners, pods and budgets."""

from __future__ import annotations

from typing import Any

import pytest

from fleet import restarting, running
from fleet.disruption import budgets_of, forbids, selects
from fleet.resources import Rollout, RunningPod

Json = dict[str, Any]

SELECTORS: list[tuple[Json | None, bool]] = [
    (None, False),
    ({}, True),
    ({"matchLabels": {"app": "web"}}, True),
    ({"matchLabels": {"app": "web", "tier": "2"}}, False),
    ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "api"]}]}, True),
    ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
    ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["2"]}]}, True),
    ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
    ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    ({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]}, False),
    ({"matchExpressions": [{"key": "app", "operator": "Near"}]}, False),
]
"""Selectors, and whether they are of a pod that is labelled app=web."""


@pytest.mark.parametrize(("selector", "expected"), SELECTORS, ids=[str(row[0]) for row in SELECTORS])
def test_a_budget_is_of_the_pods_that_its_selector_is_of(selector: Json | None, expected: bool) -> None:
    assert selects(selector, {"app": "web"}) is expected
    budget = {"metadata": {"name": "b"}, "spec": {"selector": selector}}
    pods: list[Json] = [{"metadata": {"labels": {"app": "web"}}}]
    assert budgets_of([budget], pods) == ([budget] if expected else [])


BUDGETS: list[tuple[Json, str]] = [
    ({"disruptionsAllowed": 1}, ""),
    ({"disruptionsAllowed": 0, "currentHealthy": 2, "desiredHealthy": 2}, "lets no pod go: 2 are healthy and 2 have"),
    ({"disruptionsAllowed": 1, "observedGeneration": 1}, "was changed, and its controller has not looked at it yet"),
    ({}, "lets no pod go: 0 are healthy and 0 have to be"),
]


@pytest.mark.parametrize(("status", "said"), BUDGETS)
def test_what_a_budget_forbids_is_said_with_its_name(status: Json, said: str) -> None:
    told = forbids({"metadata": {"name": "tight", "generation": 2}, "status": status})
    assert told.startswith("PodDisruptionBudget tight " if said else "")
    assert said in told


def owner(kind: str = "Deployment", status: Json | None = None, **spec: Any) -> Json:
    metadata = {"name": "web", "namespace": "shop", "generation": 2}
    return {"kind": kind, "metadata": metadata, "spec": {"replicas": 2} | spec, "status": status or {}}


REFUSALS: list[tuple[Json, str]] = [
    (owner(), ""),
    (owner(paused=True), "it is paused: kubectl -n shop rollout resume deployment web"),
    (owner("DaemonSet", updateStrategy={"type": "OnDelete"}), "its updateStrategy is OnDelete: delete its pods"),
    (owner("StatefulSet", updateStrategy={"rollingUpdate": {"partition": 0}}), ""),
    (owner("StatefulSet", updateStrategy={"rollingUpdate": {"partition": 1}}), "set partition to 0 on StatefulSet web"),
]


@pytest.mark.parametrize(("there", "said"), REFUSALS)
def test_an_owner_whose_pods_a_restart_would_not_replace_says_what_to_do(there: Json, said: str) -> None:
    told = restarting.refusal(there)
    assert said in told
    assert bool(told) is bool(said)


NEW = {"observedGeneration": 2}
PROGRESS: list[tuple[str, Json, str]] = [
    ("Deployment", {"observedGeneration": 1, "updatedReplicas": 2, "availableReplicas": 2}, "has not seen the new"),
    ("Deployment", NEW | {"updatedReplicas": 1, "availableReplicas": 2}, "1 of 2 pods are new"),
    ("Deployment", NEW | {"updatedReplicas": 2, "availableReplicas": 1}, "1 of 2 pods are available"),
    ("Deployment", NEW | {"replicas": 3, "updatedReplicas": 2, "availableReplicas": 2}, "1 old pods have yet to end"),
    ("Deployment", NEW | {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}, ""),
    ("StatefulSet", NEW | {"updatedReplicas": 2, "availableReplicas": 2, "updateRevision": "b"}, "are being replaced"),
    (
        "StatefulSet",
        NEW | {"updatedReplicas": 2, "availableReplicas": 2, "updateRevision": "b", "currentRevision": "b"},
        "",
    ),
    ("DaemonSet", NEW | {"desiredNumberScheduled": 3, "updatedNumberScheduled": 2}, "2 of 3 pods are new"),
    ("DaemonSet", NEW | {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3}, "0 of 3 pods are available"),
    ("DaemonSet", NEW | {"desiredNumberScheduled": 1, "updatedNumberScheduled": 1, "numberAvailable": 1}, ""),
]


@pytest.mark.parametrize(("kind", "status", "said"), PROGRESS)
def test_a_rollout_is_done_when_all_pods_are_new_and_available(kind: str, status: Json, said: str) -> None:
    told = restarting.waits_for(owner(kind, status))
    assert said in told
    assert bool(told) is bool(said)


def test_a_controller_that_gives_up_says_so_of_its_newest_template_only() -> None:
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}
    assert restarting.given_up(owner(status=NEW | {"conditions": [late]})) == "timed out"
    assert restarting.given_up(owner(status={"observedGeneration": 1, "conditions": [late]})) == ""
    assert restarting.given_up(owner(status=NEW | {"conditions": [late | {"reason": "NewReplicaSetAvailable"}]})) == ""


def pod(**status: Any) -> Json:
    return {"metadata": {"name": "web-1"}, "status": status}


def container(**state: Any) -> Json:
    return pod(containerStatuses=[{"name": "main", "state": state}])


TROUBLE: list[tuple[Json, str]] = [
    (container(running={}), ""),
    (container(waiting={"reason": "ContainerCreating"}), ""),
    (
        container(waiting={"reason": "ImagePullBackOff", "message": "no such image"}),
        "pod web-1: container main waits, ImagePullBackOff: no such image",
    ),
    (container(terminated={"exitCode": 3, "reason": "Error"}), "pod web-1: container main ended with 3, Error"),
    (container(terminated={"exitCode": 0, "reason": "Completed"}), ""),
    (
        pod(conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no room"}]),
        "pod web-1: it fits no node, Unschedulable: no room",
    ),
    (pod(), ""),
]


@pytest.mark.parametrize(("there", "said"), TROUBLE)
def test_why_a_pod_does_not_get_ready_is_said_in_its_own_words(there: Json, said: str) -> None:
    assert restarting.trouble(owner(), [there]) == said


def test_an_owner_that_can_make_no_pod_says_why() -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "denied"}
    assert restarting.trouble(owner(status={"conditions": [failure]}), []) == "no pod can be made: denied"


OWNERS: list[tuple[list[Json], Json, tuple[str, str]]] = [
    ([], {}, ("Pod", "p")),
    ([{"kind": "Node", "name": "n"}], {}, ("Pod", "p")),
    (
        [{"kind": "ReplicaSet", "name": "web-77", "controller": True}],
        {"pod-template-hash": "77"},
        ("Deployment", "web"),
    ),
    ([{"kind": "ReplicaSet", "name": "web-77", "controller": True}], {}, ("ReplicaSet", "web-77")),
    ([{"kind": "StatefulSet", "name": "db", "controller": True}], {}, ("StatefulSet", "db")),
    ([{"kind": "Job", "name": "once", "controller": True}], {}, ("Job", "once")),
]


@pytest.mark.parametrize(("references", "labels", "expected"), OWNERS)
def test_a_pod_tells_who_makes_it_anew(references: list[Json], labels: Json, expected: tuple[str, str]) -> None:
    assert running.owner_of({"metadata": {"name": "p", "ownerReferences": references, "labels": labels}}) == expected


def rollout(**fields: Any) -> Rollout:
    return Rollout(
        cluster="west", namespace="shop", owner_kind="Deployment", name="web", service_account="app", **fields
    )


def test_pods_are_of_before_by_what_they_lack_and_by_what_they_have() -> None:
    pods = (
        RunningPod(name="good", given=True, client_id="new", tenant_id="t"),
        RunningPod(name="bare", given=False),
        RunningPod(name="old", given=True, client_id="old", tenant_id="t"),
        RunningPod(name="moved", given=True, client_id="new", tenant_id="elsewhere"),
        RunningPod(name="nobody", given=True, tenant_id="t"),
    )
    wanted = rollout(client_id="new", tenant_id="t")
    assert [one.name for one in wanted.stale(pods)] == ["bare", "old", "moved", "nobody"]
    told = {one.field: (one.old, one.new) for one in wanted.differences(rollout(pods=pods))}
    assert told == {
        "pods": ("4 of 5 as before", "as a new pod"),
        "given": (False, True),
        "client_id": ("none, old", "new"),
        "tenant_id": ("elsewhere", "t"),
    }
    assert wanted.differences(rollout(pods=pods[:1])) == ()
