"""``<vault>.vault.azure.net``: a secret with all its versions as a blob, and back."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from simulator.provenance import Provenance, rule
from simulator.routing import Refusal

from .state import Secret
from .vault_data import ROUTES, answer, item, live, needs, usable
from .wire import json_object

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from simulator.simulation import Simulation

_SOURCE = "wire/keyvault-secrets.yaml"
_SECRET = TypeAdapter(Secret)


@ROUTES.add("POST", "/secrets/{name}/backup", Provenance.RECORDED, f"{_SOURCE} backup")
@needs("backup")
async def backup(simulation: Simulation, request: Request) -> Response:  # noqa: ARG001
    """A blob that only a vault can read; here it is not encrypted."""
    blob = urlsafe_b64encode(_SECRET.dump_json(live(request))).decode().rstrip("=")
    return answer(request, {"value": blob})


@ROUTES.add("POST", "/secrets/restore", Provenance.RECORDED, f"{_SOURCE} restore")
@needs("restore")
async def restore(simulation: Simulation, request: Request) -> Response:
    """All versions again, disabled ones as such: 200 with the latest, without its value."""
    vault = request.state.vault
    secret = _read((await json_object(request, {"value": str}, "BadParameter")).get("value"))
    existing = vault.secrets.get(secret.name.lower())
    usable(simulation, secret.name, existing)
    _unknown(secret.name, existing)
    vault.secrets[secret.name.lower()] = secret
    return answer(request, item(vault, secret, secret.versions[-1], versioned=True))


def _read(blob: object) -> Secret:
    try:
        return _SECRET.validate_json(urlsafe_b64decode(f"{blob}==".encode()))
    except ValueError:
        raise Refusal(400, "BadParameter", "Backup blob could not be read.") from None


@rule("key vault", "a secret is not restored over one of its name", Provenance.DOCUMENTED, "about-secrets, backup")
def _unknown(name: str, existing: Secret | None) -> None:
    if existing is not None and existing.versions:
        message = f"Secret {name} already exists, so that it cannot be restored."
        raise Refusal(409, "Conflict", message)
