"""What a workload does with its token: exchange it for one of Entra, and read a secret by that. No value is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clients.errors import translated
from clients.session import Clients

if TYPE_CHECKING:
    from azure.keyvault.secrets import SecretProperties

_SCOPE = "https://vault.azure.net/.default"


async def sign_in(clients: Clients, what: str, tenant_id: str, client_id: str, assertion: str) -> None:
    """Exchange a ServiceAccount's token. Errors are about ``what``. A new credential each time: one keeps its token."""
    with translated(what):
        async with clients.workload(tenant_id, client_id, assertion) as credential:
            await credential.get_token(_SCOPE)


async def read_secret(
    clients: Clients, what: str, tenant_id: str, client_id: str, assertion: str, vault: str, secret: str
) -> SecretProperties:
    """Exchange the token, read the secret with what comes back, and tell what the answer has beside its value."""
    with translated(what):
        async with clients.workload(tenant_id, client_id, assertion) as credential:
            return (await clients.secrets_as(credential, vault).get_secret(secret)).properties
