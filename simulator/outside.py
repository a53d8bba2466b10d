"""How the simulated Entra reads an issuer's documents: from what is simulated, or from a real issuer on this machine.

A cluster that really runs here (kind, k3s, a bare kube-apiserver) can so be federated with the simulated Entra. Only
loopback addresses are ever dialled.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from .hosts import Hosts

_SECONDS = 10


class Outside:
    """Reads URLs as the simulated Entra does."""

    def __init__(self, hosts: Hosts, authorities: Sequence[Path] = ()) -> None:
        """``authorities`` are PEM files that vouch for issuers on this machine, beside the machine's own.

        Raises OSError, of which :class:`ssl.SSLError` is one, where a file holds no certificate.
        """
        self._hosts = hosts
        trusted = ssl.create_default_context()
        for file in authorities:
            trusted.load_verify_locations(cafile=file)
        headers = {"User-Agent": "Entra"}
        self._simulated = httpx.AsyncClient(transport=httpx.ASGITransport(hosts), headers=headers, timeout=_SECONDS)
        self._loopback = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(verify=trusted), headers=headers, timeout=_SECONDS
        )

    async def get(self, url: str) -> httpx.Response:
        """The answer, redirects not followed. Raises httpx.ConnectError for what is neither simulated nor loopback."""
        host = httpx.URL(url).host
        if _is_loopback(host):
            return await self._loopback.get(url)
        if self._hosts.resolves(host):
            return await self._simulated.get(url)
        message = f"{host} has no address"
        raise httpx.ConnectError(message)

    async def close(self) -> None:
        """End its connections."""
        await self._simulated.aclose()
        await self._loopback.aclose()


def _is_loopback(host: str) -> bool:
    """Whether a URL's host is this machine, by a name or an address that needs no look-up."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
