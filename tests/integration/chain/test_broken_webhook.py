"""A webhook that is called and breaks down."""

from __future__ import annotations

from typing import Any

from fleet.spec import Fleet
from tasks import verification
from tests.conftest import Cloud


async def breaking_down(review: dict[str, Any]) -> dict[str, Any]:
    raise ZeroDivisionError


async def test_the_proof_tells_what_the_api_server_says_of_a_webhook_that_breaks_down(
    cloud: Cloud, fleet: Fleet
) -> None:
    await cloud.apply(fleet)
    (cluster,) = cloud.simulator.simulation.clusters.values()
    (name,) = cluster.webhook_backends
    cluster.webhook_backends[name] = breaking_down
    observed = await cloud.observe(fleet)
    ((chain,), _) = verification.chains(fleet, observed)
    async with cloud.clients() as clients:
        clients.tenancy = observed.tenancy
        proof = await verification.verify(clients, fleet, chain, 1.0)
    assert 'failed to call webhook: an error on the server ("unknown") has prevented' in str(proof.problems)
