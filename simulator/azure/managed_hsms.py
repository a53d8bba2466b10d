"""Managed HSMs: the simulated cloud has none. The Azure CLI lists them together with the vaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.provenance import Provenance

from .arm_wire import GROUP, SUBSCRIPTION, answer, group, needs, table

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from simulator.simulation import Simulation

TABLE = table()

_ALL = "/providers/Microsoft.KeyVault/managedHSMs"
_DELETED = "/providers/Microsoft.KeyVault/deletedManagedHSMs"


@TABLE.add("GET", f"{SUBSCRIPTION}{_ALL}", Provenance.DOCUMENTED, "managed hsms list by subscription")
@needs("Microsoft.KeyVault/managedHSMs/read", SUBSCRIPTION)
async def list_by_subscription(simulation: Simulation, request: Request) -> Response:  # noqa: ARG001
    """None."""
    return answer(request, {"value": []})


@TABLE.add("GET", f"{GROUP}{_ALL}", Provenance.DOCUMENTED, "managed hsms list by resource group")
@needs("Microsoft.KeyVault/managedHSMs/read", GROUP)
async def list_by_group(simulation: Simulation, request: Request) -> Response:
    """None, in a resource group that there is."""
    group(simulation, request)
    return answer(request, {"value": []})


@TABLE.add("GET", f"{SUBSCRIPTION}{_DELETED}", Provenance.DOCUMENTED, "managed hsms list deleted")
@needs("Microsoft.KeyVault/deletedManagedHSMs/read", SUBSCRIPTION)
async def list_deleted(simulation: Simulation, request: Request) -> Response:  # noqa: ARG001
    """None."""
    return answer(request, {"value": []})
