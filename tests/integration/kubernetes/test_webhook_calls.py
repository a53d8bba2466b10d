"""Mutating webhooks as the API server calls them, and the ServiceAccount admission around them."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from one_cluster import Api

from simulator.kubernetes.cluster import Cluster

Json = dict[str, Any]
N = "/api/v1/namespaces/f1"
WEBHOOK = "mutation.azure-workload-identity.io"
CONFIGURATIONS = "mutatingwebhookconfigurations.admissionregistration.k8s.io"
CALLED = (
    f'failed calling webhook "{WEBHOOK}": failed to call webhook: Post "https://hook.f1.svc:443/mutate?timeout=10s"'
)


def pod(name: str = "p", *containers: str, **labels: str) -> Json:
    spec = {"containers": [{"name": container, "image": "i:1"} for container in containers or ("app",)]}
    return {"metadata": {"name": name, "labels": {"use": "true", **labels}}, "spec": spec}


def configuration(name: str = "hook", **members: Any) -> Json:
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    webhook = {
        "name": WEBHOOK,
        "clientConfig": {"service": {"name": name, "namespace": "f1", "path": "/mutate"}},
        "rules": rules,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "objectSelector": {"matchLabels": {"use": "true"}},
        "reinvocationPolicy": "IfNeeded",
    }
    return {"metadata": {"name": name}, "webhooks": [webhook | members]}


def allowed(review: Json, *operations: Json) -> Json:
    response: Json = {"uid": review["request"]["uid"], "allowed": True}
    if operations:
        response |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(operations).encode()).decode()}
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response}


class Hook:
    """A webhook that remembers its reviews and answers what the test says."""

    def __init__(self, answer: Callable[[Json], Awaitable[Json]]) -> None:
        self._answer = answer
        self.requests: list[Json] = []

    async def __call__(self, review: Json) -> Json:
        self.requests.append(review["request"])
        return await self._answer(review)


async def install(
    cluster: Cluster, answer: Callable[[Json], Awaitable[Json]], name: str = "hook", **members: Any
) -> Hook:
    hook = Hook(answer)
    cluster.webhook_backends[f"f1/{name}"] = hook
    await cluster.create(CONFIGURATIONS, configuration(name, **members))
    return hook


async def allow(review: Json) -> Json:
    return allowed(review)


async def add_label(review: Json) -> Json:
    return allowed(review, {"op": "add", "path": "/metadata/labels/mutated", "value": "yes"})


async def add_container(review: Json) -> Json:
    if len(review["request"]["object"]["spec"]["containers"]) > 1:
        return allowed(review)
    container = {"name": "sidecar", "image": "s:1"}
    return allowed(review, {"op": "add", "path": "/spec/containers/-", "value": container})


async def test_a_dry_run_shows_what_the_webhook_does(api: Api, cluster: Cluster) -> None:
    hook = await install(cluster, add_label)
    created = await api.post(f"{N}/pods?dryRun=All&fieldManager=me", pod())
    assert created["metadata"]["labels"]["mutated"] == "yes"
    assert cluster.list("pods") == []
    request = hook.requests[0]
    assert request["dryRun"] is True
    expected = {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "dryRun": ["All"], "fieldManager": "me"}
    assert request["options"] == expected


async def test_the_review_shows_the_pod_after_service_account_admission(api: Api, cluster: Cluster) -> None:
    hook = await install(cluster, allow)
    await api.post(f"{N}/pods", pod())
    request = hook.requests[0]
    assert request["kind"] == {"group": "", "version": "v1", "kind": "Pod"}
    assert request["resource"] == {"group": "", "version": "v1", "resource": "pods"}
    assert (request["operation"], request["name"], request["namespace"]) == ("CREATE", "p", "f1")
    assert request["oldObject"] is None
    assert request["userInfo"]["username"] == "masterclient"
    seen = request["object"]
    assert seen["spec"]["serviceAccountName"] == "default"
    assert seen["spec"]["volumes"][0]["name"].startswith("kube-api-access-")
    assert "managedFields" in seen["metadata"]
    assert "uid" not in seen["metadata"]


@pytest.mark.parametrize(
    ("given", "members"),
    [
        (pod(use="True"), {}),
        (
            pod(),
            {"rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["pods"]}]},
        ),
        (pod(), {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}}),
        (
            pod(),
            {"namespaceSelector": {"matchExpressions": [{"key": "x", "operator": "Exists"}]}},
        ),
    ],
    ids=["label", "operation", "namespace", "namespace expression"],
)
async def test_a_webhook_sees_only_what_it_asked_for(api: Api, cluster: Cluster, given: Json, members: Json) -> None:
    hook = await install(cluster, allow, **members)
    await api.post(f"{N}/pods", given)
    assert hook.requests == []


async def test_foreign_webhooks_are_kept_out_of_kube_system(api: Api, cluster: Cluster) -> None:
    hook = await install(cluster, allow)
    await api.post("/api/v1/namespaces/kube-system/pods", pod())
    assert hook.requests == []
    await api.merge(
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/hook",
        {"metadata": {"annotations": {"admissions.enforcer/disabled": "true"}}},
    )
    await api.post("/api/v1/namespaces/kube-system/pods", pod("q"))
    assert len(hook.requests) == 1


async def test_a_webhook_is_called_again_when_its_container_got_a_mount(api: Api, cluster: Cluster) -> None:
    hook = await install(cluster, add_container)
    created = await api.post(f"{N}/pods", pod())
    assert len(hook.requests) == 2
    mounts = [container["volumeMounts"][0]["mountPath"] for container in created["spec"]["containers"]]
    assert mounts == ["/var/run/secrets/kubernetes.io/serviceaccount"] * 2


async def test_a_webhook_that_changed_no_container_is_called_once(api: Api, cluster: Cluster) -> None:
    hook = await install(cluster, add_label)
    await api.post(f"{N}/pods", pod())
    assert len(hook.requests) == 1


async def test_an_earlier_webhook_sees_what_a_later_one_added(api: Api, cluster: Cluster) -> None:
    first = await install(cluster, allow, "a-first")
    later = await install(cluster, add_container, "b-later", reinvocationPolicy="Never")
    await api.post(f"{N}/pods", pod())
    assert [len(request["object"]["spec"]["containers"]) for request in first.requests] == [1, 2]
    assert len(later.requests) == 1


async def test_without_a_reinvocation_policy_a_webhook_is_called_once(api: Api, cluster: Cluster) -> None:
    hook = await install(cluster, add_container, reinvocationPolicy="Never")
    await api.post(f"{N}/pods", pod())
    assert len(hook.requests) == 1


@pytest.mark.parametrize(
    ("status", "code", "reason", "message"),
    [
        (None, 400, None, f'admission webhook "{WEBHOOK}" denied the request without explanation'),
        ({"code": 400, "message": "no"}, 400, None, f'admission webhook "{WEBHOOK}" denied the request: no'),
        (
            {"code": 403, "reason": "Forbidden", "message": "nope"},
            403,
            "Forbidden",
            f'admission webhook "{WEBHOOK}" denied the request: nope',
        ),
    ],
)
async def test_a_denial_is_passed_on(
    api: Api, cluster: Cluster, status: Json | None, code: int, reason: str | None, message: str
) -> None:
    async def deny(review: Json) -> Json:
        response = {"uid": review["request"]["uid"], "allowed": False} | ({"status": status} if status else {})
        return {"response": response}

    await install(cluster, deny, failurePolicy="Ignore")
    response = await api.ask("POST", f"{N}/pods", pod())
    body = response.json()
    assert (response.status_code, body.get("reason"), body["message"]) == (code, reason, message)
    assert "details" not in body


async def unreachable(review: Json) -> Json:
    raise ConnectionError("dial tcp 10.0.0.9:443: connect: connection refused")


async def hanging(review: Json) -> Json:
    await asyncio.Event().wait()
    return review


async def wrong_uid(review: Json) -> Json:
    return {"response": {"uid": "x", "allowed": True}}


async def test_an_unreachable_webhook_fails_the_request(api: Api, cluster: Cluster) -> None:
    await install(cluster, unreachable)
    response = await api.ask("POST", f"{N}/pods", pod())
    why = f"{CALLED}: dial tcp 10.0.0.9:443: connect: connection refused"
    assert (response.status_code, response.json()["reason"]) == (500, "InternalError")
    assert response.json()["message"] == f"Internal error occurred: {why}"
    assert response.json()["details"] == {"causes": [{"message": why}]}


async def test_an_unreachable_webhook_can_be_ignored(api: Api, cluster: Cluster) -> None:
    await install(cluster, unreachable, failurePolicy="Ignore")
    assert (await api.ask("POST", f"{N}/pods", pod())).status_code == 201


async def test_a_missing_service_is_named(api: Api, cluster: Cluster) -> None:
    await cluster.create(CONFIGURATIONS, configuration())
    response = await api.ask("POST", f"{N}/pods", pod())
    assert response.json()["message"] == f'Internal error occurred: {CALLED}: service "hook" not found'


async def test_a_service_without_pods_has_no_endpoints(api: Api, cluster: Cluster) -> None:
    await cluster.create("services", {"metadata": {"name": "hook"}, "spec": {"ports": [{"port": 443}]}}, namespace="f1")
    await cluster.create(CONFIGURATIONS, configuration())
    response = await api.ask("POST", f"{N}/pods", pod())
    expected = f'Internal error occurred: {CALLED}: no endpoints available for service "hook"'
    assert response.json()["message"] == expected


async def test_a_webhook_that_does_not_answer_in_time_has_failed(api: Api, cluster: Cluster) -> None:
    await install(cluster, hanging, timeoutSeconds=1)
    response = await api.ask("POST", f"{N}/pods", pod())
    assert response.json()["message"].endswith('/mutate?timeout=1s": context deadline exceeded')


async def test_an_answer_to_another_review_is_no_answer(api: Api, cluster: Cluster) -> None:
    await install(cluster, wrong_uid)
    response = await api.ask("POST", f"{N}/pods", pod())
    assert 'received invalid webhook response: expected response.uid="' in response.json()["message"]
    assert response.json()["message"].endswith('", got "x"')


async def test_a_patch_that_does_not_apply_is_an_internal_error(api: Api, cluster: Cluster) -> None:
    async def broken(review: Json) -> Json:
        return allowed(review, {"op": "remove", "path": "/nope/x"})

    await install(cluster, broken)
    response = await api.ask("POST", f"{N}/pods", pod())
    expected = 'remove operation does not apply: doc is missing path: "/nope/x": missing value'
    assert response.json()["message"] == f"Internal error occurred: {expected}"


async def test_warnings_of_a_webhook_reach_the_caller(api: Api, cluster: Cluster) -> None:
    async def warn(review: Json) -> Json:
        answer = allowed(review)
        answer["response"]["warnings"] = ["mind the gap"]
        return answer

    await install(cluster, warn)
    response = await api.ask("POST", f"{N}/pods", pod())
    assert response.headers["warning"] == '299 - "mind the gap"'


async def test_a_pod_may_do_without_the_token(api: Api) -> None:
    body = pod()
    body["spec"]["automountServiceAccountToken"] = False
    created = await api.post(f"{N}/pods", body)
    assert "volumes" not in created["spec"]


async def test_a_pod_waits_for_the_account_of_a_new_namespace(api: Api) -> None:
    await api.post("/api/v1/namespaces", {"metadata": {"name": "new"}})
    created = await api.post("/api/v1/namespaces/new/pods", pod())
    assert created["spec"]["serviceAccountName"] == "default"


async def test_who_is_cancelled_while_the_webhook_answers_does_not_go_on(cluster: Cluster) -> None:
    async def cancelling(review: Json) -> Json:
        creating.cancel()
        return allowed(review)

    await install(cluster, cancelling)
    creating = asyncio.ensure_future(cluster.create("pods", pod(), namespace="f1"))
    with pytest.raises(asyncio.CancelledError):
        await creating
