"""``<vault>.vault.azure.net``: secrets soft-deleted, brought back, purged."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from starlette.responses import Response

from simulator.provenance import Provenance
from simulator.routing import Refusal

from .state import Json, Secret, Vault
from .vault_data import ROUTES, answer, base, item, live, needs, paged, standing

if TYPE_CHECKING:
    from starlette.requests import Request

    from simulator.simulation import Simulation

_SOURCE = "wire/keyvault-secrets.yaml"


def _busy(simulation: Simulation, secret: Secret, what: str) -> None:
    secret.busy, secret.free_at = what, simulation.weather.after("secret_deletion")


def _tombstone(vault: Vault, secret: Secret, *, versioned: bool) -> Json:
    assert secret.deleted_at is not None
    purge = secret.deleted_at + timedelta(days=vault.body["properties"]["softDeleteRetentionInDays"])
    return {
        "recoveryId": f"{base(vault)}/deletedsecrets/{secret.name}",
        "deletedDate": int(secret.deleted_at.timestamp()),
        "scheduledPurgeDate": int(purge.timestamp()),
        **item(vault, secret, secret.versions[-1], versioned=versioned),
    }


@ROUTES.add("DELETE", "/secrets/{name}", Provenance.RECORDED, f"{_SOURCE} delete")
@needs("delete")
async def delete_secret(simulation: Simulation, request: Request) -> Response:
    """Soft-delete all versions."""
    secret = live(request)
    secret.deleted_at = simulation.clock.now()
    _busy(simulation, secret, "deleted")
    return answer(request, _tombstone(request.state.vault, secret, versioned=True))


def _deleted(simulation: Simulation, request: Request) -> Secret:
    """A deleted secret, once its deletion is through."""
    name = request.path_params["name"]
    found: Secret | None = request.state.vault.secrets.get(name.lower())
    pending = found is not None and found.free_at is not None and simulation.clock.now() < found.free_at
    if found is None or found.deleted_at is None or pending:
        message = f"Deleted Secret not found: {name}"
        raise Refusal(404, "SecretNotFound", message)
    return found


@ROUTES.add("GET", "/deletedsecrets", Provenance.DOCUMENTED, "get deleted secrets")
@needs("list")
async def list_deleted(simulation: Simulation, request: Request) -> Response:  # noqa: ARG001
    """The soft-deleted secrets."""
    vault = request.state.vault
    gone = [one for one in vault.secrets.values() if one.deleted_at is not None]
    return paged(request, vault, [_tombstone(vault, one, versioned=False) for one in gone])


@ROUTES.add("GET", "/deletedsecrets/{name}", Provenance.DOCUMENTED, "get deleted secret")
@needs("get")
async def get_deleted(simulation: Simulation, request: Request) -> Response:
    """One soft-deleted secret; 404 until its deletion is through."""
    return answer(request, _tombstone(request.state.vault, _deleted(simulation, request), versioned=True))


@ROUTES.add("POST", "/deletedsecrets/{name}/recover", Provenance.RECORDED, f"{_SOURCE} recover")
@needs("recover")
async def recover(simulation: Simulation, request: Request) -> Response:
    """Bring a secret back with all versions."""
    secret = _deleted(simulation, request)
    secret.deleted_at = None
    _busy(simulation, secret, "recovered")
    return answer(request, item(request.state.vault, secret, secret.versions[-1], versioned=True))


@ROUTES.add("DELETE", "/deletedsecrets/{name}", Provenance.RECORDED, f"{_SOURCE} purge")
@needs("purge")
async def purge(simulation: Simulation, request: Request) -> Response:
    """Delete for good: 204; the name is unusable for some seconds more."""
    secret = _deleted(simulation, request)
    if request.state.vault.body["properties"].get("enablePurgeProtection"):
        text = "Operation purge is not allowed on this vault because purge protection is enabled."
        raise Refusal(403, "Forbidden", text, extra={"innererror": {"code": "ForbiddenByPolicy"}})
    secret.versions, secret.deleted_at = [], None
    _busy(simulation, secret, "purged")
    return Response(status_code=204, headers=standing(request))
