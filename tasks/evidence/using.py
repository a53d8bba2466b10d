"""What comes of using the chain as the workload does: tokens exchanged, and the secret read. No value is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from clients.errors import CloudError
from clients.session import Clients
from clients.waiting import EXCHANGE_SECONDS
from fleet.diagnosis.evidence import Attempt, SecretEvidence
from tasks.signing_in import read_secret, sign_in

if TYPE_CHECKING:
    from azure.keyvault.secrets import SecretProperties


async def exchange(clients: Clients, client_id: str, assertion: str, tries: int) -> tuple[Attempt, ...]:
    """The token exchanged so many times: one that flaps shows only over several."""

    async def once() -> Attempt:
        what = f"sign-in as {client_id}"
        return await _attempt(clients, lambda: sign_in(clients, what, clients.tenant_id, client_id, assertion))

    return tuple(await asyncio.gather(*(once() for _ in range(tries))))


async def read(
    clients: Clients, client_id: str, assertion: str, vault: str, secret: str
) -> tuple[Attempt, SecretEvidence | None]:
    """The secret read as the workload, and what the answer tells of it beside its value."""
    properties: list[SecretProperties] = []

    async def asked() -> None:
        what, who = f"secret {secret} of vault {vault}", (clients.tenant_id, client_id, assertion)
        properties.append(await read_secret(clients, what, *who, vault, secret))

    attempt = await _attempt(clients, asked)
    if properties:
        return attempt, told(properties[-1])
    return attempt, SecretEvidence(enabled=False) if attempt.code == "SecretDisabled" else None


def told(properties: SecretProperties) -> SecretEvidence:
    """A secret's attributes."""
    return SecretEvidence(
        enabled=properties.enabled is not False, not_before=properties.not_before, expires=properties.expires_on
    )


async def _attempt(clients: Clients, call: Callable[[], Awaitable[None]]) -> Attempt:
    try:
        await clients.patience.request(call, seconds=EXCHANGE_SECONDS)
    except CloudError as error:
        return Attempt(error.code or type(error).__name__, error.message)
    return Attempt()
