"""A template that was switched and taken back says what it said before, whatever that was."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from clients.errors import CloudError
from fleet.migration.set_up import Owner
from flows import migrate
from tasks.pod_identity import reading, templates
from tests.conftest import Cloud
from tests.veteran import DEFINITIONS, OBJECTS, get, on, veteran

pytestmark = pytest.mark.asyncio(loop_scope="module")

Json = dict[str, Any]
INVOICES = "/apis/apps/v1/namespaces/billing/deployments/invoices"
USE = "azure.workload.identity/use"
SIDECAR = "azure.workload.identity/inject-proxy-sidecar"
PORT = "azure.workload.identity/proxy-sidecar-port"
BEFORE: dict[str, Json] = {
    "nothing of it": {},
    "a ServiceAccount": {"spec": {"serviceAccountName": "ledger", "serviceAccount": "ledger"}},
    "the default ServiceAccount, by name": {"spec": {"serviceAccountName": "default"}},
    "the label, switched off": {"metadata": {"labels": {USE: "false"}}},
    "a sidecar on a port": {"metadata": {"annotations": {SIDECAR: "true", PORT: "7000"}}},
    "annotations of others": {"metadata": {"annotations": {"prometheus.io/scrape": "true"}}},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cloud(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cloud]:
    wanted = [one for one in OBJECTS if one["metadata"].get("namespace", one["metadata"]["name"]) == "billing"]
    async with veteran(tmp_path_factory.mktemp("simulator"), definitions=DEFINITIONS, objects=wanted) as running:
        yield running


async def merge(cloud: Cloud, body: Json) -> None:
    content = {"Content-Type": "application/merge-patch+json"}
    await cloud.by_hand("PATCH", on(cloud, f"{INVOICES}?fieldManager=kubectl-patch"), body, **content)


async def template(cloud: Cloud) -> Json:
    found: Json = (await get(cloud, "Deployment", "billing", "invoices"))["spec"]["template"]
    return found


async def invoices(there: migrate.There) -> Owner:
    owners = (await reading.read(there.kubernetes)).owners
    return next(one for one in owners if one.name == "invoices")


@pytest.mark.parametrize("case", BEFORE)
@pytest.mark.parametrize("proxy", [None, 8000, 9000])
async def test_a_template_is_brought_back_to_what_it_said(cloud: Cloud, case: str, proxy: int | None) -> None:
    await merge(cloud, {"spec": {"template": BEFORE[case]}})
    before = await template(cloud)
    async with migrate.at("veteran", None) as there:
        for _ in range(2):  # switched twice, what it said at first is kept
            await templates.switch(there.kubernetes, await invoices(there), "invoices", proxy=proxy)
        switched = await template(cloud)
        assert switched["metadata"]["labels"] | {USE: "true"} == switched["metadata"]["labels"]
        assert switched["spec"]["serviceAccountName"] == "invoices"
        assert (await invoices(there)).is_switched
        assert await templates.undo(there.kubernetes, await invoices(there))
        assert not (await invoices(there)).is_switched
        assert await template(cloud) == before
        assert not await templates.undo(there.kubernetes, await invoices(there)), "there is nothing more to undo"
    labels, annotations = {USE: None}, {SIDECAR: None, PORT: None, "prometheus.io/scrape": None}
    spec = {"serviceAccountName": None, "serviceAccount": None}
    await merge(
        cloud, {"spec": {"template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": spec}}}
    )


async def test_a_namesake_that_has_taken_its_place_is_not_switched(cloud: Cloud) -> None:
    async with migrate.at("veteran", None) as there:
        former = Owner(**{**vars(await invoices(there)), "uid": "99999999-9999-4999-8999-999999999999"})
        before = await template(cloud)
        with pytest.raises(CloudError):
            await templates.switch(there.kubernetes, former, "invoices", proxy=None)
        assert await template(cloud) == before
