"""Kill -9 between any request of a reconcile and its answer, then run again: as if nothing had happened.

The kill falls when the service has done what it was asked for and the client does not know it, the worst moment there
is; the moment before a request is the one after the request before. ``make test`` tries the boundaries at which a
crash has hurt somebody before, ``make crash`` all of them (the marker ``crash``, deselected by default).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from tests.end_to_end.command import TOKEN
from tests.end_to_end.crash.world import Boundary, Undisturbed, running_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOTED = "/deployments/azure-wi-webhook-controller-manager"
"""Where a finished chart is noted at last: a run that dies before that leaves it at that, and nothing is wrong."""

AT_ONCE = 2
TRIES = 3
"""How often a boundary is looked for: how often something is polled may differ from run to run."""

TRAPS = {
    "the feature is registered, its provider not refreshed": ("POST", "/EnableOIDCIssuerPreview/register"),
    "the application is registered, its id not known": ("PATCH", "/applications(uniqueName="),
    "the cluster is being updated": ("PUT", "/managedClusters/sysadminas"),
    "the vault is created, nobody may read it": ("PUT", "/vaults/sysadminas-demo-kv"),
    "the secret is written": ("PUT", "/secrets/sysadminas-demo-kv-secret"),
    "helm has begun": ("POST", "/azure-workload-identity-system/secrets"),
    "helm has made everything and not noted it": ("PATCH", "/azure-wi-webhook-mutating-webhook-configuration"),
    "the workload is deployed": ("PATCH", "/deployments/azure-wi-demo"),
}


async def test_an_undisturbed_run_leaves_one_of_everything(undisturbed: Undisturbed) -> None:
    state = undisturbed.state
    operator = 1
    assert len(state["applications"]) == len(state["service_principals"]) == 1 + operator
    (application,) = (found for found in state["applications"] if "workload-identity" in found["body"]["tags"])
    assert len(application["federated"]) == 1
    (vault,) = state["vaults"]
    assert len(vault["body"]["properties"]["accessPolicies"]) == 1 + operator
    (secret,) = vault["secrets"].values()
    assert len(secret["versions"]) == 1
    assert sum("/vaults/" in found["body"]["id"] for found in state["role_assignments"]) == 1
    assert [found for found in state["sysadminas secrets"] if "release" in found] == [
        {"release": "workload-identity-webhook", "status": "deployed"}
    ]
    deployments, pods = state["sysadminas deployments.apps"], state["sysadminas pods"]
    replicas = {found["metadata"]["name"]: found["spec"]["replicas"] for found in deployments}
    assert Counter(found["metadata"]["generateName"].rsplit("-", 2)[0] for found in pods) == replicas
    assert {found["status"]["phase"] for found in pods} == {"Running"}


async def test_two_undisturbed_runs_leave_the_same(undisturbed: Undisturbed, tmp_path: Path) -> None:
    async with running_world(tmp_path / "world") as world:
        report = await world.reconcile(then_plan=True)
        assert not report.left
        assert await world.settle(undisturbed.state) == []


@pytest.mark.parametrize("trap", TRAPS)
async def test_killed_when(trap: str, undisturbed: Undisturbed, tmp_path: Path) -> None:
    assert await _harm(_boundary(trap, undisturbed), undisturbed, tmp_path) == []


async def test_killed_again_while_it_takes_up_what_helm_left(undisturbed: Undisturbed, tmp_path: Path) -> None:
    begun = _boundary("helm has begun", undisturbed)
    record = f"{begun.path}/sh.helm.release.v1.workload-identity-webhook.v1"
    async with running_world(tmp_path / "world") as world:
        assert await world.reconcile_killed_at(begun)
        assert await world.reconcile_killed_at(Boundary("DELETE", begun.host, record, 1))
        report = await world.reconcile(then_plan=True)
        assert not report.left
        assert await world.settle(undisturbed.state) == []


@pytest.mark.crash
@pytest.mark.timeout(900)
async def test_killed_at_any_request_and_run_again_the_state_is_that_of_an_undisturbed_run(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    room = asyncio.Semaphore(AT_ONCE)

    async def one(index: int, boundary: Boundary) -> list[str]:
        async with room:
            return [f"{boundary}: {harm}" for harm in await _harm(boundary, undisturbed, tmp_path / str(index))]

    assert len(undisturbed.boundaries) > 100
    harm = await asyncio.gather(*(one(*numbered) for numbered in enumerate(undisturbed.boundaries)))
    assert [line for lines in harm for line in lines] == []


def _boundary(trap: str, undisturbed: Undisturbed) -> Boundary:
    method, path = TRAPS[trap]
    return next(one for one in undisturbed.boundaries if one.method == method and path in one.path)


async def _harm(boundary: Boundary, undisturbed: Undisturbed, directory: Path) -> list[str]:
    """What a kill at the boundary leaves different after another run; nothing, if all is well."""
    for attempt in range(TRIES):
        async with running_world(directory / str(attempt)) as world:
            if not await world.reconcile_killed_at(boundary):
                continue
            try:
                report = await world.reconcile(then_plan=True)
            except AssertionError as error:
                return [f"the second run failed: {error}"]
            left = [f"still to be done: {report.left}"] if report.left else []
            missing = undisturbed.written - world.written()
            left += [f"never written: {target}" for target in missing if not target[1].endswith(NOTED)]
            tokens = [f"a token stayed in {file}" for file in world.files_with(TOKEN)]
            return left + tokens + await world.settle(undisturbed.state)
    return ["was not reached"]
