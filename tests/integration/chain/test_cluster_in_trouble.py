"""A cluster that cannot be reached, or is being upgraded, stops its own workloads; all others are set up and proven."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from fleet.files import load
from fleet.observed import Observed
from fleet.plan import plan
from fleet.spec import Fleet
from tasks import verification
from tests.carrying_out import carry_out
from tests.conftest import Cloud, running_cloud
from tests.hurried import hurried
from tests.integration.chain.test_partial_teardown import FLEET, two_clusters


def unreachable(cloud: Cloud) -> None:
    """The API server of north is behind a firewall."""
    north = next(one for one in cloud.simulator.simulation.clusters.values() if one.state.name == "north")
    north.state.reachable = False


def upgrading(cloud: Cloud, state: str = "Upgrading") -> None:
    """Somebody upgrades north."""
    record = next(one for one in cloud.simulator.simulation.azure.clusters.values() if one.body["name"] == "north")
    record.body["properties"]["provisioningState"] = state


@dataclass(frozen=True)
class Trouble:
    """What is the matter with north, what of it is held for that and not for something that is held, and why."""

    make: Callable[[Cloud], None]
    mend: Callable[[Cloud], None]
    held: frozenset[str]
    why: str


def reachable(cloud: Cloud) -> None:
    for cluster in cloud.simulator.simulation.clusters.values():
        cluster.state.reachable = True


TROUBLES = {
    "unreachable": Trouble(
        unreachable,
        reachable,
        frozenset({"webhook:north", "namespace:north/shop"}),
        "cannot be reached",
    ),
    "being upgraded": Trouble(
        upgrading,
        lambda cloud: upgrading(cloud, "Succeeded"),
        frozenset({"cluster:north"}),
        "the cluster is Upgrading, and takes no other change beside that",
    ),
}


async def proven(cloud: Cloud, fleet: Fleet, observed: Observed) -> tuple[set[str], list[str]]:
    """The chains that hold, and what is said of those that cannot be tried."""
    links, gaps = verification.chains(fleet, observed)
    async with cloud.clients() as clients:
        clients.tenancy = observed.tenancy
        proofs = [await verification.verify(clients, fleet, link, 10) for link in links]
    return {f"{proof.chain.cluster}/{proof.chain.service_account}" for proof in proofs if proof.holds}, gaps


@pytest.mark.parametrize("name", TROUBLES)
async def test_its_own_workloads_are_held_and_all_others_are_set_up_and_proven(tmp_path: Path, name: str) -> None:
    trouble, fleet = TROUBLES[name], load(yaml.safe_dump(FLEET))
    async with running_cloud(tmp_path / "simulator", cloud=two_clusters()) as cloud:
        cloud.patience = hurried(math.inf)
        trouble.make(cloud)
        planned = plan(fleet, await cloud.observe(fleet))
        assert {hold.key for hold in planned.holds if trouble.why in hold.reason} == trouble.held
        assert all("north" in hold.key for hold in planned.holds)
        async with cloud.clients() as clients:
            clients.tenancy = (await cloud.observe(fleet)).tenancy
            await carry_out(clients, fleet, planned.changes)
        observed = await cloud.observe(fleet)
        left = plan(fleet, observed)
        assert (left.changes, {hold.key for hold in left.holds}) == ((), {hold.key for hold in planned.holds})
        holds, gaps = await proven(cloud, fleet, observed)
        assert holds == {"west/web", "west/ledger"}
        assert len(gaps) == 1
        assert gaps[0].startswith("shop/web on north: ")
        trouble.mend(cloud)
        await cloud.apply(fleet)
        assert await proven(cloud, fleet, await cloud.observe(fleet)) == ({"west/web", "west/ledger", "north/web"}, [])
