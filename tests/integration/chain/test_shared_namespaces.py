"""A namespace that we made is taken away with us, unless somebody else has moved in meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.spec import Fleet
from fleet.teardown import plan_teardown
from flows.observing import observe
from tasks import chain
from tests.conftest import Cloud

NAMESPACE = "/api/v1/namespaces/sysadminas-demo"
THEIRS: dict[str, tuple[str, dict[str, Any]]] = {
    "a config map": (f"{NAMESPACE}/configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "data": {"key": "value"}}),
    "a secret": (f"{NAMESPACE}/secrets", {"apiVersion": "v1", "kind": "Secret", "type": "Opaque"}),
    "a service account": (f"{NAMESPACE}/serviceaccounts", {"apiVersion": "v1", "kind": "ServiceAccount"}),
    "a pod": (
        f"{NAMESPACE}/pods",
        {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "main", "image": "example.org/main:1"}]}},
    ),
    "a deployment without pods": (
        "/apis/apps/v1/namespaces/sysadminas-demo/deployments",
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "spec": {
                "replicas": 0,
                "selector": {"matchLabels": {"app": "theirs"}},
                "template": {
                    "metadata": {"labels": {"app": "theirs"}},
                    "spec": {"containers": [{"name": "main", "image": "example.org/main:1"}]},
                },
            },
        },
    ),
}


def on(cloud: Cloud, path: str) -> str:
    cluster = next(iter(cloud.simulator.simulation.clusters.values()))
    return f"https://{cluster.state.fqdn}{path}"


async def taken_away(cloud: Cloud, fleet: Fleet) -> set[str]:
    """Tear down without Prefect; the keys of what was taken away."""
    async with cloud.clients() as clients:
        planned = plan_teardown(fleet, await observe(clients, fleet, beyond=True))
        for change in planned.changes:
            await chain.apply(clients, fleet, change, {})
    return {change.key for change in planned.changes}


async def namespaces(cloud: Cloud) -> dict[str, Any]:
    listed = await cloud.by_hand("GET", on(cloud, "/api/v1/namespaces"))
    return {item["metadata"]["name"]: item for item in listed["items"]}


async def test_a_namespace_of_ours_alone_goes(cloud: Cloud, fleet: Fleet) -> None:
    await cloud.apply(fleet)
    assert "namespace:sysadminas/sysadminas-demo" in await taken_away(cloud, fleet)
    left = await namespaces(cloud)
    assert left.get("sysadminas-demo", {"status": {"phase": "Terminating"}})["status"]["phase"] == "Terminating"


@pytest.mark.parametrize("what", THEIRS)
async def test_a_namespace_with_something_of_somebody_else_stays_and_is_theirs(
    cloud: Cloud, fleet: Fleet, what: str
) -> None:
    path, body = THEIRS[what]
    await cloud.apply(fleet)
    await cloud.by_hand("POST", on(cloud, path), {**body, "metadata": {"name": "theirs"}})
    await taken_away(cloud, fleet)
    namespace = (await namespaces(cloud))["sysadminas-demo"]
    assert namespace["status"]["phase"] == "Active"
    assert "workload-identity.io/fleet" not in namespace["metadata"]["labels"]
    await cloud.by_hand("GET", on(cloud, f"{path}/theirs"))
    assert await taken_away(cloud, fleet) == set()
