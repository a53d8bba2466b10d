"""A running simulator: the simulation behind its proxy, and the environment that brings clients to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from . import snapshots
from .authority import Authority
from .azure import start
from .azure.state import AzureState
from .clock import Clock
from .hosts import Hosts
from .journal import Journal
from .outside import Outside
from .proxy import Proxy
from .simulation import Simulation
from .weather import Weather

SIMULATOR = "WORKLOAD_IDENTITY_SIMULATOR"
"""The variable that tells ``simulate show`` and its like which simulator is meant: the address of its port, with what
lets its owner see and change everything."""


@dataclass
class Simulator:
    """A simulation that is being served."""

    simulation: Simulation
    proxy: Proxy
    _outside: Outside

    @classmethod
    async def serve(
        cls,
        *,
        directory: Path,
        beginning: start.Start,
        weather: Weather | None = None,
        port: int = 0,
        journal: Path | None = None,
        snapshot: Path | None = None,
        issuer_authorities: Sequence[Path] = (),
    ) -> Simulator:
        """Serve on 127.0.0.1 what ``beginning`` describes, or what an existing ``snapshot`` file holds.

        ``directory`` keeps the certificate authority and the pods' files. ``issuer_authorities`` are PEM files that
        vouch for real issuers on this machine. Raises OSError where the port is taken or such a file is none, and
        :class:`~.snapshots.NotASnapshot`.
        """
        directory.mkdir(parents=True, exist_ok=True)
        weather = weather or Weather(Clock())
        simulation = Simulation(
            directory=directory,
            authority=Authority.open(directory),
            clock=weather.clock,
            weather=weather,
            journal=Journal(journal),
            azure=AzureState(),
            fetch=_nothing_to_fetch,
        )
        hosts = Hosts(simulation)
        outside = Outside(hosts, issuer_authorities)
        simulation.fetch = outside.get
        proxy = Proxy(hosts, simulation.authority, hosts.resolves)
        simulation.proxy_url = f"http://127.0.0.1:{await proxy.start(port)}"
        if snapshot is not None and snapshot.exists():
            await snapshots.put_back(simulation, snapshots.read(snapshot))
        else:
            await start.begin(simulation, beginning)
        return cls(simulation, proxy, outside)

    async def stop(self, snapshot: Path | None = None) -> None:
        """Stop serving and end the pods; with ``snapshot`` keep the state in that file."""
        for cluster in self.simulation.clusters.values():
            await cluster.stop()
        await self.proxy.stop()
        await self._outside.close()
        if snapshot is not None:
            snapshots.write(snapshot, snapshots.taken(self.simulation))

    def environment(self) -> dict[str, str]:
        """The variables that bring unmodified clients here, signed in as the first operator.

        Both CA variables are needed: requests reads one of them, aiohttp and httpx the other. NO_PROXY keeps what
        runs on this machine, Prefect's own API among it, off the simulator.
        """
        bundle = str(self.simulation.authority.bundle)
        proxy = self.simulation.proxy_url
        azure = self.simulation.azure
        operator = azure.operators[0]
        return {
            "HTTPS_PROXY": proxy,
            "HTTP_PROXY": proxy,
            "https_proxy": proxy,
            "http_proxy": proxy,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "SSL_CERT_FILE": bundle,
            "REQUESTS_CA_BUNDLE": bundle,
            "CURL_CA_BUNDLE": bundle,
            "NODE_EXTRA_CA_CERTS": bundle,
            "AZURE_TENANT_ID": azure.tenant_id,
            "AZURE_CLIENT_ID": operator.client_id,
            "AZURE_CLIENT_SECRET": operator.client_secret,
            "AZURE_SUBSCRIPTION_ID": next(iter(azure.subscriptions)),
            SIMULATOR: proxy.replace("://", f"://simulate:{self.simulation.key}@"),
        }


async def _nothing_to_fetch(url: str) -> httpx.Response:
    raise httpx.ConnectError(url)
