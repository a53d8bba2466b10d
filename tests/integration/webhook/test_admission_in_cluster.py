"""What the API server makes of every recorded pod with the webhook behind it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from recorded_admission import CASES, FACTS, Case, containers, service_account

from simulator.clock import Clock
from simulator.kubernetes.cluster import Cluster
from simulator.routing import Refusal
from simulator.webhook.addon import addon_objects
from simulator.webhook.manager import CONFIGURATIONS
from simulator.webhook.review import answer_review
from simulator.webhook.settings import read_settings

Json = dict[str, Any]

REFUSED = [case for case in CASES if case.api["code"] != 201]


class Recorded:
    """A cluster as the cases were recorded in, with a webhook behind it that counts how often it is called."""

    def __init__(self) -> None:
        self.calls = 0
        self.settings = FACTS["settings"]["A"]
        self.cluster = Cluster.new(name="c", fqdn="c.azmk8s.io", issuer="https://issuer/", clock=Clock())
        self.cluster.write(CONFIGURATIONS, addon_objects("")[-1])
        self.cluster.webhook_backends["kube-system/azure-wi-webhook-webhook-service"] = self._answer
        for name in FACTS["service_accounts"]:
            namespace, _, account = name.partition("/")
            if self.cluster.get("namespaces", namespace) is None:
                self.cluster.write("namespaces", {"metadata": {"name": namespace}})
            stored = service_account(namespace, account)
            assert stored is not None
            self.cluster.write("serviceaccounts", stored)

    async def create(self, case: Case) -> Json:
        self.calls, self.settings = 0, FACTS["settings"][case.settings]
        return await self.cluster.create("pods", copy.deepcopy(case.pod), namespace=case.namespace, dry_run=True)

    async def _answer(self, review: Json) -> Json:
        self.calls += 1
        settings = read_settings(self.settings["environment"], self.settings["arguments"])
        body, version = json.dumps(review).encode(), self.settings["server_version"]
        return answer_review(body, "application/json", settings, version, service_account)


@pytest.fixture(scope="module")
def recorded() -> Iterator[Recorded]:
    return Recorded()


def as_recorded(value: Any) -> Any:
    """Without what the API server adds to every pod: the recording left that out, too."""
    if isinstance(value, list):
        return [as_recorded(item) for item in value if not _is_api_access(item)]
    if isinstance(value, dict):
        added = ("defaultMode", "protocol", "terminationMessagePath", "terminationMessagePolicy")
        return {key: as_recorded(item) for key, item in value.items() if key not in added}
    return value


def _is_api_access(item: Any) -> bool:
    return isinstance(item, dict) and str(item.get("name", "")).startswith("kube-api-access-")


def _without_empty_lists(rows: list[Json]) -> list[Json]:
    return [{key: value for key, value in row.items() if value != []} for row in rows]


@pytest.mark.parametrize("case", [case for case in CASES if case.api["code"] == 201], ids=lambda case: case.id)
async def test_created_pod_is_as_recorded(recorded: Recorded, case: Case) -> None:
    pod = await recorded.create(case)
    assert recorded.calls == case.api["calls"]
    if recorded.calls == 0:
        assert all(not container.get("env") for container in pod["spec"]["containers"])
        return
    for part, expected in (("initContainers", case.init), ("containers", case.app)):
        rows = as_recorded(containers(pod, case.pod, part))
        assert _without_empty_lists(rows) == as_recorded(expected)
    assert as_recorded(pod["spec"]["volumes"]) == case.volumes


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.id)
async def test_refused_pod_is_refused_as_recorded(recorded: Recorded, case: Case) -> None:
    with pytest.raises(Refusal) as refused:
        await recorded.create(case)
    answer = {"code": refused.value.status, "calls": recorded.calls, "message": refused.value.message}
    if refused.value.code:
        answer["reason"] = refused.value.code
    assert answer == case.api
