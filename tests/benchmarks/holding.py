"""Fills a simulation with what a fleet of N workloads needs, and prints the bytes of memory that it then takes.

With a path it keeps the simulation there, for a simulator that starts with it.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from fleet.observed import Found, Observed, Tenancy
from fleet.plan import plan
from fleet.resources import ClusterSettings, Webhook
from fleet.spec import Fleet, VaultAuthorization
from fleet.wanted import wanted
from simulator import snapshots
from simulator.azure import start
from simulator.clock import Clock
from simulator.server import Simulator
from simulator.weather import CALM, Weather

from . import fleets, ready_made


def beginning(simulator: Simulator, fleet: Fleet) -> Observed:
    """What is there in a cloud whose clusters are ready and that holds nothing of the fleet."""
    azure = simulator.simulation.azure
    tenancy = Tenancy(
        tenant_id=azure.tenant_id,
        subscription_id=fleet.subscription,
        subscription_name="Large",
        operator_id=azure.operators[0].object_id,
    )
    issuers = {cluster.state.name: cluster.state.issuer for cluster in simulator.simulation.clusters.values()}
    empty = Observed(tenancy=tenancy)
    there = [item.resource for item in wanted(fleet, empty) if isinstance(item.resource, ClusterSettings | Webhook)]
    found = (
        Found(resource=item, outputs={"issuer": issuers[item.name]} if isinstance(item, ClusterSettings) else {})
        for item in there
    )
    return Observed(tenancy=tenancy, found=tuple(found))


async def main(count: int, kept: Path | None) -> None:
    """Fill and print."""
    fleet = fleets.fleet(count, authorization=VaultAuthorization.ACCESS_POLICY)  # role assignments end at 4,000
    with TemporaryDirectory() as directory:
        cloud = start.load(fleets.cloud(len(fleet.clusters), ready=True))
        simulator = await Simulator.serve(directory=Path(directory), beginning=cloud, weather=Weather(Clock(), CALM))
        missing = plan(fleet, beginning(simulator, fleet))
        before = psutil.Process().memory_info().rss - MEMORY_AT_START
        await ready_made.make(simulator, fleet, missing.changes, "value")
        print(psutil.Process().memory_info().rss - before)  # the plan is ours, not the simulator's
        if kept is not None:
            snapshots.write(kept, snapshots.taken(simulator.simulation))
        await simulator.stop()


MEMORY_AT_START = psutil.Process().memory_info().rss

if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None))
