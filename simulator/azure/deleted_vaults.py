"""Soft-deleted key vaults through ARM: listed, read, purged. Recovering one is a PUT of the vault."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from simulator.provenance import Provenance, doubt
from simulator.routing import Refusal

from .arm_wire import HOST, SUBSCRIPTION, answer, needs, table, wait
from .state import Json, Vault
from .vault_names import deleted_vault
from .wire import seconds_z

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from simulator.simulation import Simulation

TABLE = table()

_LOCATION = f"{SUBSCRIPTION}/providers/Microsoft.KeyVault/locations/{{location}}"
_DELETED = f"{_LOCATION}/deletedVaults/{{name}}"
_SOURCE = "wire/keyvault-management.yaml"


def _tombstone(vault: Vault) -> Json:
    assert vault.deleted_at is not None
    body, properties = vault.body, vault.body["properties"]
    purge = vault.deleted_at + timedelta(days=properties["softDeleteRetentionInDays"])
    sub = body["id"].split("/")[2]
    shown: Json = {
        "vaultId": body["id"],
        "location": body["location"],
        "tags": body["tags"],
        "deletionDate": seconds_z(vault.deleted_at),
        "scheduledPurgeDate": seconds_z(purge),
    }
    if properties.get("enablePurgeProtection"):
        shown["purgeProtectionEnabled"] = True
    return {
        "id": f"{_DELETED.format(sub=sub, location=body['location'], name=body['name'])}",
        "name": body["name"],
        "type": "Microsoft.KeyVault/deletedVaults",
        "properties": shown,
    }


@TABLE.add(
    "GET",
    f"{SUBSCRIPTION}/providers/Microsoft.KeyVault/deletedVaults",
    Provenance.RECORDED,
    f"{_SOURCE} soft_delete.list_deleted",
)
@doubt(
    "arm",
    "a deleted vault's location may be a display name or in odd case, and the list may go on behind a nextLink",
    "the short name, and one page",
    f"{_SOURCE} soft_delete.list_deleted",
)
@needs("Microsoft.KeyVault/deletedVaults/read", SUBSCRIPTION)
async def list_deleted(simulation: Simulation, request: Request) -> Response:
    """The soft-deleted vaults of a subscription."""
    prefix = f"/subscriptions/{request.path_params['sub']}/".lower()
    value = [
        _tombstone(one) for key, one in simulation.azure.vaults.items() if one.deleted_at and key.startswith(prefix)
    ]
    return answer(request, {"value": value})


def _deleted(simulation: Simulation, request: Request) -> Vault:
    places = request.path_params
    found = deleted_vault(simulation.azure, places["sub"], places["location"], places["name"])
    if found is None:
        message = f"The specified deleted vault '{places['name']}' does not exist."
        raise Refusal(404, "DeletedVaultNotFound", message)
    return found


@TABLE.add("GET", _DELETED, Provenance.DOCUMENTED, "vaults get deleted")
@needs("Microsoft.KeyVault/locations/deletedVaults/read", SUBSCRIPTION)
async def get_deleted(simulation: Simulation, request: Request) -> Response:
    """One soft-deleted vault."""
    return answer(request, _tombstone(_deleted(simulation, request)))


@TABLE.add("POST", f"{_DELETED}/purge", Provenance.DOCUMENTED, "vaults purge deleted")
@needs("Microsoft.KeyVault/locations/deletedVaults/purge/action", SUBSCRIPTION)
async def purge(simulation: Simulation, request: Request) -> Response:
    """Delete for good: 202, over at once; refused under purge protection."""
    found = _deleted(simulation, request)
    if found.body["properties"].get("enablePurgeProtection"):
        message = f"Operation 'DeletedVaultPurge' is not allowed: the vault '{found.body['name']}' is purge protected."
        raise Refusal(403, "MethodNotAllowed", message)
    del simulation.azure.vaults[found.body["id"].lower()]
    base = _LOCATION.format_map(request.path_params)
    where = f"{HOST}{base}/operationResults/{found.body['name']}?api-version={request.query_params['api-version']}"
    return answer(request, None, 202, {"Location": where} | wait(simulation, simulation.clock.now()))


@TABLE.add("GET", f"{_LOCATION}/operationResults/{{name}}", Provenance.DOCUMENTED, "vaults purge deleted")
@needs("Microsoft.KeyVault/locations/operationResults/read", SUBSCRIPTION)
async def purged(simulation: Simulation, request: Request) -> Response:  # noqa: ARG001
    """A purge is over."""
    return answer(request, None)
