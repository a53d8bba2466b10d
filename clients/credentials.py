"""The operator's credential, shared by clients that ask for tokens at the same time."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken, AccessTokenInfo
    from azure.identity.aio import DefaultAzureCredential


class SharedCredential:
    """A credential of which those who want the same token wait for one request, instead of making one each.

    azure-identity keeps tokens, but does not know that one is under way: ten clusters would ask ten times.
    """

    def __init__(self, credential: DefaultAzureCredential) -> None:
        self._credential = credential
        self._locks: defaultdict[tuple[str, ...], asyncio.Lock] = defaultdict(asyncio.Lock)

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """As azure-identity's."""
        async with self._locks[scopes]:
            return await self._credential.get_token(*scopes, **options)

    async def get_token_info(self, *scopes: str, **options: Any) -> AccessTokenInfo:
        """As azure-identity's."""
        async with self._locks[scopes]:
            return await self._credential.get_token_info(*scopes, **options)

    async def close(self) -> None:
        """Whoever opened the credential closes it."""

    async def __aenter__(self) -> SharedCredential:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Whoever opened the credential closes it."""
