"""Who holds which role where, and whether it lets read secrets."""

from __future__ import annotations

import asyncio
import fnmatch
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from clients.errors import translated
from clients.session import Clients
from tasks import access

READ_SECRET = "Microsoft.KeyVault/vaults/secrets/getSecret/action"


@dataclass(frozen=True)
class Held:
    """A role assignment, its role by name."""

    principal_id: str
    role: str
    scope: str
    reads_secrets: bool
    created: datetime | None


async def held(clients: Clients, principal_id: str = "") -> list[Held]:
    """What one principal, or all of them, hold in the subscription. Each role's definition is looked at once."""
    items = await access.assignments(clients, principal_id)
    ids = list({item.role_definition_id or "" for item in items})
    roles = dict(zip(ids, await asyncio.gather(*(_role(clients, one) for one in ids)), strict=True))
    found = []
    for item in items:
        name, reads_secrets = roles[item.role_definition_id or ""]
        found.append(Held(item.principal_id or "", name, item.scope or "", reads_secrets, item.created_on))
    return found


async def _role(clients: Clients, definition_id: str) -> tuple[str, bool]:
    """What a role definition, by its ARM id, is called, and whether it lets read secrets."""

    async def defined() -> Any:
        with translated(f"role {definition_id.rpartition('/')[2]}"):
            return await clients.arm.authorization.role_definitions.get_by_id(definition_id)

    definition = await clients.patience.request(defined)
    reads = any(
        _matches(one.data_actions) and not _matches(one.not_data_actions) for one in definition.permissions or ()
    )
    return definition.role_name or "", reads


def _matches(actions: list[str] | None) -> bool:
    return any(fnmatch.fnmatchcase(READ_SECRET.lower(), action.lower()) for action in actions or ())
