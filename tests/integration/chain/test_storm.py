"""A whole reconcile in a storm ends right: nothing left to do, every chain proven, nothing there twice.

The clients live at the cloud's pace: their pauses are as many times shorter as the cloud is faster. Their deadlines
count what they have paused, in the cloud's seconds: how busy this machine is does not matter.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from fleet.files import load
from simulator.weather import STORM
from tasks import verification
from tests.conftest import Cloud, running_cloud
from tests.hurried import hurried

WIDE = Path(__file__).parent / "wide.yaml"
FASTER = 400.0
PROOF_SECONDS = 900.0
SEEDS = 50
EVERY_TIME = 10
"""Seeds that every run of the tests tries; make storm tries all."""
PASSES = 2


def duplicates(cloud: Cloud) -> list[str]:
    azure = cloud.simulator.simulation.azure
    names = [f"application {one.body['displayName']}" for one in azure.applications.values()]
    names += [f"principal of {one.body['appId']}" for one in azure.service_principals.values()]
    names += [
        f"{one.trust.issuer} {one.trust.subject}"
        for holder in (*azure.applications.values(), *azure.identities.values())
        for one in holder.federated
    ]
    names += [
        " ".join(str(one.body["properties"][part]) for part in ("scope", "principalId", "roleDefinitionId"))
        for one in azure.role_assignments.values()
    ]
    return [name for name, count in Counter(names).items() if count > 1]


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=[pytest.mark.storm] if seed >= EVERY_TIME else []) for seed in range(SEEDS)]
)
async def test_a_reconcile_in_a_storm_ends_right(tmp_path: Path, seed: int) -> None:
    fleet = load(WIDE.read_text(encoding="utf-8"))
    async with running_cloud(tmp_path, dials=STORM, speed=FASTER, seed=seed) as cloud:
        cloud.patience = hurried(FASTER, seed)
        for _ in range(PASSES):
            await cloud.apply(fleet)
        observed = await cloud.observe(fleet)
        assert observed.unknown == ()
        assert (await cloud.plan(fleet)).is_empty
        chains, gaps = verification.chains(fleet, observed)
        assert gaps == []
        async with cloud.clients() as clients:
            clients.tenancy = observed.tenancy
            proofs = [await verification.verify(clients, fleet, link, PROOF_SECONDS) for link in chains]
        assert [proof.problems for proof in proofs] == [()] * len(fleet.workloads)
        assert duplicates(cloud) == []
        assert cloud.simulator.simulation.unknown == []
