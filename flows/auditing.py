"""An audit of a fleet: the look at the world, and what is found."""

from __future__ import annotations

from clients.session import Clients, find_tenancy
from fleet.audit.findings import Audit
from fleet.audit.rules import audit
from fleet.spec import Fleet
from tasks.auditing.looking import Looking


async def of_fleet(clients: Clients, fleet: Fleet) -> Audit:
    """What is found. Raises ``CloudError`` where not even the subscription can be seen."""
    clients.tenancy = await find_tenancy(clients, fleet.subscription)
    return audit(fleet, await Looking(clients, fleet.clusters).inventory())


async def of_subscription(clients: Clients, subscription: str) -> Audit:
    """What is found without a fleet file, in a subscription by name or id, '' for the only one there is."""
    clients.tenancy = await find_tenancy(clients, subscription or None)
    return audit(None, await Looking(clients, ()).inventory())
