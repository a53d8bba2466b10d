"""The secrets of a vault by the SDK, which is told beforehand what it would ask each vault for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from azure.keyvault.secrets._shared import HttpChallenge, HttpChallengeCache
from azure.keyvault.secrets.aio import SecretClient

from fleet.naming import vault_url
from fleet.proof import AUTHORITY_HOST

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.core.pipeline.transport import AioHttpTransport


def secrets_of(
    vault: str, tenant_id: str, credential: AsyncTokenCredential, transport: AioHttpTransport
) -> SecretClient:
    """A client of the vault's secrets as ``credential``.

    The SDK asks every vault once without a token, for the challenge that tells it tenant and resource: a request for
    each vault and run. We know both, so they go to where the SDK keeps challenges; a vault that thinks otherwise
    answers 401 with its own, which then counts. (The place is the SDK's own, hence pinned; a test counts requests.)
    """
    url = vault_url(vault)
    if HttpChallengeCache.get_challenge_for_url(url) is None:
        challenge = f'Bearer authorization="{AUTHORITY_HOST}{tenant_id}", resource="https://vault.azure.net"'
        HttpChallengeCache.set_challenge_for_url(url, HttpChallenge(url, challenge))
    return SecretClient(url, credential, transport=transport, retry_total=0)
