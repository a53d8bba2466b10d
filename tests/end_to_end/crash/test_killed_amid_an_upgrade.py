"""Helm is killed while it upgrades a release that works: the next run finishes it, and the release stays one.

Part of ``make crash``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.end_to_end.crash.world import Undisturbed, World, running_world

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.crash]

NAMESPACE, MANAGER = "azure-workload-identity-system", "azure-wi-webhook-controller-manager"
RECORD = f"/api/v1/namespaces/{NAMESPACE}/secrets"
TRAPS = {
    "the upgrade is noted as begun": ("POST", RECORD),
    "half of the objects are new": ("PATCH", f"/deployments/{MANAGER}"),
    "the old revision is noted as superseded": ("PUT", f"{RECORD}/sh.helm.release.v1.workload-identity-webhook.v1"),
    "the new revision is noted as deployed": ("PUT", f"{RECORD}/sh.helm.release.v1.workload-identity-webhook.v2"),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    async with running_world(tmp_path_factory.mktemp("upgraded") / "world") as world:
        await _make_outdated(world)
        boundaries = await world.boundaries()
        await world.settle()
        return Undisturbed(boundaries, world.written(), world.state())


async def test_an_upgrade_leaves_one_deployed_revision(upgraded: Undisturbed) -> None:
    assert _releases(upgraded.state) == ["deployed", "superseded"]


@pytest.mark.parametrize("trap", TRAPS)
async def test_helm_killed_when(trap: str, upgraded: Undisturbed, tmp_path: Path) -> None:
    method, path = TRAPS[trap]
    boundary = next(one for one in upgraded.boundaries if one.method == method and one.path.endswith(path))
    async with running_world(tmp_path / "world") as world:
        await _make_outdated(world)
        assert await world.reconcile_killed_at(boundary)
        report = await world.reconcile(then_plan=True)
        assert not report.left
        assert await world.settle(upgraded.state) == []


async def _make_outdated(world: World) -> None:
    """A reconciled world whose webhook somebody has put back to an earlier version."""
    await world.reconcile()
    await world.settle()
    (cluster,) = world.simulator.simulation.clusters.values()
    deployment = cluster.get("deployments.apps", MANAGER, NAMESPACE)
    assert deployment is not None
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    container["image"] = "mcr.microsoft.com/oss/azure/workload-identity/webhook:v1.5.1"
    cluster.write("deployments.apps", deployment, manager="somebody")
    await world.settle()


def _releases(state: dict[str, Any]) -> list[str]:
    return [item["status"] for item in state["sysadminas secrets"] if "release" in item]
