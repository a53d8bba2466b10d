"""One look at the world: the links' observations, all at the same time. Runs with and without Prefect."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from clients.session import Clients, find_tenancy
from fleet.observed import Observation, Observed
from fleet.spec import Fleet
from tasks import chain

from .progress import Phase, tell

Runner = Callable[[str, chain.Look], Awaitable[Observation]]


async def plainly(name: str, look: chain.Look) -> Observation:
    """Make an observation as it is."""
    tell(name, Phase.STARTED)
    observation = await look()
    tell(name, Phase.FAILED if observation.unknown else Phase.DONE)
    return observation


async def observe(
    clients: Clients, fleet: Fleet, run: Runner = plainly, *, beyond: bool = False, pods: bool = False
) -> Observed:
    """Find the subscription and who we are, then look at every link, and with ``beyond`` at all that we ever made.

    With ``pods``, look at what runs too: whether it has what it should have been given.

    Whoever has access to the fleet's vaults and is not known by then is looked up last.

    ``run`` makes one observation under the given name. Raises ``CloudError`` where not even the subscription can be
    seen; any other failure leaves its part of the picture unknown.
    """
    clients.tenancy = await find_tenancy(clients, fleet.subscription)
    observed = Observed.gather(clients.tenancy, await _all(chain.looks(clients, fleet, beyond=beyond, pods=pods), run))
    return observed.and_seen(await _all(chain.second_looks(clients, observed), run))


async def _all(looks: Mapping[str, chain.Look], run: Runner) -> list[Observation]:
    return await asyncio.gather(*(run(f"observe {through}", look) for through, look in looks.items()))
