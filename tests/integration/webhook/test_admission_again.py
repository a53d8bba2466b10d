"""What the recording has beyond its cases: pods sent again, webhooks called again, and the order of things."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest
from recorded_admission import CASES
from recorded_cluster import Recorded

from simulator.routing import Refusal
from simulator.webhook.manager import CONFIGURATIONS

Json = dict[str, Any]

RESERVED = "azure-workload-identity-reserved-148de9c5a7a44d19e56cd9ae1a554b"
ACCESS = "kube-api-access"


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


def pod(name: str = "p", **annotations: str) -> Json:
    prefix = "azure.workload.identity/"
    made = copy.deepcopy(CASES[0].pod)
    made["metadata"] |= {"name": name, "annotations": {f"{prefix}{key}": text for key, text in annotations.items()}}
    return made


def names(items: list[Json]) -> list[str]:
    """Names without what is random in them."""
    return [item["name"] if ACCESS not in item["name"] else ACCESS for item in items]


def sent_again(made: Json, name: str) -> Json:
    """A pod as somebody writes it who copied a mutated one."""
    kept = {key: made["metadata"][key] for key in ("labels", "annotations") if key in made["metadata"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **kept}, "spec": made["spec"]}


async def test_a_mutated_pod_can_be_sent_again_under_its_name(recorded: Recorded) -> None:
    made = await recorded.pod(pod())
    again = await recorded.pod(sent_again(made, "p"))
    assert names(again["spec"]["volumes"]) == [ACCESS, RESERVED]
    container = again["spec"]["containers"][0]
    assert names(container["volumeMounts"]) == [ACCESS, RESERVED]
    assert len(container["env"]) == 4


async def test_a_mutated_pod_cannot_be_sent_again_under_another_name(recorded: Recorded) -> None:
    made = await recorded.pod(pod())
    with pytest.raises(Refusal) as refused:
        await recorded.pod(sent_again(made, "q"))
    where = "spec.containers[0].volumeMounts[2].mountPath"
    why = 'Invalid value: "/var/run/secrets/azure/wi": must be unique'
    assert (refused.value.status, refused.value.message) == (422, f'Pod "q" is invalid: {where}: {why}')


async def test_the_access_to_the_api_comes_before_the_token_and_in_injected_containers_after(
    recorded: Recorded,
) -> None:
    made = (await recorded.pod(pod(**{"inject-proxy-sidecar": "true"})))["spec"]
    assert names(made["volumes"]) == [ACCESS, RESERVED]
    assert {item["name"]: names(item["volumeMounts"]) for item in (*made["containers"], *made["initContainers"])} == {
        "app": [ACCESS, RESERVED],
        "azwi-proxy": [RESERVED, ACCESS],
        "azwi-proxy-init": [RESERVED, ACCESS],
    }


async def test_the_second_call_takes_back_a_default_of_the_first(recorded: Recorded) -> None:
    """The API server mounts its access into the injected containers, and therefore calls again."""
    made = await recorded.pod(pod(**{"inject-proxy-sidecar": "true"}))
    assert recorded.calls == 2
    (operation,) = [item for item in recorded.patches[1] if item["path"] != "/metadata/creationTimestamp"]
    volumes = names(made["spec"]["volumes"])
    path = f"/spec/volumes/{volumes.index(RESERVED)}/projected/defaultMode"
    assert operation == {"op": "remove", "path": path}
    assert made["spec"]["volumes"][volumes.index(RESERVED)]["projected"]["defaultMode"] == 420


def later(recorded: Recorded) -> None:
    """A second webhook, called after the first, which adds a container."""

    async def add(review: Json) -> Json:
        containers = review["request"]["object"]["spec"]["containers"]
        operations: list[Json] = []
        if "late" not in names(containers):
            added = {"name": "late", "image": "i"}
            operations = [{"op": "add", "path": f"/spec/containers/{len(containers)}", "value": added}]
        patch = base64.b64encode(json.dumps(operations).encode()).decode()
        response = {"uid": review["request"]["uid"], "allowed": True, "patchType": "JSONPatch", "patch": patch}
        recorded.reviews.append({"path": "/zz"})
        return {"response": response}

    own = recorded.cluster.list(CONFIGURATIONS)[0]
    webhook = copy.deepcopy(own["webhooks"][0]) | {"name": "zz.example.io", "reinvocationPolicy": "Never"}
    webhook["clientConfig"]["service"] |= {"name": "zz", "path": "/zz"}
    recorded.cluster.write(CONFIGURATIONS, {"metadata": {"name": "zz"} | _allowed(), "webhooks": [webhook]})
    recorded.cluster.webhook_backends["kube-system/zz"] = add


def _allowed() -> Json:
    return {"annotations": {"admissions.enforcer/disabled": "true"}}


@pytest.mark.parametrize("annotations", [{}, {"inject-proxy-sidecar": "true"}], ids=["plain", "proxy"])
async def test_a_container_that_a_later_webhook_adds_is_treated_too(recorded: Recorded, annotations: Json) -> None:
    later(recorded)
    made = await recorded.pod(pod(**annotations))
    called = [review.get("path", "/mutate-v1-pod") for review in recorded.reviews]
    assert called == ["/mutate-v1-pod", "/zz", "/mutate-v1-pod"]
    assert [(item["name"], len(item["env"])) for item in made["spec"]["containers"]] == [("app", 4), ("late", 4)]
    paths = {f"{item['op']} {item['path']}" for item in recorded.patches[1]}
    volumes = names(made["spec"]["volumes"])
    assert {
        "add /spec/containers/1/env",
        "add /spec/containers/1/volumeMounts/1",
        f"remove /spec/volumes/{volumes.index(RESERVED)}/projected/defaultMode",
    } <= paths


ORDER: list[tuple[str, Json, str]] = [
    ("account", {"service-account-token-expiration": "10", "inject-proxy-sidecar": "", "proxy-sidecar-port": "x"},
     'error looking up service account wi/missing: serviceaccount "missing" not found'),
    ("host network", {"service-account-token-expiration": "10", "inject-proxy-sidecar": "", "proxy-sidecar-port": "x"},
     "hostNetwork is set to true, cannot inject proxy sidecar"),
    ("port", {"service-account-token-expiration": "10", "inject-proxy-sidecar": "", "proxy-sidecar-port": "x"},
     'strconv.ParseInt: parsing "x": invalid syntax'),
    ("expiration", {"service-account-token-expiration": "10", "proxy-sidecar-port": "x"},
     "token expiration 10 not valid. Expected value to be between 3600 and 86400"),
]  # fmt: skip


@pytest.mark.parametrize(("first", "annotations", "message"), ORDER, ids=[row[0] for row in ORDER])
async def test_the_first_of_several_mistakes_is_the_answer(
    recorded: Recorded, first: str, annotations: Json, message: str
) -> None:
    given = pod(**annotations)
    if first == "account":
        given["spec"]["serviceAccountName"] = "missing"
    if first in ("account", "host network"):
        given["spec"]["hostNetwork"] = True
    with pytest.raises(Refusal) as refused:
        await recorded.pod(given)
    assert message in refused.value.message


async def test_the_webhook_looks_at_no_operation(recorded: Recorded) -> None:
    await recorded.pod(pod())
    review = copy.deepcopy(recorded.reviews[0])
    review["request"]["operation"] = "UPDATE"
    answer = await recorded.cluster.webhook_backends["kube-system/azure-wi-webhook-webhook-service"](review)
    assert (answer["response"]["allowed"], "patch" in answer["response"]) == (True, True)
